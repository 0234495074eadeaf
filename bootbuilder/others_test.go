package bootbuilder_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// garbled are texts of an entry that systemd-boot reads and starts: it stops at a NUL, and leaves out what is not UTF-8.
func garbled(text string) map[string]string {
	return map[string]string{
		"Latin-1":   "title B\xfcro\n" + text,
		"a NUL":     "title Mine\n" + text + "\x00",
		"very long": "title Mine\n" + text + strings.Repeat("# a comment\n", 7000),
	}
}

// TestGarbledIsNeeded: what an entry of others needs stays, whatever else is in it.
func TestGarbledIsNeeded(t *testing.T) {
	t.Parallel()
	for _, change := range []string{"remove", "install"} {
		for kind := range garbled("") {
			m := newMachine(t)
			old := m.add(fixtures.Generation{Number: 1, System: xenSystem("4.19.3")})
			m.addXen(2)
			m.rebuild()
			m.install()
			ours := m.read("loader/entries/xen-generation-1.conf")
			_, start, _ := strings.Cut(ours, "\nefi ")
			m.write("loader/entries/mine.conf", garbled("efi " + start)[kind])
			image, _, _ := strings.Cut(start, "\n")
			_, config, _ := strings.Cut(strings.TrimSpace(start), "-cfg=")
			config, _, _ = strings.Cut(config, "\n")
			m.must(m.root.Delete(old))
			m.rebuild()
			if change == "remove" {
				m.remove()
			} else {
				m.install()
			}
			for _, name := range []string{image, "EFI/xen/" + config} {
				if !m.exists(name) {
					t.Errorf("%s, %s: %s is gone", change, kind, name)
				}
			}
			if m.exists("loader/entries/xen-generation-1.conf") {
				t.Errorf("%s, %s: our own entry is still there", change, kind)
			}
		}
	}
}

// TestGarbledIsDefault: an entry that loader.conf names stays the default, of others and of NixOS.
func TestGarbledIsDefault(t *testing.T) {
	t.Parallel()
	for kind := range garbled("") {
		m := newMachine(t)
		m.addXen(1, 2)
		m.rebuild()
		m.write("EFI/mine.efi", "a program")
		m.write("loader/entries/mine.conf", garbled("efi /EFI/mine.efi\n")[kind])
		m.write("loader/loader.conf", "timeout 5\ndefault mine.conf\n")
		m.install()
		m.wantDefault("mine.conf")
	}
	m := newMachine(t)
	m.addXen(1, 2)
	m.rebuild()
	m.write("loader/entries/net.conf", "title Net\nuki-url http://boot.example/x.efi\n")
	m.write("loader/loader.conf", "timeout 5\ndefault net.conf\n")
	m.install()
	m.wantDefault("net.conf")
}

// TestGarbledNixOSEntry: its generation can't be built then, so it is the NixOS entry that starts; of no other generation, and of no
// specialisation.
func TestGarbledNixOSEntry(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{false, true} {
		m := newMachine(t)
		m.addXen(1)
		m.add(fixtures.Generation{Number: 2, System: xenSystem("4.20.2"), Specialisations: []fixtures.Specialisation{{Name: "trace", System: xenSystem("4.20.2")}}})
		m.rebuild()
		if before {
			m.install()
		}
		m.edit("loader/entries/nixos-generation-2.conf", "title NixOS", "title N\xefxOS")
		m.must(m.tryInstall().Err)
		m.wantDefault("nixos-generation-2.conf")
	}
}

// TestOthersNeed: whatever way a hand-written entry takes to a file of ours, the file stays.
func TestOthersNeed(t *testing.T) {
	t.Parallel()
	xen := func(config string) string {
		o := fixtures.XenOptions{Version: "4.19.3"}
		if config != "" {
			o.Extra = []fixtures.Section{{Name: ".config", Data: []byte(config), Characteristics: fixtures.SectionData}}
		}
		return string(fixtures.XenImage(o))
	}
	for name, c := range map[string]struct {
		layout bootbuilder.Layout
		files  func(ramdisk, efi string) map[string]string
		not    bool // it does not lead there
	}{
		"nothing": {bootbuilder.LayoutShared, func(_, _ string) map[string]string { return nil }, true},
		"initrd": {bootbuilder.LayoutShared, func(ramdisk, _ string) map[string]string {
			return map[string]string{"loader/entries/mine.conf": "title M\nlinux /EFI/l.efi\ninitrd " + strings.ReplaceAll(ramdisk, `\`, "/") + "\n"}
		}, false},
		"-cfg=": {bootbuilder.LayoutShared, func(ramdisk, _ string) map[string]string {
			return map[string]string{
				"EFI/custom/xen.efi": xen(""), "EFI/custom/my.cfg": "[x]\nkernel=l.efi\nramdisk=" + ramdisk + "\n",
				"loader/entries/mine.conf": "title M\nefi /EFI/custom/xen.efi\noptions xen.efi -cfg=my.cfg\n",
			}
		}, false},
		"another section": {bootbuilder.LayoutShared, func(ramdisk, _ string) map[string]string {
			return map[string]string{
				"EFI/custom/xen.efi": xen(""), "EFI/custom/my.cfg": "[global]\ndefault=x\n[x]\noptions=y\n[debug]\nkernel=l.efi\nramdisk=" + ramdisk + "\n",
				"loader/entries/mine.conf": "title M\nefi /EFI/custom/xen.efi\noptions xen.efi -cfg=my.cfg debug\n",
			}
		}, false},
		"chain": {bootbuilder.LayoutShared, func(ramdisk, _ string) map[string]string {
			return map[string]string{
				"EFI/custom/xen.efi": xen(""), "EFI/custom/my.cfg": "[global]\nchain=more.cfg\n",
				"EFI/custom/more.cfg":      "[global]\nchain=my.cfg\n[x]\nkernel=l.efi\nramdisk=" + ramdisk + "\n",
				"loader/entries/mine.conf": "title M\nefi /EFI/custom/xen.efi\noptions xen.efi -cfg=my.cfg\n",
			}
		}, false},
		"default name": {bootbuilder.LayoutShared, func(ramdisk, _ string) map[string]string {
			return map[string]string{
				"EFI/custom/xen-4.20_debug.efi": xen(""), "EFI/custom/xen-4.cfg": "[x]\nkernel=l.efi\nramdisk=" + ramdisk + "\n",
				"loader/entries/mine.conf": "title M\nefi /EFI/custom/xen-4.20_debug.efi\n",
			}
		}, false},
		"plain name": {bootbuilder.LayoutShared, func(ramdisk, _ string) map[string]string {
			return map[string]string{
				"EFI/custom/xen-4.20.efi": xen(""), "EFI/custom/XEN.CFG": "[x]\nkernel=l.efi\nramdisk=" + ramdisk + "\n",
				"loader/entries/mine.conf": "title M\nefi /EFI/custom/xen-4.20.efi\n",
			}
		}, false},
		"our image": {bootbuilder.LayoutEmbedded, func(_, efi string) map[string]string {
			return map[string]string{"loader/entries/mine.conf": "title M\nefi " + efi + "\n"}
		}, false},
		"an image of type #2": {bootbuilder.LayoutShared, func(ramdisk, _ string) map[string]string {
			return map[string]string{"EFI/Linux/mine.efi": xen("[x]\nkernel=l.efi\nramdisk=" + ramdisk + "\n")}
		}, false},
	} {
		m := newMachine(t).withLayout(c.layout)
		m.options.From = bootbuilder.FromProfiles
		old := m.add(fixtures.Generation{Number: 1, System: xenSystem("4.19.3")})
		m.addXen(2)
		m.install()
		hash := strings.TrimPrefix(old.Initrd, "/nix/store/")[:32]
		found, err := filepath.Glob(m.path("EFI/xen/" + hash + "*"))
		m.must(err)
		if len(found) != 1 {
			t.Fatalf("%s: the ramdisk is not there: %q", name, found)
		}
		file := "EFI/xen/" + filepath.Base(found[0])
		ramdisk := `\` + strings.ReplaceAll(file, "/", `\`)
		_, efi, _ := strings.Cut(m.read("loader/entries/xen-generation-1.conf"), "\nefi ")
		efi, _, _ = strings.Cut(efi, "\n")
		for at, text := range c.files(ramdisk, efi) {
			m.write(at, text)
		}
		m.must(m.root.Delete(old))
		m.install()
		if m.exists(file) == c.not {
			t.Errorf("%s: the ramdisk is there: %v", name, m.exists(file))
		}
	}
}
