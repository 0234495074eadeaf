package installed_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

const (
	xen    = "EFI/xen/xen-4.20.2-aaaaaaaaaaaaaaaaaaaa.efi"
	config = "EFI/xen/xen-generation-1-0123456789abcdef.cfg"
	entry  = "loader/entries/xen-generation-1.conf"
	kernel = "EFI/nixos/k.efi"
)

// shared are the files of one entry of the shared layout.
func shared() map[string]string {
	return map[string]string{
		entry:  "title NixOS\nversion Generation 1\nefi /" + xen + "\noptions xen.efi -cfg=xen-generation-1-0123456789abcdef.cfg\n",
		config: "[global]\ndefault=xen\n\n[xen]\nkernel=\\EFI\\nixos\\k.efi init=/nix/store/top/init\n",
		xen:    "an image", kernel: "a kernel",
	}
}

// shown says what an inventory has: "entry ID LAYOUT", "broken", "payload", "leftover", "strange", each by its file.
func shown(inv *installed.Inventory) (list []string) {
	for _, e := range inv.Entries {
		line := fmt.Sprintf("entry %s %s %s", e.ID, e.Layout, e.Toplevel)
		if e.Broken != nil {
			line += " broken"
		}
		list = append(list, strings.Join(strings.Fields(line), " "))
	}
	for _, e := range inv.Astray {
		list = append(list, "astray "+e.File)
	}
	for _, p := range slices.Concat(inv.Payload, inv.AstrayPayload) {
		list = append(list, "payload "+p.Name)
	}
	for _, p := range inv.Leftovers {
		list = append(list, "leftover "+p.Name)
	}
	for _, s := range inv.Shared {
		list = append(list, fmt.Sprintf("shared %s with %s", s.Name, s.With))
	}
	for _, s := range inv.Strange {
		list = append(list, fmt.Sprintf("strange %s %v", s.Name, s.HandWritten))
	}
	slices.Sort(list)
	return list
}

// readChanged takes stock of the files of [shared] with changes: file to text; "-" takes it away.
func readChanged(t *testing.T, change map[string]string) *installed.Inventory {
	t.Helper()
	files := shared()
	for file, text := range change {
		if files[file] = text; text == "-" {
			delete(files, file)
		}
	}
	fsys := crashfs.NewMachine().Mount("/boot", crashfs.Geometry{})
	fsys.Fill(files)
	inv, err := installed.Read(fsys, fsys)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// TestRead tells what is ours, what is complete, and what others wrote.
func TestRead(t *testing.T) {
	t.Parallel()
	complete := []string{"entry xen-generation-1 shared /nix/store/top", "payload " + config, "payload " + xen}
	broken := []string{"entry xen-generation-1 shared /nix/store/top broken", "payload " + config, "payload " + xen}
	image := string(fixtures.XenImage(fixtures.XenOptions{}))
	for name, c := range map[string]struct {
		change map[string]string // file to text; "-" takes it away
		want   []string
	}{
		"complete":          {nil, complete},
		"padded":            {map[string]string{entry: shared()[entry] + strings.Repeat("\n", 300)}, complete},
		"no kernel":         {map[string]string{kernel: "-"}, broken},
		"kernel of 0 bytes": {map[string]string{kernel: ""}, broken},
		"no image":          {map[string]string{xen: "-"}, []string{"entry xen-generation-1 shared broken", "payload " + config}},
		"no xen.cfg":        {map[string]string{config: "-"}, []string{"entry xen-generation-1 shared broken", "payload " + xen}},
		"made blank":        {map[string]string{entry: "\n#efi /" + xen + "\n\n"}, []string{"entry xen-generation-1 shared broken", "payload " + config, "payload " + xen}},
		"a blank entry":     {map[string]string{entry: "\n\n\n"}, []string{"entry xen-generation-1 shared broken", "payload " + config, "payload " + xen}},
		"hand-written, its program is there": {map[string]string{entry: "title Mine\nefi /EFI/mine.efi\n", "EFI/mine.efi": "x"},
			[]string{"payload " + config, "payload " + xen, "strange " + entry + " true"}},
		"hand-written, its program is not there": {map[string]string{entry: "title Mine\nefi /EFI/mine.efi\n"},
			[]string{"payload " + config, "payload " + xen, "strange " + entry + " false"}},
		"no efi":                  {map[string]string{entry: "title NixOS\n"}, []string{"payload " + config, "payload " + xen, "strange " + entry + " false"}},
		"others' entries":         {map[string]string{"loader/entries/arch.conf": "title Arch\nlinux /vmlinuz\n", "loader/entries/xen-rescue.conf": "title R\nefi /x.efi\n"}, complete},
		"unused payload":          {map[string]string{"EFI/xen/initrd-0123456789abcdef0123456789abcdef.img": "x"}, append([]string{complete[0], complete[1], "payload EFI/xen/initrd-0123456789abcdef0123456789abcdef.img"}, "payload "+xen)},
		"names that are not ours": {map[string]string{"EFI/xen/xen.efi": "x", "EFI/xen/notes.txt": "x", "EFI/nixos/xen-rescue.efi": "x", "EFI/Linux/xen-generation-1.efi": "x"}, complete},
		"staged":                  {map[string]string{"EFI/xen/.xen-boot-builder-3.tmp": "x", "loader/.xen-boot-builder-0.tmp": ""}, append(slices.Clone(complete[:1]), "leftover EFI/xen/.xen-boot-builder-3.tmp", "leftover loader/.xen-boot-builder-0.tmp", complete[1], complete[2])},
		"image of our name, by hand": {map[string]string{"EFI/Linux/xen-generation-2-0123456789abcdef.efi": image},
			append(slices.Clone(complete[:1]), "payload "+config, "payload "+xen, "strange EFI/Linux/xen-generation-2-0123456789abcdef.efi false")},
		"short names with what we write": {map[string]string{"EFI/xen/XEN-GE~1.CFG": "", "EFI/Linux/XEN-GE~1.EFI": "", "loader/entries/XEN-GE~1.CON": shared()[entry], "EFI/nixos/XEN-GE~2.EFI": "\x00\x00"},
			append(slices.Clone(complete[:1]), "payload EFI/Linux/XEN-GE~1.EFI", "payload EFI/nixos/XEN-GE~2.EFI", "payload EFI/xen/XEN-GE~1.CFG", "payload "+config, "payload "+xen, "payload loader/entries/XEN-GE~1.CON")},
		"short names of others": {map[string]string{"EFI/Linux/XEN-GE~1.EFI": image, "loader/entries/XEN-GE~1.CON": "title Mine\nlinux /vmlinuz\n", "EFI/nixos/NIXOS-~1.EFI": "", "loader/entries/ARCH~1.CON": ""}, complete},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := readChanged(t, c.change)
			slices.Sort(c.want)
			if d := cmp.Diff(c.want, shown(inv)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if inv.Unreadable() != nil {
				t.Errorf("unreadable: %v", inv.Unreadable())
			}
		})
	}
}

// TestBusy: whether an image may have a name that is free depends on whether a complete entry named it before a run that was
// cut off.
func TestBusy(t *testing.T) {
	t.Parallel()
	blank := func(text string) string { return text + strings.Repeat("\n", 512-len(text)) }
	for name, c := range map[string]struct {
		change map[string]string
		want   bool
	}{
		"complete":                     {nil, true},
		"other letters":                {map[string]string{entry: "-", "loader/entries/XEN-GENERATION-1.CONF": shared()[entry]}, true},
		"counted":                      {map[string]string{entry: "-", "loader/entries/xen-generation-1+2-1.conf": shared()[entry]}, true},
		"none":                         {map[string]string{entry: "-"}, false},
		"made, not filled":             {map[string]string{entry: blank("")}, false},
		"of no length":                 {map[string]string{entry: ""}, false},
		"no kernel":                    {map[string]string{kernel: "-"}, false},
		"made blank":                   {map[string]string{entry: blank("\n#efi /" + xen)}, true},
		"one sector of two made blank": {map[string]string{entry: blank("title NixOS") + blank("\n#efi /"+xen)}, true},
		"it named another":             {map[string]string{entry: blank("\n#efi /EFI/nixos/xen-generation-1.efi")}, false},
		"another remark":               {map[string]string{entry: blank("\n# mine")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := readChanged(t, c.change)
			if got := inv.Busy(xen); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestRemark: what stays of an entry is what the next run finds.
func TestRemark(t *testing.T) {
	t.Parallel()
	if got, want := readChanged(t, nil).Entries[0].Remark(), "#efi /"+xen; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := readChanged(t, map[string]string{kernel: ""}).Entries[0].Remark(); got != "" {
		t.Errorf("of one that is not complete: %q", got)
	}
}

// TestBesideXBOOTLDR finds what is left of a time before XBOOTLDR.
func TestBesideXBOOTLDR(t *testing.T) {
	t.Parallel()
	m := crashfs.NewMachine()
	esp, boot := m.Mount("/efi", crashfs.Geometry{}), m.Mount("/boot", crashfs.Geometry{})
	esp.Fill(shared())
	boot.Fill(shared())
	inv, err := installed.Read(esp, boot)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"astray " + entry, "entry xen-generation-1 shared /nix/store/top", "payload " + config, "payload " + config, "payload " + xen, "payload " + xen}
	slices.Sort(want)
	if d := cmp.Diff(want, shown(inv)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestNeededByOthers: what a hand-written entry names is needed, also by way of a xen.cfg.
func TestNeededByOthers(t *testing.T) {
	t.Parallel()
	fsys := crashfs.NewMachine().Mount("/boot", crashfs.Geometry{})
	fsys.Fill(shared())
	fsys.Fill(map[string]string{"loader/entries/mine.conf": "title Mine\nefi /" + strings.ToUpper(xen) + "\noptions xen.efi -cfg=" + strings.TrimPrefix(config, "EFI/xen/") + "\n"})
	inv, err := installed.Read(fsys, fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{xen, config, kernel} {
		if !inv.NeededByOthers(name) {
			t.Errorf("%s is not needed", name)
		}
	}
	if inv.NeededByOthers(entry) {
		t.Error("our own entry is needed by others")
	}
}

// TestUnreadable: an error of the disk is not the absence of a file.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	m := crashfs.NewMachine()
	m.Mount("/boot", crashfs.Geometry{}).Fill(shared())
	probe := m.Clone()
	if _, err := installed.Read(probe.FS(0), probe.FS(0)); err != nil {
		t.Fatal(err)
	}
	failed, unreadable := 0, 0
	for n := range probe.Log() {
		c := m.Clone()
		c.FailAt(n, syscall.EIO)
		inv, err := installed.Read(c.FS(0), c.FS(0))
		switch {
		case err != nil:
			failed++
		case inv.Unreadable() != nil:
			unreadable++
		default:
			if d := cmp.Diff(3, len(shown(inv))); d != "" {
				t.Errorf("operation %v fails, and nothing is said: %q", probe.Log()[n], shown(inv))
			}
		}
	}
	if failed == 0 || unreadable == 0 {
		t.Errorf("%d failed, %d are unreadable", failed, unreadable)
	}
}
