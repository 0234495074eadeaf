package bootbuilder_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// TestSameToplevel: of generations with one toplevel, an entry is that of the one whose name it has.
func TestSameToplevel(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		for _, c := range []struct {
			profile, id, link string
			number            uint64
		}{
			{"", "generation-4", "nix/var/nix/profiles/system-4-link", 4},
			{"test", "test-generation-4", "nix/var/nix/profiles/system-profiles/test-4-link", 4},
		} {
			m := newMachine(t).withLayout(layout)
			m.addXen(1, 2, 3)
			twin := m.root.Toplevels()[1]
			m.rebuild()
			link := filepath.Join(m.root.Dir(), c.link)
			m.must(os.MkdirAll(filepath.Dir(link), 0o755))
			m.must(os.Symlink(twin.Path, link))
			text := strings.ReplaceAll(m.read("loader/entries/nixos-generation-2.conf"), "Generation 2", "Generation 4")
			m.write("loader/entries/nixos-"+c.id+".conf", text)
			for _, starts := range []struct {
				id, profile string
				number      uint64
			}{{"generation-2", "", 2}, {c.id, c.profile, c.number}} {
				m.write("loader/loader.conf", "default nixos-"+starts.id+".conf\n")
				r := m.install()
				for _, now := range []*bootbuilder.Start{&r.Next.Now, m.list().Starts} {
					if now.Number != starts.number || now.Profile != starts.profile || !strings.HasPrefix(now.Entry, "xen-"+starts.id) || !now.Xen {
						t.Errorf("%s, %s is the default: it starts %+v", layout, starts.id, now)
					}
				}
			}
			for _, e := range m.list().Entries {
				if n := strings.TrimPrefix(e.Generation, "xen-"); n == c.id && (e.Number != c.number || e.Profile != c.profile) ||
					n == "generation-2" && e.Number != 2 {
					t.Errorf("%s: %s is listed as %d of %q", layout, e.Generation, e.Number, e.Profile)
				}
			}
			if c.profile == "" {
				m.open(func(target bootbuilder.Target) {
					options := m.inspectOptions()
					options.Only = []string{"4"}
					list, err := bootbuilder.List(ctx, target, options)
					m.must(err)
					if len(list.Entries) != 1 || list.Entries[0].Generation != "xen-generation-4" {
						t.Errorf("%s: generation 4 alone is %+v", layout, list.Entries)
					}
				})
			}
		}
	}
}

// TestSameToplevelOutOfTheMenu: an entry whose generation has no place in the menu any more is not that of another one with its toplevel.
func TestSameToplevelOutOfTheMenu(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		m := newMachine(t).withLayout(layout)
		m.addXen(1, 2, 3)
		twin := m.root.Toplevels()[1]
		m.rebuild()
		m.must(os.Symlink(twin.Path, filepath.Join(m.root.Dir(), "nix/var/nix/profiles/system-4-link")))
		m.write("loader/entries/nixos-generation-4.conf", strings.ReplaceAll(m.read("loader/entries/nixos-generation-2.conf"), "Generation 2", "Generation 4"))
		m.install()
		m.delete("loader/entries/nixos-generation-4.conf")
		for _, e := range m.list().Entries {
			if want := "xen-generation-" + strconv.FormatUint(e.Number, 10); e.Generation != want {
				t.Errorf("%s: %s is listed as generation %d", layout, e.Generation, e.Number)
			}
		}
	}
}

// TestTryNumber: a number is tried by the generation's own entry, not by that of another one with its toplevel, nor by an extra one.
func TestTryNumber(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		p := &property{machine: newMachine(t).withLayout(layout)}
		p.putOnTrial()
		p.addXen(1, 2)
		twin := p.root.Toplevels()[0]
		p.rebuild()
		p.must(os.Symlink(twin.Path, filepath.Join(p.root.Dir(), "nix/var/nix/profiles/system-4-link")))
		p.write("loader/entries/nixos-generation-4.conf", strings.ReplaceAll(p.read("loader/entries/nixos-generation-1.conf"), "Generation 1", "Generation 4"))
		p.options.Default = bootbuilder.DefaultNixOS
		p.options.Variants = []bootbuilder.Variant{{Name: "verbose", XenParams: []string{"loglvl=all"}, All: true}}
		p.install()
		for _, number := range []string{"1", "2", "4"} {
			p.open(func(target bootbuilder.Target) {
				m := bootbuilder.Machine{Root: p.options.Root, EFIVars: p.trial.efivars, Sys: p.trial.sys, Today: p.options.Today}
				r, err := bootbuilder.Try(ctx, target, m, number)
				p.must(err)
				if !strings.HasPrefix(r.Entry, "xen-generation-"+number) || strings.Contains(r.Entry, "verbose") {
					t.Errorf("%s: generation %s is tried by %s", layout, number, r.Entry)
				}
			})
		}
	}
}
