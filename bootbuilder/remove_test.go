package bootbuilder_test

import (
	"errors"
	"maps"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// foreign are files of others, named as much like ours as they may be.
var foreign = map[string]string{
	"loader/entries/xen-rescue.conf":         "title Rescue\nefi /EFI/xen/rescue/xen.efi\n",
	"loader/entries/xen-generation-900.conf": "title By hand\nefi /EFI/memtest/memtest.efi\n",
	"loader/entries/memtest.conf":            "title Memtest\nefi /EFI/memtest/memtest.efi\n",
	"EFI/memtest/memtest.efi":                "by hand",
	"EFI/xen/rescue/xen.efi":                 "by hand",
	"EFI/xen/rescue/xen-generation-1.cfg":    "by hand",
	"EFI/xen/xen.efi":                        "by hand",
	"EFI/xen/xen.cfg":                        "by hand",
	"EFI/xen/notes.txt":                      "by hand",
	"EFI/nixos/xen-rescue.efi":               "by hand",
	"EFI/Linux/xen-rescue.efi":               "by hand",
	"EFI/Linux/arch.efi":                     "by hand",
}

// removal is a machine to install on, remove from, and install on again.
type removal struct {
	name     string
	xbootldr bool
	boot     fixtures.SystemdBoot
	// conf is loader.conf before; "" for what the installer writes.
	conf string
	// def and preferred are what loader.conf names between install and remove; "" where
	// the name carries a hash.
	def, preferred string
	// after is loader.conf after remove; "" for as it was.
	after   string
	prepare func(b *machine)
}

func removals() []removal {
	const long = "# by hand\r\n\r\ntimeout\t3\r\ndefault  nixos-generation-1.conf  \r\neditor no\r\nunknown key"
	return []removal{
		{name: "default", def: "xen-generation-2.conf"},
		{name: "xbootldr", xbootldr: true, def: "xen-generation-2.conf"},
		{name: "older-default", conf: long, def: "xen-generation-1.conf"},
		{name: "specialisation", conf: "default nixos-generation-2-specialisation-gaming.conf\n", def: "xen-generation-2-specialisation-gaming.conf"},
		{name: "glob", conf: "default nixos-*\ntimeout 5\n", def: "xen-generation-2.conf", after: "default nixos-generation-2.conf\ntimeout 5"},
		{name: "glob-of-one", conf: "default nixos-generation-2*\n", def: "xen-generation-2.conf", after: "default nixos-generation-2.conf"},
		{name: "glob-of-nothing", conf: "default nixos-generation-?\n", def: "xen-generation-2.conf", after: "default nixos-generation-2.conf"}, // ids end in .conf
		{name: "preferred", conf: "preferred nixos-generation-2.conf\ndefault nixos-*\n", preferred: "xen-generation-2.conf", def: "nixos-*"},
		{name: "hash-names", boot: fixtures.SystemdBoot{Names: fixtures.ContentHashNames}},
		{name: "hash-names-counted", boot: fixtures.SystemdBoot{Names: fixtures.ContentHashNames, Tries: 3}, def: "nixos-*"},
		{name: "counted", boot: fixtures.SystemdBoot{Tries: 3}, def: "xen-generation-2.conf"},
		{name: "own-default", conf: "default memtest.conf\n", def: "memtest.conf"},
		{name: "saved-default", conf: "default @saved\n", def: "@saved"},
		{name: "no-default", conf: "timeout 3\n"},
		{name: "joined-ramdisk", def: "xen-generation-2.conf", prepare: func(b *machine) {
			b.write("EFI/nixos/.extra-files/microcode.img", "microcode")
			b.edit("loader/entries/nixos-generation-2.conf", "\noptions", "\ninitrd /EFI/nixos/.extra-files/microcode.img\noptions")
		}},
		{name: "kernel-from-store", def: "xen-generation-2.conf", prepare: func(b *machine) {
			b.delete(b.one("EFI/nixos/*linux-6.12.41-bzImage.efi"))
		}},
	}
}

// TestRemove wants remove to bring back the files from before the first install, and the next
// install those from before remove.
func TestRemove(t *testing.T) {
	t.Parallel()
	for n, c := range removals() {
		for i, layout := range allLayouts {
			if testing.Short() && i != n%len(allLayouts) {
				continue // each in one layout
			}
			t.Run(c.name+"/"+string(layout), func(t *testing.T) {
				t.Parallel()
				b := newMachine(t).withLayout(layout)
				before := c.layOut(b)
				b.install()
				installed := b.trees()
				c.wantLoaderConf(b, layout)
				if c.after != "" {
					before["loader/loader.conf"] = c.after
				}
				b.remove()
				b.wantFilesAs(before)
				b.remove()
				b.wantFilesAs(before)
				b.install()
				b.wantTrees(installed)
			})
		}
	}
}

// layOut is the machine before the first install.
func (c removal) layOut(b *machine) map[string]string {
	b.t.Helper()
	if c.xbootldr {
		b.xboot = b.t.TempDir()
	}
	first := xenSystem("4.19.3")
	first.KernelVersion = "6.12.41"
	b.add(fixtures.Generation{Number: 1, System: first})
	b.add(fixtures.Generation{Number: 2, System: xenSystem("4.20.2"), Specialisations: []fixtures.Specialisation{{Name: "gaming", System: first}}})
	b.nixos = c.boot
	b.rebuild()
	for name, data := range foreign {
		b.write(name, data)
	}
	if c.conf != "" {
		b.writeLoaderConf(c.conf)
	}
	if c.prepare != nil {
		c.prepare(b)
	}
	return b.trees()
}

func (c removal) wantLoaderConf(b *machine, layout bootbuilder.Layout) {
	b.t.Helper()
	conf := esp.ParseLoaderConf([]byte(b.loaderConf()))
	for key, want := range map[string]string{"default": c.def, "preferred": c.preferred} {
		got, _ := conf.Get(key)
		switch {
		case strings.HasPrefix(c.name, "hash-names") && want == "":
			if key == "default" && !strings.HasPrefix(got, "xen-") {
				b.t.Errorf("default is %q, want a Xen entry", got)
			}
		case layout == bootbuilder.LayoutUnified && strings.HasSuffix(want, ".conf") && strings.HasPrefix(want, "xen-"):
			if id := strings.TrimSuffix(want, ".conf"); !strings.HasPrefix(got, id+"-") || !strings.HasSuffix(got, ".efi") {
				b.t.Errorf("%s is %q, want the image of %s", key, got, id)
			}
		case got != want:
			b.t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// TestRemoveAlone has a machine that has nothing but ours beside NixOS: only the directories stay.
func TestRemoveAlone(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			b := newMachine(t).withLayout(layout)
			b.add(fixtures.Generation{Number: 1, System: xenSystem("4.20.2")})
			b.rebuild()
			before := b.trees()
			b.install()
			b.write("EFI/xen/.xen-boot-builder-3.tmp", "left by a run that was cut off")
			b.remove()
			after := b.trees()
			maps.DeleteFunc(after, func(name, _ string) bool { return name == "EFI/Linux/" || name == "EFI/xen/" })
			for name := range after {
				if _, ok := before[name]; !ok {
					t.Errorf("%s is left", name)
				}
			}
			if len(after) != len(before) {
				t.Errorf("%d files and directories are left, want %d", len(after), len(before))
			}
		})
	}
}

// TestRemoveAllLayouts has a machine whose layout was changed by somebody who did not clean up.
func TestRemoveAllLayouts(t *testing.T) {
	t.Parallel()
	b := newMachine(t)
	before := removal{}.layOut(b)
	all := make(map[string]string)
	for _, layout := range allLayouts {
		b.withLayout(layout).install()
		maps.Copy(all, b.trees())
	}
	for name, data := range all {
		if !strings.HasSuffix(name, "/") {
			b.write(name, data)
		}
	}
	b.remove()
	b.wantTrees(before)
}

// TestRemoveKeepsWhatOthersUse has a hand-written entry that starts an image and a xen.cfg of ours.
func TestRemoveKeepsWhatOthersUse(t *testing.T) {
	t.Parallel()
	b := newMachine(t)
	removal{}.layOut(b)
	b.install()
	image := b.one("EFI/xen/xen-4.20.2-*.efi")
	cfg := b.cfg("xen-generation-2")
	b.write("loader/entries/mine.conf", "title Mine\nefi /"+image+"\noptions xen.efi -cfg="+path.Base(cfg)+"\n")
	b.remove()
	b.wantFiles("EFI/xen/xen-[0-9]*.efi", image)
	b.wantFiles("EFI/xen/xen-generation-*.cfg", cfg)
	b.wantFiles("loader/entries/xen-generation-?.conf")
}

// TestRemoveDefaultGone has a Xen default whose NixOS entry is gone: NixOS' newest starts then, by its name.
func TestRemoveDefaultGone(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			b := newMachine(t).withLayout(layout)
			removal{}.layOut(b)
			b.install()
			b.delete("loader/entries/nixos-generation-2.conf")
			b.remove()
			b.wantDefault("nixos-generation-1.conf")
			b.wantFiles("EFI/xen/xen-generation-*")
			b.wantFiles("EFI/Linux/xen-generation-*")
			b.wantFiles("EFI/nixos/xen-generation-*")
		})
	}
}

// TestRemoveCannotRead: what can't be read may need what would go. Then all of it stays, and the removal has failed.
func TestRemoveCannotRead(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		m := newMachine(t).withLayout(layout)
		m.addXen(1, 2)
		m.rebuild()
		m.install()
		m.write("EFI/xen/proven", "a record\n")
		m.must(os.Symlink("loop.conf", m.path("loader/entries/loop.conf")))
		before := snapshot(t, m.esp)
		m.open(func(target bootbuilder.Target) {
			plan, err := bootbuilder.NewRemoval(ctx, target, "")
			r := carryOut(plan, err, nil)
			if !errors.Is(r.Err, syscall.ELOOP) || !errors.Is(r.Check, syscall.ELOOP) || r.Report.Changed {
				t.Errorf("%s: %v, a dry run %v, changed: %v", layout, r.Err, r.Check, r.Report.Changed)
			}
		})
		if d := diffTrees(before, snapshot(t, m.esp)); d != "" {
			t.Errorf("%s: something went:\n%s", layout, d)
		}
		m.must(os.Remove(m.path("loader/entries/loop.conf")))
		m.remove()
		if m.exists("EFI/xen/proven") {
			t.Errorf("%s: the record is still there", layout)
		}
	}
}
