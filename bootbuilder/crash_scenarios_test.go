package bootbuilder_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// crashScenario is a run to be cut off. prepare brings root and partitions into the state before it.
type crashScenario struct {
	name     string
	xbootldr bool
	options  bootbuilder.Options
	prepare  func(b *crashBench)
	// tight leaves so little room that what is stale has to go first.
	tight bool
	// verify looks whether the undisturbed run did what the scenario is about.
	verify func(t *testing.T, r *crashRun)
}

// crashBench is a NixOS root and the partitions of one scenario: first in directories, where
// the installers before us work, then in memory.
type crashBench struct {
	crashScenario
	t             *testing.T
	root          *fixtures.Root
	espDir, xboot string
	machine       *crashfs.Machine
	entries       []fixtures.Entry
	names         fixtures.EntryNames
}

func newCrashBench(t *testing.T, s crashScenario) *crashBench {
	t.Helper()
	b := &crashBench{crashScenario: s, t: t, root: fixtures.NewRoot(t.TempDir()), espDir: t.TempDir()}
	if s.xbootldr {
		b.xboot = t.TempDir()
	}
	b.options.Root = b.root.Dir()
	s.prepare(b)
	b.machine = crashfs.NewMachine()
	b.machine.Mount("/efi", crashfs.Geometry{}).Fill(snapshot(t, b.espDir))
	if s.xbootldr {
		b.machine.Mount("/boot", crashfs.Geometry{}).Fill(snapshot(t, b.xboot))
	}
	if s.tight {
		b.tighten()
	}
	return b
}

// slack are clusters beyond the smallest partition on which a run succeeds: a run that is cut
// off may leave directories longer than it found them, and FAT never shortens them.
const slack = 4

// tighten leaves little more room than the run needs.
func (b *crashBench) tighten() {
	b.t.Helper()
	boot := b.bootIndex()
	for capacity := b.machine.FS(boot).Used(); capacity < 10_000; capacity++ {
		m := b.machine.Clone()
		m.FS(boot).Resize(crashfs.Geometry{Capacity: capacity})
		if b.install(m) == nil {
			b.machine.FS(boot).Resize(crashfs.Geometry{Capacity: capacity + slack})
			return
		}
	}
	b.t.Fatal("no partition is large enough")
}

// dropsFirst reports whether something is removed before the last new name is made.
func dropsFirst(log []crashfs.Op) bool {
	removed := slices.IndexFunc(log, func(op crashfs.Op) bool {
		return op.Kind == crashfs.OpRemove && !strings.HasSuffix(op.Path, ".tmp") && !strings.Contains(op.Path, "/XENBB")
	})
	return removed >= 0 && slices.ContainsFunc(log[removed:], func(op crashfs.Op) bool {
		return op.Kind == crashfs.OpCreate
	})
}

// bootIndex is which file system of the machine $BOOT is.
func (b *crashBench) bootIndex() int {
	if b.xbootldr {
		return 1
	}
	return 0
}

// The steps that scenarios are made of.

func (b *crashBench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// xen is a system with a Xen of this version and, by their parameters, its own.
func xen(version string, params ...string) fixtures.System {
	x := &fixtures.Xen{Version: version, Image: fixtures.XenImage(fixtures.XenOptions{Version: version, HeaderRoom: true})}
	if len(params) > 0 {
		x.Params = params
	}
	return fixtures.System{Xen: x}
}

func (b *crashBench) add(number int, s fixtures.System, specialisations ...fixtures.Specialisation) *fixtures.Toplevel {
	b.t.Helper()
	top, err := b.root.Add(fixtures.Generation{Number: number, System: s, Specialisations: specialisations})
	b.must(err)
	return top
}

// nixos is a rebuild's own boot loader installer.
func (b *crashBench) nixos() {
	b.t.Helper()
	var err error
	b.entries, err = b.root.InstallSystemdBoot(b.espDir, fixtures.SystemdBoot{Boot: b.xboot, Names: b.names})
	b.must(err)
}

// ours is an earlier run of this program.
func (b *crashBench) ours(layout bootbuilder.Layout) {
	b.t.Helper()
	dir, err := esp.OpenDir(b.espDir)
	b.must(err)
	defer dir.Close()
	target := bootbuilder.NewTarget(dir, nil)
	if b.xbootldr {
		boot, err := esp.OpenDir(b.xboot)
		b.must(err)
		defer boot.Close()
		target = bootbuilder.NewTarget(dir, boot)
	}
	o := b.options
	o.Layout = layout
	plan, err := bootbuilder.Install(ctx, target, o, bootbuilder.Observer{})
	b.must(err)
	b.must(plan.Close())
}

// three is a machine with three generations, all with Xen, and its NixOS entries.
func (b *crashBench) three() (oldest, newest *fixtures.Toplevel) {
	b.t.Helper()
	oldest = b.add(1, xen("4.19.3"))
	b.add(2, xen("4.20.2"))
	newest = b.add(3, xen("4.20.2"), fixtures.Specialisation{Name: "gaming", System: xen("4.20.2", "dom0_mem=2G")})
	b.nixos()
	return oldest, newest
}

// rebuilt replaces generation 3 by one with other parameters, drops 1 and adds 4.
func (b *crashBench) rebuilt(oldest, newest *fixtures.Toplevel) {
	b.t.Helper()
	b.must(b.root.Delete(oldest))
	b.must(b.root.Delete(newest))
	b.add(3, xen("4.20.2", "dom0_mem=8G"))
	b.add(4, xen("4.21.0"))
	b.nixos()
}

// putBack restores files of this prefix that an installer swept.
func (b *crashBench) putBack(before map[string]string, prefix string) {
	b.t.Helper()
	now := snapshot(b.t, b.espDir)
	for name, content := range before {
		if _, ok := now[name]; !ok && strings.HasPrefix(name, prefix) {
			b.must(os.WriteFile(filepath.Join(b.espDir, name), []byte(content), 0o644))
		}
	}
}

func (b *crashBench) writeLoaderConf(text string) {
	b.t.Helper()
	b.must(os.WriteFile(filepath.Join(b.espDir, "loader/loader.conf"), []byte(text), 0o644))
}

// wantNixOSDefault wants loader.conf to start NixOS, and nothing of ours left.
func wantNixOSDefault(t *testing.T, r *crashRun) {
	t.Helper()
	if conf := r.after.esp["loader/loader.conf"]; !strings.Contains(conf, "default nixos-") {
		t.Errorf("loader.conf does not start NixOS: %q", conf)
	}
	for name := range r.after.boot {
		if strings.Contains(name, "xen-") {
			t.Errorf("%s is left", name)
		}
	}
}

func crashScenarios() []crashScenario {
	var list []crashScenario
	layouts := []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutEmbedded, bootbuilder.LayoutUnified}
	for _, layout := range layouts {
		o := bootbuilder.Options{Layout: layout}
		fresh := func(b *crashBench) {
			b.add(7, fixtures.System{})
			b.three()
		}
		upgrade := func(b *crashBench) {
			oldest, newest := b.three()
			b.ours(layout)
			b.rebuilt(oldest, newest)
		}
		list = append(list,
			crashScenario{name: "fresh-" + string(layout), options: o, prepare: fresh},
			crashScenario{name: "upgrade-" + string(layout), options: o, prepare: upgrade},
			crashScenario{name: "upgrade-xbootldr-" + string(layout), options: o, prepare: upgrade, xbootldr: true},
			crashScenario{name: "tight-" + string(layout), options: o, tight: true, prepare: func(b *crashBench) {
				oldest, newest := b.three()
				b.ours(layout)
				before := snapshot(b.t, b.espDir)
				b.rebuilt(oldest, newest)
				b.putBack(before, "EFI/nixos/xen-") // they go with the others
			}},
			crashScenario{name: "take-over-" + string(layout), options: o, prepare: func(b *crashBench) {
				b.three()
				b.must(b.root.InstallScript(b.espDir, b.entries, fixtures.SystemdBoot{}))
			}},
			crashScenario{name: "xen-gone-" + string(layout), options: o, prepare: func(b *crashBench) {
				oldest, newest := b.three()
				b.ours(layout)
				b.must(b.root.Delete(oldest))
				b.must(b.root.Delete(newest))
				b.must(b.root.Delete(b.root.Toplevels()[0]))
				b.add(4, fixtures.System{})
				kept := snapshot(b.t, b.espDir)["loader/loader.conf"]
				b.nixos()
				b.writeLoaderConf(kept) // the installer failed on this one, say
			}, verify: wantNixOSDefault},
		)
		list = append(list, crashScenario{name: "kept-" + string(layout), options: o, prepare: func(b *crashBench) {
			oldest, _ := b.three()
			b.ours(layout)
			b.must(b.root.Delete(oldest))
			before := snapshot(b.t, b.espDir)
			b.add(4, xen("4.21.0"))
			b.nixos()
			b.putBack(before, "")
		}, verify: func(t *testing.T, r *crashRun) {
			for name := range r.after.boot {
				if strings.Contains(name, "/xen-generation-1") {
					return
				}
			}
			t.Error("generation 1 can't be made again, but its entry was not kept")
		}})
		for _, from := range layouts {
			if from == layout {
				continue
			}
			list = append(list, crashScenario{name: string(from) + "-to-" + string(layout), options: o, prepare: func(b *crashBench) {
				b.three()
				b.ours(from)
				b.nixos()
			}})
		}
	}
	return append(list,
		crashScenario{name: "from-store", options: bootbuilder.Options{From: bootbuilder.FromProfiles}, prepare: func(b *crashBench) {
			b.add(1, xen("4.20.2"))
			b.add(2, xen("4.20.2"))
		}},
		crashScenario{name: "joined-initrds", prepare: func(b *crashBench) {
			b.names = fixtures.ContentHashNames
			s := xen("4.20.2")
			s.ExtraInitrds = []string{"EFI/extra/microcode.img"}
			b.add(1, s)
			b.add(2, xen("4.20.2"))
			b.nixos()
		}},
		crashScenario{name: "lanzaboote", options: bootbuilder.Options{Layout: bootbuilder.LayoutUnified}, prepare: func(b *crashBench) {
			b.add(1, xen("4.20.2"))
			b.add(2, xen("4.21.0"))
			_, err := b.root.InstallLanzaboote(b.espDir, fixtures.Lanzaboote{})
			b.must(err)
		}},
		crashScenario{name: "tight-stale-default", tight: true, prepare: func(b *crashBench) {
			oldest, _ := b.three()
			b.must(b.root.SetDefault(oldest))
			b.nixos()
			b.ours(bootbuilder.LayoutShared)
			kept := snapshot(b.t, b.espDir)["loader/loader.conf"]
			b.must(b.root.Delete(oldest))
			b.add(4, xen("4.21.0"))
			b.nixos()
			b.writeLoaderConf(kept)
		}},
	)
}
