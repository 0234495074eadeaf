package bootbuilder_test

import (
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// newProfiles is a root whose generations were built today: that is what the version in an
// entry says, and a toplevel's change time can't be set.
func newProfiles(t *testing.T, layout bootbuilder.Layout) *machine {
	t.Helper()
	b := newMachine(t).withLayout(layout)
	b.options.From = bootbuilder.FromProfiles
	b.must(os.MkdirAll(b.root.Path("/etc"), 0o755))
	b.must(os.WriteFile(b.root.Path("/etc/machine-id"), []byte(fixtures.MachineID+"\n"), 0o644))
	return b
}

func today() time.Time {
	y, m, d := time.Now().Date()
	return time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
}

// TestProfilesLikeEntries wants an empty ESP to get the same Xen entries from the profile links as
// one that NixOS' installer has filled gets from that one's entries.
func TestProfilesLikeEntries(t *testing.T) {
	t.Parallel()
	arm := func(version string) fixtures.System {
		s := xenSystem(version)
		s.Platform, s.DeviceTree = "aarch64-linux", "rockchip/rk3588.dtb"
		return s
	}
	sortKey := xenSystem("4.20.2")
	sortKey.SortKey = "z-nixos"
	noInitrd := xenSystem("4.20.2")
	noInitrd.NoInitrd = true
	special := func(s fixtures.System, names ...string) (list []fixtures.Specialisation) {
		for _, name := range names {
			list = append(list, fixtures.Specialisation{Name: name, System: s})
		}
		return list
	}
	for name, generations := range map[string][]fixtures.Generation{
		"one":             {{Number: 7, System: xenSystem("4.20.2")}},
		"several":         {{Number: 2, System: xenSystem("4.19.3")}, {Number: 10, System: xenSystem("4.20.2")}, {Number: 11}},
		"profiles":        {{Number: 1, System: xenSystem("4.19.3")}, {Profile: "test", Number: 1, System: xenSystem("4.20.2")}, {Profile: "a-generation-b", Number: 3, System: xenSystem("4.20.2")}},
		"specialisations": {{Number: 1, System: xenSystem("4.20.2"), Specialisations: special(xenSystem("4.20.2", "dom0_mem=1G"), "gaming", fixtures.AwkwardSpecialisation)}},
		"xen-in-one":      {{Number: 1, Specialisations: special(xenSystem("4.20.2"), "xen")}, {Profile: "p", Number: 1, System: xenSystem("4.20.2"), Specialisations: special(fixtures.System{}, "plain")}},
		"devicetree":      {{Number: 1, System: arm("4.20.2")}},
		"sort-key":        {{Number: 1, System: sortKey}},
		"no-initrd":       {{Number: 1, System: noInitrd}},
	} {
		for _, layout := range []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutUnified} {
			if name == "devicetree" && layout == bootbuilder.LayoutUnified {
				continue // Xen for aarch64 takes no section
			}
			t.Run(name+"/"+string(layout), func(t *testing.T) {
				t.Parallel()
				b := newProfiles(t, layout)
				day := today()
				for _, g := range generations {
					g.Built = day
					b.add(g)
				}
				if !today().Equal(day) {
					return // it was midnight meanwhile
				}
				b.rebuild()
				b.options.From = bootbuilder.FromEntries
				b.installTwice()
				fromEntries := b.ours()

				b.esp, b.options.From = t.TempDir(), bootbuilder.FromProfiles
				r := b.installTwice()
				if newest := b.root.Default(); newest != nil && newest.System.Xen == nil {
					wantMatches(t, warnings(r), `^no entry of generation 11? can start`)
				} else {
					wantMatches(t, warnings(r))
				}
				for name := range fromEntries {
					if path.Ext(name) == ".cfg" {
						fromEntries[name] = strings.ReplaceAll(fromEntries[name], `\EFI\nixos\`, `\EFI\xen\`)
					}
				}
				if d := diffTrees(withoutHashes(fromEntries), withoutHashes(b.ours())); d != "" {
					t.Errorf("what is made differs (-from entries +from profiles):\n%s", d)
				}
				b.wantVerified()
			})
		}
	}
}

// withoutHashes leaves out what the names of xen.cfg files say of their content.
func withoutHashes(files map[string]string) map[string]string {
	hash := regexp.MustCompile(`-[0-9a-f]{16}\.cfg`)
	all := make(map[string]string)
	for name, text := range files {
		if path.Ext(name) == ".conf" {
			text = hash.ReplaceAllString(text, ".cfg")
		}
		all[hash.ReplaceAllString(name, ".cfg")] = text
	}
	return all
}

// ours is what Xen entries are made of, without kernels and ramdisks.
func (b *machine) ours() map[string]string {
	b.t.Helper()
	all := b.trees()
	maps.DeleteFunc(all, func(name, _ string) bool {
		return !strings.HasPrefix(path.Base(name), "xen-")
	})
	if len(all) == 0 {
		b.t.Error("nothing was made")
	}
	return all
}

// wantVerified is wantHealthy for an ESP without NixOS entries, where there is nothing to hold ours against.
func (b *machine) wantVerified() {
	b.t.Helper()
	if r := b.verify(); !r.OK() || len(r.Notes) > 0 || len(r.Entries) == 0 {
		b.t.Errorf("verify finds %q, notes %q, entries %+v", r.Problems, r.Notes, r.Entries)
	}
}

// TestProfilesEmptyESP wants all that boots on an ESP that held nothing, and advice to install a loader.
func TestProfilesEmptyESP(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			b := newProfiles(t, layout)
			first := b.add(fixtures.Generation{Number: 1, System: xenSystem("4.20.2")})
			b.add(fixtures.Generation{Number: 2, System: xenSystem("4.20.2")})
			r := b.installTwice()
			b.wantVerified()
			if !b.startsXenOf("nixos-generation-2.conf") || !strings.HasPrefix(b.loaderConf(), "timeout 5\n") {
				t.Errorf("loader.conf is %q", b.loaderConf())
			}
			if !slices.ContainsFunc(r.Warnings, func(w bootbuilder.Warning) bool {
				return w.Advice && strings.Contains(w.Message, "bootctl install")
			}) {
				t.Errorf("nothing is said of the boot loader that is missing: %+v", r.Warnings)
			}
			// The current generation is the default, not the newest.
			b.must(b.root.SetDefault(first))
			b.esp = t.TempDir()
			b.installTwice()
			if !b.startsXenOf("nixos-generation-1.conf") {
				t.Errorf("loader.conf is %q", b.loaderConf())
			}
		})
	}
}

// TestProfilesLoaderConf has a loader.conf already, with and without a default.
func TestProfilesLoaderConf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, before, after string
		mode                bootbuilder.DefaultMode
	}{
		{name: "no default", before: "timeout 3", after: "timeout 3\ndefault xen-generation-1.conf"},
		{name: "empty", before: "", after: "timeout 5\ndefault xen-generation-1.conf"},
		{name: "crlf", before: "editor no\r\n", after: "editor no\r\ndefault xen-generation-1.conf\r"},
		{name: "nixos glob", before: "default nixos-*\n", after: "default xen-generation-1.conf"},
		{name: "nixos entry", before: "default nixos-generation-1.conf\n", after: "default xen-generation-1.conf"},
		{name: "nixos entry that is gone", before: "default nixos-generation-9.conf\n", after: "default xen-generation-1.conf"},
		{name: "xen entry that is gone", before: "default xen-generation-9.conf\n", after: "default xen-generation-1.conf"},
		{name: "somebody's", before: "default arch.conf\n", after: "default arch.conf"},
		{name: "saved", before: "default @saved\n", after: "default @saved"},
		{name: "keep", mode: bootbuilder.DefaultKeep, before: "timeout 3\n", after: "timeout 3"},
		{name: "nixos", mode: bootbuilder.DefaultNixOS, before: "timeout 3\n", after: "timeout 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newProfiles(t, bootbuilder.LayoutShared)
			b.options.Default = c.mode
			b.add(fixtures.Generation{Number: 1, System: xenSystem("4.20.2")})
			b.write("loader/loader.conf", c.before)
			if c.name == "somebody's" {
				b.write("loader/entries/arch.conf", "title Arch\nlinux /vmlinuz\n")
				b.write("vmlinuz", "a kernel")
			}
			b.install()
			if got := b.loaderConf(); got != c.after {
				t.Errorf("loader.conf is %q, want %q", got, c.after)
			}
			b.installTwice()
		})
	}
}

// TestProfilesLimit counts for each profile by itself.
func TestProfilesLimit(t *testing.T) {
	t.Parallel()
	b, _ := many(t, bootbuilder.LayoutShared)
	b.esp, b.options.From, b.options.Limit = t.TempDir(), bootbuilder.FromProfiles, 1
	wantStates(t, b.installTwice(), states(t, ". . . + + . +"))
	b.options.Limit = 0
	wantStates(t, b.installTwice(), states(t, "+ + . = = + ="))
	b.options.Limit = 2
	wantStates(t, b.installTwice(), states(t, "- - . = = = ="))
	b.wantVerified()
}

// TestProfilesUseInstalled wants kernels that NixOS' installer has put on $BOOT to be used.
func TestProfilesUseInstalled(t *testing.T) {
	t.Parallel()
	b := newProfiles(t, bootbuilder.LayoutShared)
	b.add(fixtures.Generation{Number: 1, System: xenSystem("4.20.2")})
	b.rebuild()
	entries := b.entries
	b.delete("loader/entries/nixos-generation-1.conf")
	b.installTwice()
	config := b.read(b.cfg("xen-generation-1"))
	for _, name := range []string{entries[0].Kernel, entries[0].Initrd} {
		if !strings.Contains(config, `\`+strings.ReplaceAll(name, "/", `\`)) {
			t.Errorf("%s is not used:\n%s", name, config)
		}
	}
	b.wantFiles("EFI/xen/*-linux-*")

	// One that was cut off is not: the store's is copied in its place.
	b.truncate(entries[0].Kernel, 1)
	b.installTwice()
	copied := "EFI/xen/" + path.Base(entries[0].Kernel)
	if config := b.read(b.cfg("xen-generation-1")); !strings.Contains(config, `\`+strings.ReplaceAll(copied, "/", `\`)) {
		t.Errorf("%s is not used:\n%s", copied, config)
	}
	if want, err := os.ReadFile(b.root.Path(b.root.Toplevels()[0].Kernel)); err != nil || b.read(copied) != string(want) {
		t.Errorf("%s is not the store's kernel (%v)", copied, err)
	}
}

// TestProfilesExtraInitrds has initrds that are on $BOOT and nowhere else.
func TestProfilesExtraInitrds(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			const extra = "EFI/nixos/.extra-files/microcode.img"
			b := newProfiles(t, layout)
			s := xenSystem("4.20.2")
			s.ExtraInitrds = []string{extra}
			top := b.add(fixtures.Generation{Number: 1, System: s})
			b.add(fixtures.Generation{Number: 2, System: xenSystem("4.20.2")})
			if layout == bootbuilder.LayoutUnified {
				wantOut(t, b.install(), "xen-generation-1", bootbuilder.UnverifiedInitrd, extra)
				b.options.SignUnverifiedInitrds = true
			}
			r := b.installTwice()
			wantOut(t, r, "xen-generation-1", bootbuilder.PayloadMissing, extra)
			if w := warnings(r); len(w) != 1 || !strings.Contains(w[0], "generation 1 is left out: ") {
				t.Errorf("warnings %q", w)
			}
			b.wantInstalled("xen-generation-2", true)

			b.write(extra, "microcode")
			b.installTwice()
			b.wantInstalled("xen-generation-1", true)
			b.wantVerified()
			initrd, err := os.ReadFile(b.root.Path(top.Initrd))
			b.must(err)
			if got := b.ramdiskOf("xen-generation-1"); got != string(initrd)+"microcode" {
				t.Errorf("the ramdisk has %d bytes, want the initrd's %d and the extra one's behind", len(got), len(initrd))
			}
		})
	}
}

// ramdiskOf is the content of a generation's ramdisk, wherever its layout has it.
func (b *machine) ramdiskOf(id string) string {
	b.t.Helper()
	var config string
	image := "EFI/xen/"
	switch b.options.Layout {
	case bootbuilder.LayoutUnified:
		return b.section(b.image(id), ".ramdisk")
	case bootbuilder.LayoutEmbedded:
		efi := b.read("loader/entries/" + id + ".conf")
		_, efi, _ = strings.Cut(efi, "\nefi /")
		efi, _, _ = strings.Cut(efi, "\n")
		image = path.Dir(efi) + "/"
		config = b.section(efi, ".config")
	default:
		config = b.read(b.cfg(id))
	}
	for line := range strings.Lines(config) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "ramdisk="); ok {
			if !strings.HasPrefix(value, `\`) {
				return b.read(image + value)
			}
			return b.read(strings.ReplaceAll(value[1:], `\`, "/"))
		}
	}
	b.t.Fatalf("no ramdisk in the xen.cfg of %s:\n%s", id, config)
	return ""
}

// TestProfilesMachineID has roots without a machine-id, or with one that is none.
func TestProfilesMachineID(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "uninitialized\n", strings.Repeat("A", 32), strings.Repeat("0", 31), strings.Repeat("0", 200)} {
		b := newProfiles(t, bootbuilder.LayoutShared)
		b.add(fixtures.Generation{Number: 1, System: xenSystem("4.20.2")})
		b.must(os.WriteFile(b.root.Path("/etc/machine-id"), []byte(text), 0o644))
		b.install()
		if entry := b.read("loader/entries/xen-generation-1.conf"); strings.Contains(entry, "machine-id") {
			t.Errorf("machine-id %q is taken:\n%s", text, entry)
		}
	}
}

// TestProfilesNone wants an error with a hint where there is no NixOS, and nothing written.
func TestProfilesNone(t *testing.T) {
	t.Parallel()
	b := newProfiles(t, bootbuilder.LayoutShared)
	err := b.tryInstall().Err
	if err == nil || bootbuilder.Hint(err) == "" {
		t.Errorf("error %v, hint %q", err, bootbuilder.Hint(err))
	}
	if tree := b.trees(); len(tree) != 0 {
		t.Errorf("written: %v", slices.Collect(maps.Keys(tree)))
	}
}
