package bootbuilder_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// crashScenario is a run to be cut off. prepare brings root and partitions into the state before it.
type crashScenario struct {
	name     string
	xbootldr bool
	with     bootbuilder.Options
	prepare  func(b *crashBench)
	// tight leaves so little room that what is stale has to go first.
	tight bool
	// verify looks whether the undisturbed run did what the scenario is about.
	verify func(t *testing.T, r *crashRun)
}

// crashBench is the machine of one scenario: first in directories, where the installers before us
// work, then in memory.
type crashBench struct {
	*machine
	crashScenario
	disks *crashfs.Machine
}

func newCrashBench(t *testing.T, s crashScenario) *crashBench {
	t.Helper()
	b := &crashBench{crashScenario: s, machine: newMachine(t)}
	if s.xbootldr {
		b.xboot = t.TempDir()
	}
	root := b.options.Root
	b.options = s.with
	b.options.Root = root
	s.prepare(b)
	b.disks = crashfs.NewMachine()
	b.disks.Mount("/efi", crashfs.Geometry{}).Fill(snapshot(t, b.esp))
	if s.xbootldr {
		b.disks.Mount("/boot", crashfs.Geometry{}).Fill(snapshot(t, b.xboot))
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
	for capacity := b.disks.FS(boot).Used(); capacity < 10_000; capacity++ {
		m := b.disks.Clone()
		m.FS(boot).Resize(crashfs.Geometry{Capacity: capacity})
		if b.runOn(m) == nil {
			b.disks.FS(boot).Resize(crashfs.Geometry{Capacity: capacity + slack})
			return
		}
	}
	b.t.Fatal("no partition is large enough")
}

// dropsFirst reports whether something that was there is removed while something new has no name yet. What a dead
// run left doesn't count.
func (r *crashRun) dropsFirst(log []crashfs.Op) bool {
	fsys := r.start.FS(r.bootIndex())
	there := fsys.Tree()
	isNew := func(op crashfs.Op) bool {
		name := strings.TrimPrefix(op.Path, fsys.Path(".")+"/")
		_, old := there[fold(there, name)]
		return !old && (isType1(name) || strings.HasPrefix(name, "EFI/xen/") || strings.HasPrefix(name, "EFI/Linux/"))
	}
	removed := slices.IndexFunc(log, func(op crashfs.Op) bool {
		_, old := there[strings.TrimPrefix(op.Path, fsys.Path(".")+"/")]
		return op.Kind == crashfs.OpRemove && old && !strings.HasSuffix(op.Path, ".tmp")
	})
	return removed >= 0 && slices.ContainsFunc(log[removed:], func(op crashfs.Op) bool {
		return op.Kind == crashfs.OpCreate && isNew(op)
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

// xen is a system with a Xen of this version and, by their parameters, its own.
func xen(version string, params ...string) fixtures.System {
	x := &fixtures.Xen{Version: version, Image: fixtures.XenImage(fixtures.XenOptions{Version: version, HeaderRoom: true})}
	if len(params) > 0 {
		x.Params = params
	}
	return fixtures.System{Xen: x}
}

func (b *crashBench) gen(number int, s fixtures.System, specialisations ...fixtures.Specialisation) *fixtures.Toplevel {
	b.t.Helper()
	return b.add(fixtures.Generation{Number: number, System: s, Specialisations: specialisations})
}

// ours is an earlier run of this program.
func (b *crashBench) ours(layout bootbuilder.Layout) {
	b.t.Helper()
	before := b.options.Layout
	b.options.Layout = layout
	b.install()
	b.options.Layout = before
}

// three is a machine with three generations, all with Xen, and its NixOS entries.
func (b *crashBench) three() (oldest, newest *fixtures.Toplevel) {
	b.t.Helper()
	oldest = b.gen(1, xen("4.19.3"))
	b.gen(2, xen("4.20.2"))
	newest = b.gen(3, xen("4.20.2"), fixtures.Specialisation{Name: "gaming", System: xen("4.20.2", "dom0_mem=2G")})
	b.rebuild()
	return oldest, newest
}

// rebuilt replaces generation 3 by one with other parameters, drops 1 and adds 4.
func (b *crashBench) rebuilt(oldest, newest *fixtures.Toplevel) {
	b.t.Helper()
	b.must(b.root.Delete(oldest))
	b.must(b.root.Delete(newest))
	b.gen(3, xen("4.20.2", "dom0_mem=8G"))
	b.gen(4, xen("4.21.0"))
	b.rebuild()
}

// putBack restores files of this prefix that an installer swept.
func (b *crashBench) putBack(before map[string]string, prefix string) {
	b.t.Helper()
	now := snapshot(b.t, b.esp)
	for name, content := range before {
		if _, ok := now[name]; !ok && strings.HasPrefix(name, prefix) {
			b.must(os.WriteFile(filepath.Join(b.esp, name), []byte(content), 0o644))
		}
	}
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
			b.gen(7, fixtures.System{})
			b.three()
		}
		upgrade := func(b *crashBench) {
			oldest, newest := b.three()
			b.ours(layout)
			b.rebuilt(oldest, newest)
		}
		list = append(list,
			crashScenario{name: "fresh-" + string(layout), with: o, prepare: fresh},
			crashScenario{name: "upgrade-" + string(layout), with: o, prepare: upgrade},
			crashScenario{name: "upgrade-xbootldr-" + string(layout), with: o, prepare: upgrade, xbootldr: true},
			crashScenario{name: "tight-" + string(layout), with: o, tight: true, prepare: func(b *crashBench) {
				oldest, newest := b.three()
				b.ours(layout)
				before := snapshot(b.t, b.esp)
				b.rebuilt(oldest, newest)
				b.putBack(before, "EFI/nixos/xen-") // they go with the others
			}},
			crashScenario{name: "tight-again-" + string(layout), with: o, tight: true, prepare: func(b *crashBench) {
				// The images have names with hashes already, so that the script's are free.
				oldest, newest := b.three()
				b.ours(layout)
				b.must(b.root.Delete(newest))
				again := b.gen(3, xen("4.20.2", "dom0_mem=4G"))
				b.rebuild()
				b.ours(layout)
				before := snapshot(b.t, b.esp)
				b.rebuilt(oldest, again)
				b.putBack(before, "EFI/nixos/xen-")
			}},
			crashScenario{name: "take-over-" + string(layout), with: o, prepare: func(b *crashBench) {
				b.three()
				b.script()
			}},
			crashScenario{name: "xen-gone-" + string(layout), with: o, prepare: func(b *crashBench) {
				oldest, newest := b.three()
				b.ours(layout)
				b.must(b.root.Delete(oldest))
				b.must(b.root.Delete(newest))
				b.must(b.root.Delete(b.root.Toplevels()[0]))
				b.gen(4, fixtures.System{})
				kept := snapshot(b.t, b.esp)["loader/loader.conf"]
				b.rebuild()
				b.writeLoaderConf(kept) // the installer failed on this one, say
			}, verify: wantNixOSDefault},
		)
		list = append(list, crashScenario{name: "kept-" + string(layout), with: o, prepare: func(b *crashBench) {
			oldest, _ := b.three()
			b.ours(layout)
			b.must(os.Remove(b.root.Path(oldest.Path + "/boot.json")))
			before := snapshot(b.t, b.esp)
			b.gen(4, xen("4.21.0"))
			b.rebuild()
			b.putBack(before, "EFI/nixos/xen-")
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
			list = append(list, crashScenario{name: string(from) + "-to-" + string(layout), with: o, prepare: func(b *crashBench) {
				b.three()
				b.ours(from)
				b.rebuild()
			}})
		}
	}
	return append(list,
		crashScenario{name: "from-store", with: bootbuilder.Options{From: bootbuilder.FromProfiles}, prepare: func(b *crashBench) {
			b.gen(1, xen("4.20.2"))
			b.gen(2, xen("4.20.2"))
		}},
		crashScenario{name: "joined-initrds", prepare: func(b *crashBench) {
			b.nixos.Names = fixtures.ContentHashNames
			s := xen("4.20.2")
			s.ExtraInitrds = []string{"EFI/extra/microcode.img"}
			b.gen(1, s)
			b.gen(2, xen("4.20.2"))
			b.rebuild()
		}},
		crashScenario{name: "lanzaboote", with: bootbuilder.Options{Layout: bootbuilder.LayoutUnified}, prepare: func(b *crashBench) {
			b.gen(1, xen("4.20.2"))
			b.gen(2, xen("4.21.0"))
			b.lanzaboote(fixtures.Lanzaboote{})
		}},
		crashScenario{name: "tight-stale-default", tight: true, prepare: func(b *crashBench) {
			oldest, _ := b.three()
			b.must(b.root.SetDefault(oldest))
			b.rebuild()
			b.ours(bootbuilder.LayoutShared)
			kept := snapshot(b.t, b.esp)["loader/loader.conf"]
			b.must(b.root.Delete(oldest))
			b.gen(4, xen("4.21.0"))
			b.rebuild()
			b.writeLoaderConf(kept)
		}},
	)
}
