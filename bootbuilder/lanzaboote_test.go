package bootbuilder_test

import (
	"maps"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// newStubs is an ESP as Lanzaboote leaves it: generations 1, 2 with a specialisation, and 3 without Xen.
func newStubs(t *testing.T, layout bootbuilder.Layout, o fixtures.Lanzaboote) (b *machine, tops map[int]*fixtures.Toplevel, stubs []fixtures.Stub) {
	t.Helper()
	b = newMachine(t).withLayout(layout)
	older := xenSystem("4.19.3")
	older.KernelVersion = "6.12.41"
	tops = map[int]*fixtures.Toplevel{
		1: b.add(fixtures.Generation{Number: 1, System: older}),
		2: b.add(fixtures.Generation{Number: 2, System: xenSystem("4.20.2"), Specialisations: []fixtures.Specialisation{
			{Name: "gaming", System: xenSystem("4.20.2", "dom0_mem=2G")},
		}}),
		3: b.add(fixtures.Generation{Number: 3}),
	}
	return b, tops, b.lanzaboote(o)
}

// stubOf is a generation's stub on the ESP.
func (b *machine) stubOf(id string) string {
	b.t.Helper()
	return b.one("EFI/Linux/nixos-" + id + "-" + strings.Repeat("[a-z2-7]", 52) + "*.efi")
}

// gone are the files of before that are not in after, or are others there.
func gone(before, after map[string]string) (names []string) {
	for name, data := range before {
		if now, ok := after[name]; !ok || now != data {
			names = append(names, name)
		}
	}
	return names
}

// TestLanzaboote adds ours to what Lanzaboote left, and touches nothing of its.
func TestLanzaboote(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			b, _, _ := newStubs(t, layout, fixtures.Lanzaboote{})
			before := b.trees()
			r := b.installTwice()
			wantStates(t, r, map[string]bootbuilder.State{
				"xen-generation-1": bootbuilder.Added, "xen-generation-2": bootbuilder.Added,
				"xen-generation-2-specialisation-gaming": bootbuilder.Added, "xen-generation-3": bootbuilder.LeftOut,
			})
			if w := warnings(r); len(w) != 0 {
				t.Errorf("warnings %q", w)
			}
			if names := gone(before, b.trees()); len(names) != 0 { // "nixos-*" means generation 3, which has no Xen
				t.Errorf("changed: %q, want nothing", names)
			}
			for _, g := range r.Generations {
				if g.Source != bootbuilder.FromLanzaboote {
					t.Errorf("%s is from %s", g.ID, g.Source)
				}
			}
			b.wantHealthy()
			b.remove()
			after := b.trees()
			delete(after, "loader/entries/")
			delete(after, "EFI/xen/")
			if d := diffTrees(before, after); d != "" {
				t.Errorf("remove does not give back what stood:\n%s", d)
			}
		})
	}
}

// TestLanzabooteSwept wants ours to outlive Lanzaboote's own next run, and to follow it at ours.
func TestLanzabooteSwept(t *testing.T) {
	t.Parallel()
	for _, layout := range []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutUnified} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			b, tops, _ := newStubs(t, layout, fixtures.Lanzaboote{})
			b.install()
			installed := b.trees()
			b.lanzaboote(fixtures.Lanzaboote{})
			if names := gone(installed, b.trees()); len(names) != 0 {
				t.Errorf("Lanzaboote took %q", names)
			}
			b.wantHealthy()
			b.install()
			b.wantTrees(installed)

			b.must(b.root.Delete(tops[1]))
			b.lanzaboote(fixtures.Lanzaboote{})
			b.wantInstalled("xen-generation-1", true) // until our next run
			states := reported(t, b.installTwice(), "xen-generation-2").State
			if states != bootbuilder.Unchanged {
				t.Errorf("generation 2 is %s", states)
			}
			b.wantInstalled("xen-generation-1", false)
			b.wantInstalled("xen-generation-2", true)
			b.wantFiles("EFI/xen/xen-4.19.3-*")
			b.wantHealthy()
		})
	}
}

// TestLanzabooteAndEntries has entries of a time before Lanzaboote: no second source where there is a stub.
func TestLanzabooteAndEntries(t *testing.T) {
	t.Parallel()
	b := newMachine(t)
	for n := range 3 {
		b.add(fixtures.Generation{Number: n + 1, System: xenSystem("4.20.2")})
	}
	b.rebuild()
	entries := b.trees()
	b.lanzaboote(fixtures.Lanzaboote{})
	b.delete(b.stubOf("generation-1"))
	for name, data := range entries {
		if strings.HasPrefix(name, "EFI/nixos/") && data != "" {
			b.write(name, data) // both installers' kernels
		}
	}
	r := b.installTwice()
	for id, want := range map[string]bootbuilder.Source{
		"xen-generation-1": bootbuilder.FromEntries, "xen-generation-2": bootbuilder.FromLanzaboote, "xen-generation-3": bootbuilder.FromLanzaboote,
	} {
		if g := reported(t, r, id); g.Source != want || g.State != bootbuilder.Added {
			t.Errorf("%s is from %s and %s, want it from %s", id, g.Source, g.State, want)
		}
	}
	if len(r.Generations) != 3 || len(warnings(r)) != 0 {
		t.Errorf("%d generations, warnings %q", len(r.Generations), warnings(r))
	}
	for from, want := range map[bootbuilder.Source]int{bootbuilder.FromEntries: 3, bootbuilder.FromLanzaboote: 2} {
		b.options.From = from
		got := 0
		for _, g := range b.install().Generations {
			if g.Source == from {
				got++
			}
		}
		if got != want {
			t.Errorf("from %s: %d generations, want %d", from, got, want)
		}
	}
}

// TestLanzabooteTampered has a kernel and an initrd that are not what their stub says.
func TestLanzabooteTampered(t *testing.T) {
	t.Parallel()
	for _, layout := range []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutUnified} {
		for _, what := range []string{"kernel", "initrd"} {
			t.Run(what+"/"+string(layout), func(t *testing.T) {
				t.Parallel()
				b, _, stubs := newStubs(t, layout, fixtures.Lanzaboote{})
				name := map[string]string{"kernel": stubs[0].Kernel, "initrd": stubs[0].Initrd}[what]
				b.flip(name, 130)
				r := b.install()
				if layout == bootbuilder.LayoutUnified { // signed: from the store alone
					b.wantHealthy()
					b.wantInstalled("xen-generation-1", true)
					return
				}
				wantOut(t, r, "xen-generation-1", bootbuilder.PayloadMissing, name, path.Base(stubs[0].Path), "SHA-256")
				b.wantInstalled("xen-generation-1", false)
				b.wantInstalled("xen-generation-2", true)
				if w := warnings(r); len(w) != 1 {
					t.Errorf("warnings %q", w)
				}
			})
		}
	}
}

// TestLanzabooteTamperedLater wants what was installed from good files to stay. A signed image has
// nothing to do with them.
func TestLanzabooteTamperedLater(t *testing.T) {
	t.Parallel()
	for layout, want := range map[bootbuilder.Layout]bootbuilder.State{
		bootbuilder.LayoutShared: bootbuilder.Kept, bootbuilder.LayoutUnified: bootbuilder.Unchanged,
	} {
		b, _, stubs := newStubs(t, layout, fixtures.Lanzaboote{})
		b.install()
		installed := b.trees()
		b.flip(stubs[0].Kernel, 130)
		if g := reported(t, b.install(), "xen-generation-1"); g.State != want {
			t.Errorf("%s: generation 1 is %s", layout, g.State)
		}
		after := b.trees()
		after[stubs[0].Kernel] = installed[stubs[0].Kernel]
		if d := diffTrees(installed, after); d != "" {
			t.Errorf("%s: the ESP changed:\n%s", layout, d)
		}
	}
}

// TestLanzabooteMalformed breaks the stub of generation 1 in every way: a warning, and the others are installed.
func TestLanzabooteMalformed(t *testing.T) {
	t.Parallel()
	rename := func(section string) func(string) string {
		return func(data string) string {
			old := section + strings.Repeat("\x00", 8-len(section))
			return strings.Replace(data, old, "."+strings.ToUpper(old[1:]), 1)
		}
	}
	for name, change := range map[string]func(data string) string{
		"empty":            func(string) string { return "" },
		"text":             func(string) string { return "no image" },
		"cut off":          func(data string) string { return data[:len(data)/2] },
		"headers alone":    func(data string) string { return data[:0x200] },
		"without .osrel":   rename(".osrel"),
		"without .cmdline": rename(".cmdline"),
		"without .linux":   rename(".linux"),
		"without .initrd":  rename(".initrd"),
		"without .linuxh":  rename(".linuxh"),
		"without .initrdh": rename(".initrdh"),
		"without init":     func(data string) string { return strings.Replace(data, "init=/nix", "lnit=/nix", 1) },
		"init relative":    func(data string) string { return strings.Replace(data, "init=/nix", "init=xnix", 1) },
		"path climbing":    func(data string) string { return strings.Replace(data, `\EFI\nixos\kernel`, `\EFI\..\..\kernel`, 1) },
		"path control byte": func(data string) string {
			return strings.Replace(data, `\EFI\nixos\kernel`, "\\EFI\\nixos\\\x01ernel", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _, stubs := newStubs(t, bootbuilder.LayoutUnified, fixtures.Lanzaboote{})
			old := b.read(stubs[0].Path)
			b.write(stubs[0].Path, change(old))
			if b.read(stubs[0].Path) == old {
				t.Fatal("the stub is as it was")
			}
			r := b.install()
			wantOut(t, r, "xen-generation-1", bootbuilder.EntryInvalid, path.Base(stubs[0].Path))
			b.wantInstalled("xen-generation-1", false)
			b.wantInstalled("xen-generation-2", true)
			if w := warnings(r); len(w) != 1 || !strings.Contains(w[0], path.Base(stubs[0].Path)) {
				t.Errorf("warnings %q", w)
			}
		})
	}
}

// TestLanzabooteCounted has boot counters in the stubs' names: of ours, images of type #2 have one
// too, which is theirs from then on.
func TestLanzabooteCounted(t *testing.T) {
	t.Parallel()
	for _, layout := range []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutUnified} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			plain, _, _ := newStubs(t, layout, fixtures.Lanzaboote{})
			plain.installTwice()
			b, _, stubs := newStubs(t, layout, fixtures.Lanzaboote{Tries: 3})
			b.installTwice()
			if d := diffTrees(plain.ours(), withoutTries(b.ours())); d != "" {
				t.Errorf("a counter makes a difference (-without +with):\n%s", d)
			}
			if n := len(b.glob("EFI/Linux/xen-*+3.efi")); n != len(plain.glob("EFI/Linux/xen-*.efi")) {
				t.Errorf("%d images of ours are counted", n)
			}
			before := b.ours()
			for _, counter := range []string{"+2-1", "+0-3", ""} {
				from := b.stubOf("generation-2")
				stem, _, _ := strings.Cut(strings.TrimSuffix(from, ".efi"), "+")
				b.must(os.Rename(b.path(from), b.path(stem+counter+".efi")))
				b.installTwice()
				if d := diffTrees(before, b.ours()); d != "" {
					t.Errorf("counter %q makes a difference:\n%s", counter, d)
				}
			}
			if len(stubs) != 4 || !strings.Contains(stubs[0].Path, "+3.efi") {
				t.Errorf("the stubs are not counted: %+v", stubs)
			}
		})
	}
}

// withoutTries are files by their names without boot counters.
func withoutTries(files map[string]string) map[string]string {
	all := make(map[string]string)
	for name, data := range files {
		base, _ := esp.CutTries(path.Base(name))
		all[path.Join(path.Dir(name), base)] = data
	}
	return all
}

// TestLanzabooteTwoStubs has a generation's stub twice, as after a change of keys, and once broken.
func TestLanzabooteTwoStubs(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"", "first", "second"} {
		t.Run("broken "+broken, func(t *testing.T) {
			t.Parallel()
			b, _, stubs := newStubs(t, bootbuilder.LayoutUnified, fixtures.Lanzaboote{})
			data := b.read(stubs[0].Path)
			stem := strings.TrimSuffix(stubs[0].Path, ".efi")
			first := stem[:len(stem)-52] + strings.Repeat("2", 52) + ".efi" // sorts before any letter
			for name, text := range map[string]string{first: data, stubs[0].Path: data} {
				if (name == first) == (broken == "first") && broken != "" {
					text = "broken"
				}
				b.write(name, text)
			}
			r := b.installTwice()
			if g := reported(t, r, "xen-generation-1"); g.State != bootbuilder.Added || len(r.Generations) != 4 {
				t.Errorf("generation 1 is %s (%s), %d generations", g.State, g.Detail, len(r.Generations))
			}
			if broken == "" {
				wantMatches(t, warnings(r))
			} else {
				wantMatches(t, warnings(r), `^/.*/EFI/Linux/nixos-generation-1-.* is passed over: .*not a PE image`)
			}
		})
	}
}

// TestLanzabooteBootspecGone has a stub whose boot.json was lost, where what is installed stays, and one whose
// toplevel was collected: nothing could boot it.
func TestLanzabooteBootspecGone(t *testing.T) {
	t.Parallel()
	b, tops, _ := newStubs(t, bootbuilder.LayoutUnified, fixtures.Lanzaboote{})
	b.install()
	installed := b.trees()
	b.must(os.Remove(b.root.Path(tops[1].Path + "/boot.json")))
	r := b.install()
	if g := reported(t, r, "xen-generation-1"); g.State != bootbuilder.Kept || g.Reason != bootbuilder.BootspecMissing {
		t.Errorf("generation 1 is %s for %q", g.State, g.Reason)
	}
	b.wantTrees(installed)
	b.must(os.RemoveAll(b.root.Path(tops[1].Path)))
	r = b.install()
	if g := reported(t, r, "xen-generation-1"); g.State != bootbuilder.Removed || g.Reason != bootbuilder.BootspecMissing {
		t.Errorf("generation 1 is %s for %q", g.State, g.Reason)
	}
	b.wantInstalled("xen-generation-1", false)
	b.wantInstalled("xen-generation-2", true)
}

// TestLanzabooteDefaults has what loader.conf may say.
func TestLanzabooteDefaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before, after string // STUB is generation 2's stub, IMAGE its Xen image, NEWEST the stub of generation 3, which has no Xen
		mode          bootbuilder.DefaultMode
	}{
		{before: "nixos-*", after: "nixos-*"},
		{before: "xen-*", after: "NEWEST"},
		{before: "nixos-generation-2-*", after: "IMAGE"},
		{before: "nixos-generation-3-*", after: "nixos-generation-3-*"}, // no Xen in it
		{before: "STUB", after: "IMAGE"},
		{before: "arch.conf", after: "arch.conf"},
		{before: "nixos-*", after: "nixos-*", mode: bootbuilder.DefaultNixOS},
		{before: "xen-*", after: "NEWEST", mode: bootbuilder.DefaultNixOS},
		{before: "nixos-*", after: "nixos-*", mode: bootbuilder.DefaultKeep},
		{before: "xen-*", after: "NEWEST", mode: bootbuilder.DefaultKeep},
	} {
		t.Run(c.before+" "+string(c.mode), func(t *testing.T) {
			t.Parallel()
			b, _, _ := newStubs(t, bootbuilder.LayoutUnified, fixtures.Lanzaboote{})
			b.options.Default = c.mode
			b.write("loader/entries/arch.conf", "title Arch\nlinux /vmlinuz\n")
			b.write("vmlinuz", "a kernel")
			b.write("loader/loader.conf", "timeout 5\ndefault "+strings.Replace(c.before, "STUB", path.Base(b.stubOf("generation-2")), 1)+"\n")
			b.installTwice()
			b.wantDefault(strings.NewReplacer("IMAGE", path.Base(b.image("xen-generation-2")), "NEWEST", path.Base(b.stubOf("generation-3"))).Replace(c.after))
		})
	}
}

// TestLanzabooteForeign leaves alone what is in EFI/Linux and looks like a stub, or like ours.
func TestLanzabooteForeign(t *testing.T) {
	t.Parallel()
	b, _, _ := newStubs(t, bootbuilder.LayoutUnified, fixtures.Lanzaboote{})
	others := map[string]string{
		"EFI/Linux/arch.efi":                                                         "arch",
		"EFI/Linux/nixos-generation-9.efi":                                           "without a hash",
		"EFI/Linux/nixos-rescue-" + strings.Repeat("a", 52) + ".efi":                 "not a generation",
		"EFI/Linux/xen-rescue.efi":                                                   "by hand",
		"EFI/Linux/xen-generation-1.efi":                                             "by hand",
		"EFI/Linux/" + strings.Repeat("n", 10) + "/nixos-generation-1-directory.efi": "in a directory",
	}
	for name, data := range others {
		b.write(name, data)
	}
	if r := b.installTwice(); len(r.Generations) != 4 {
		t.Errorf("%d generations, want 4", len(r.Generations))
	}
	after := b.trees()
	maps.DeleteFunc(after, func(name, _ string) bool { _, other := others[name]; return !other })
	if d := diffTrees(others, after); d != "" {
		t.Errorf("others' files changed:\n%s", d)
	}
}
