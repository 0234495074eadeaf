package attack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// TestManyLinks is a system whose profile has 200 links, many to one toplevel: all are generations, and those that
// NixOS' entries select are in the menu.
func TestManyLinks(t *testing.T) {
	t.Parallel()
	links := 200
	if testing.Short() {
		links = 50
	}
	for _, from := range []bootbuilder.Source{bootbuilder.FromAuto, bootbuilder.FromProfiles} {
		for _, s := range settings {
			t.Run(fmt.Sprintf("%s/%v", from, s), func(t *testing.T) {
				t.Parallel()
				m := newMachine(t, names)
				m.install()
				m.options.From, m.options.Layout, m.signed = from, s.layout, s.signed
				for n := 4; n <= links; n++ {
					m.symlink(m.tops[fmt.Sprint(1+n%3)].Path, fmt.Sprintf("/nix/var/nix/profiles/system-%d-link", n))
				}
				start := time.Now()
				r, err := m.run()
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%v", time.Since(start))
				ids := make(map[string]bool)
				for _, e := range m.xenEntries() {
					ids[e.id] = true
				}
				want := 5 // generations 1, 2 with a specialisation, 3, and that of the other profile
				if from == bootbuilder.FromProfiles {
					want = links + 1 + (links+1)/3 // with the specialisations of generation 2 and the links to its toplevel
				}
				if len(ids) != want {
					t.Errorf("%d Xen entries, want %d", len(ids), want)
				}
				for _, g := range r.Generations {
					if g.State == bootbuilder.LeftOut {
						t.Errorf("%s is left out: %s", g.ID, g.Detail)
					}
				}
			})
		}
	}
}

// TestTwoProfilesOneToplevel has hash-named entries of two profiles for one toplevel, and one number: each selects its own.
func TestTwoProfilesOneToplevel(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		t.Run(s.String(), func(t *testing.T) {
			m := newMachine(t, hashes)
			m.install()
			m.options.Layout, m.signed = s.layout, s.signed
			m.symlink(m.tops["1"].Path, "/nix/var/nix/profiles/system-profiles/twin-1-link")
			text := string(m.read("loader/entries/" + m.entries["1"].File))
			m.write("loader/entries/"+hashName("a"), []byte(strings.Replace(text, "title NixOS", "title NixOS [twin]", 1)))
			r, err := m.run()
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, g := range r.Generations {
				if m.nameOf(g.Toplevel) == "1" && g.State == bootbuilder.Added {
					found++
				}
			}
			if found != 2 {
				t.Errorf("%d generations with the toplevel of 1 are installed, want 2", found)
			}
		})
	}
}

// TestPeersFlows: what NixOS' installers leave, untouched, is installed complete from every source, with its secrets
// where something vouches for them.
func TestPeersFlows(t *testing.T) {
	t.Parallel()
	for n, p := range allPeers {
		for _, from := range sources(p) {
			for i, s := range settings {
				if testing.Short() && i != n%len(settings) {
					continue // each in one of the ways
				}
				t.Run(fmt.Sprintf("%s/%s/%v", p, from, s), func(t *testing.T) {
					t.Parallel()
					m := newMachine(t, p)
					m.install()
					m.options.From, m.options.Layout, m.signed = from, s.layout, s.signed
					before := m.snapshot()
					r, err := m.run()
					if err != nil {
						t.Fatal(err)
					}
					m.judge(before, m.but(), nil, false)
					for _, g := range r.Generations {
						if g.State != bootbuilder.Added || g.Reason != "" {
							t.Errorf("%s is %s (%s)", g.ID, g.State, g.Detail)
						}
					}
					// Where the links alone say what there is, only systemd-boot-builder's older names can be made out.
					vouched := !s.signed && (from != bootbuilder.FromProfiles || p == names) ||
						s.signed && p == stubs && from != bootbuilder.FromProfiles && haveTool("sbsign")
					for _, e := range m.xenEntries() {
						if m.nameOf(e.toplevel) == "3" && strings.Contains(string(e.initrd), initrdSecret) != vouched {
							t.Errorf("%s has its secrets: %v", e.id, !vouched)
						}
					}
				})
			}
		}
	}
}

// TestOffline is another machine's disk: an ESP without NixOS' entries.
func TestOffline(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		t.Run(s.String(), func(t *testing.T) {
			m := newMachine(t, names)
			m.must(os.MkdirAll(filepath.Join(m.esp, "loader/entries"), 0o755))
			m.options.From, m.options.Layout, m.signed = bootbuilder.FromProfiles, s.layout, s.signed
			before := m.snapshot()
			if _, err := m.run(); err != nil {
				t.Fatal(err)
			}
			m.judge(before, m.but(), nil, false)
		})
	}
}
