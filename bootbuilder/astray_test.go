package bootbuilder_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// movedToXBOOTLDR is a machine with Xen entries on its ESP that has an XBOOTLDR now, with all NixOS entries. Their files are on both.
func movedToXBOOTLDR(t *testing.T, layout bootbuilder.Layout) (*machine, []*fixtures.Toplevel) {
	t.Helper()
	m := newMachine(t).withLayout(layout)
	var tops []*fixtures.Toplevel
	for n := 1; n <= 3; n++ {
		tops = append(tops, m.add(fixtures.Generation{Number: n, System: sized("4.20.2", 10)}))
	}
	m.rebuild()
	nixos := snapshot(t, m.esp)
	m.install()
	m.xboot = t.TempDir()
	copyTo(t, m.xboot, nixos)
	for name := range nixos {
		if strings.HasPrefix(name, "loader/entries/nixos-") {
			m.must(os.Remove(filepath.Join(m.esp, name)))
		}
	}
	return m, tops
}

// copyTo writes the files of a snapshot.
func copyTo(t *testing.T, dir string, tree map[string]string) {
	t.Helper()
	for name, data := range tree {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") || data == "/" {
			continue
		}
		for _, err := range []error{os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(data), 0o644)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// onESP are the Xen entries on the ESP that a list shows, with what is wrong with them.
func (m *machine) onESP(layout bootbuilder.Layout) map[string]error {
	m.t.Helper()
	pattern := "loader/entries/xen-*.conf"
	if layout == bootbuilder.LayoutUnified {
		pattern = "EFI/Linux/xen-*.efi"
	}
	found, err := filepath.Glob(filepath.Join(m.esp, pattern))
	m.must(err)
	names := make(map[string]error)
	for _, f := range found {
		names[filepath.Base(f)[:len("xen-generation-N")]] = nil
	}
	alone := *m
	alone.xboot = ""
	for _, e := range alone.list().Entries {
		if _, ok := names[e.ID]; ok && e.Health != bootbuilder.OK {
			m.t.Errorf("%s, on the ESP %s is %s", layout, e.ID, e.Health)
		}
	}
	return names
}

func (m *machine) wantOnESP(layout bootbuilder.Layout, when string, want ...string) {
	m.t.Helper()
	got := m.onESP(layout)
	for _, id := range want {
		if _, ok := got[id]; !ok || len(got) != len(want) {
			m.t.Errorf("%s, %s: on the ESP are %v, want %q", layout, when, got, want)
		}
	}
}

// TestAstrayIsKept: an entry on the ESP beside an XBOOTLDR stays, with what it needs, where no entry is made in its place.
func TestAstrayIsKept(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		m, tops := movedToXBOOTLDR(t, layout)
		m.options.Only = []string{tops[2].Link}
		r := m.installTwice()
		m.wantOnESP(layout, "only 3 was asked for", "xen-generation-1", "xen-generation-2")
		for id, state := range map[string]bootbuilder.State{
			"xen-generation-1": bootbuilder.Kept, "xen-generation-2": bootbuilder.Kept, "xen-generation-3": bootbuilder.Added,
		} {
			if g := reported(t, r, id); g.State != state {
				t.Errorf("%s: %s is %s", layout, id, g.State)
			}
		}
		m.options.Only = nil
		m.must(os.WriteFile(filepath.Join(m.root.Dir(), tops[0].Path, "boot.json"), []byte("{"), 0o644))
		m.install()
		m.wantOnESP(layout, "all but 1 can be made", "xen-generation-1")
		// Once it is gone there is nothing to keep, and nothing is left behind.
		m.must(m.root.Delete(tops[0]))
		m.must(os.Remove(filepath.Join(m.xboot, "loader/entries/nixos-generation-1.conf")))
		m.installTwice()
		if got := m.onESP(layout); len(got) > 0 {
			t.Errorf("%s: on the ESP are still %v", layout, got)
		}
		m.wantHealthy()
	}
}

// TestAstrayTwin: an entry on the ESP that goes does not take what has its name on XBOOTLDR off the menu.
func TestAstrayTwin(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		m, tops := movedToXBOOTLDR(t, layout)
		twins := snapshot(t, m.esp)
		m.install()
		copyTo(t, m.esp, twins)
		m.must(os.WriteFile(filepath.Join(m.esp, "loader/loader.conf"), []byte("default xen-generation-3*\n"), 0o644))
		m.options.Only = []string{tops[1].Link}
		r := m.install()
		if r.Next == nil || !r.Next.Now.Xen || r.Next.Now.Entry != r.Next.Before.Entry {
			t.Errorf("%s: what starts next changed: %+v", layout, r.Next)
		}
		if got := m.onESP(layout); len(got) > 0 {
			t.Errorf("%s: on the ESP are still %v", layout, got)
		}
	}
}

// TestNameOnOtherPartition: what somebody wrote on the ESP has its name there, not on XBOOTLDR.
func TestNameOnOtherPartition(t *testing.T) {
	t.Parallel()
	m, _ := movedToXBOOTLDR(t, bootbuilder.LayoutShared)
	m.install()
	copyTo(t, m.esp, map[string]string{"EFI/mine.efi": "a program", "loader/entries/xen-generation-3.conf": "title Mine\nlinux /EFI/mine.efi\n"})
	m.edit("loader/entries/xen-generation-3.conf", "title NixOS", "title OS")
	if g := reported(t, m.install(), "xen-generation-3"); g.State != bootbuilder.Changed {
		t.Errorf("it is %s: %s", g.State, g.Detail)
	}
}
