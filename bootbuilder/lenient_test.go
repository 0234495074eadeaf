package bootbuilder_test

import (
	"strings"
	"testing"

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
