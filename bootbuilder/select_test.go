package bootbuilder_test

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// many is a machine with four generations, of which the third has no Xen and the fourth has a
// specialisation, and two of the profile "test". Nothing of ours is installed.
func many(t *testing.T, layout bootbuilder.Layout) (*machine, map[int]*fixtures.Toplevel) {
	t.Helper()
	b := newMachine(t).withLayout(layout)
	tops := map[int]*fixtures.Toplevel{
		1: b.add(fixtures.Generation{Number: 1, System: xenSystem("4.19.3")}),
		2: b.add(fixtures.Generation{Number: 2, System: xenSystem("4.19.3")}),
		3: b.add(fixtures.Generation{Number: 3}),
		4: b.add(fixtures.Generation{Number: 4, System: xenSystem("4.20.2"), Specialisations: []fixtures.Specialisation{
			{Name: "gaming", System: xenSystem("4.20.2")},
		}}),
	}
	b.add(fixtures.Generation{Profile: "test", Number: 1, System: xenSystem("4.20.2")})
	b.add(fixtures.Generation{Profile: "test", Number: 12, System: xenSystem("4.20.2")})
	b.rebuild()
	return b, tops
}

// xenIDs are short for those of many's Xen entries.
var xenIDs = map[string]string{
	"1": "xen-generation-1", "2": "xen-generation-2", "3": "xen-generation-3", "4": "xen-generation-4",
	"4g": "xen-generation-4-specialisation-gaming",
	"t1": "xen-test-generation-1", "t12": "xen-test-generation-12",
}

// states are those of many's generations, in the order of their short ids: 1 2 3 4 4g t1 t12.
func states(t *testing.T, list string) map[string]bootbuilder.State {
	t.Helper()
	words := map[string]bootbuilder.State{
		"+": bootbuilder.Added, "=": bootbuilder.Unchanged, "-": bootbuilder.Removed,
		"k": bootbuilder.Kept, ".": bootbuilder.LeftOut, "~": bootbuilder.Changed,
	}
	short := []string{"1", "2", "3", "4", "4g", "t1", "t12"}
	fields := strings.Fields(list)
	if len(fields) != len(short) {
		t.Fatalf("%d states in %q", len(fields), list)
	}
	all := make(map[string]bootbuilder.State)
	for i, f := range fields {
		all[xenIDs[short[i]]] = words[f]
	}
	return all
}

func TestLimit(t *testing.T) {
	t.Parallel()
	for n, c := range []struct {
		name  string
		limit int
		first string // what a first run does
		later string // what a run does where all are installed
		def   string // what loader.conf starts, before, and with xen for nixos after
	}{
		{name: "none", limit: 0, first: "+ + . + + + +", later: "= = . = = = =", def: "nixos-generation-4.conf"},
		{name: "more than there are", limit: 9, first: "+ + . + + + +", later: "= = . = = = =", def: "nixos-generation-4.conf"},
		{name: "one of each profile", limit: 1, first: ". . . + + . +", later: "- - . = = - =", def: "nixos-generation-4.conf"},
		{name: "one without Xen counts", limit: 2, first: ". . . + + + +", later: "- - . = = = =", def: "nixos-generation-4.conf"},
		{name: "the default counts in", limit: 1, first: "+ . . + + . +", later: "= - . = = - =", def: "nixos-generation-1.conf"},
		{name: "the default of a profile counts in", limit: 1, first: ". . . + + + +", later: "- - . = = = =", def: "nixos-test-generation-1.conf"},
	} {
		for i, layout := range allLayouts {
			if testing.Short() && i != n%len(allLayouts) {
				continue // each in one layout
			}
			t.Run(c.name+"/"+string(layout), func(t *testing.T) {
				t.Parallel()
				for _, first := range []bool{true, false} {
					b, _ := many(t, layout)
					want := states(t, c.later)
					b.write("loader/loader.conf", "timeout 5\ndefault "+c.def+"\n")
					if first {
						want = states(t, c.first)
					} else {
						b.install()
					}
					b.options.Limit = c.limit
					r := b.installTwice()
					wantStates(t, r, want)
					for id, state := range want {
						g := reported(t, r, id)
						over := (state == bootbuilder.LeftOut || state == bootbuilder.Removed) && id != xenIDs["3"]
						if got := g.Reason == bootbuilder.OverLimit; got != over && id != xenIDs["3"] {
							t.Errorf("%s: reason %q", id, g.Reason)
						}
						b.wantInstalled(id, state != bootbuilder.LeftOut && state != bootbuilder.Removed)
					}
					b.wantHealthy()
					if !b.startsXenOf(c.def) {
						t.Errorf("loader.conf does not start the Xen sibling of %s:\n%s", c.def, b.loaderConf())
					}
				}
			})
		}
	}
}

// wantInstalled looks on $BOOT whether a generation has a Xen entry.
func (b *machine) wantInstalled(id string, want bool) {
	b.t.Helper()
	found := len(b.glob("loader/entries/"+id+".conf"))+len(b.glob("EFI/Linux/"+id+"-????????????????.efi")) > 0
	if found != want {
		b.t.Errorf("%s has an entry: %v, want %v", id, found, want)
	}
}

func (b *machine) startsXenOf(nixos string) bool {
	id := "xen-" + strings.TrimSuffix(strings.TrimPrefix(nixos, "nixos-"), ".conf")
	def, _ := esp.ParseLoaderConf([]byte(b.loaderConf())).Get("default")
	return def == id+".conf" || strings.HasPrefix(def, id+"-") && strings.HasSuffix(def, ".efi")
}

func TestGeneration(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			b, tops := many(t, layout)
			b.options.Only = []string{tops[2].Link}
			wantStates(t, b.installTwice(), states(t, ". + . . . . ."))
			b.wantDefault("nixos-generation-4.conf") // it has no Xen entry yet

			// By toplevel, several, and a specialisation with its generation. What stands stays.
			b.options.Only = []string{tops[1].Path, tops[4].Specialisations[0].Path}
			wantStates(t, b.installTwice(), states(t, "+ k . + + . ."))
			b.wantHealthy()
			if !b.startsXenOf("nixos-generation-4.conf") {
				t.Errorf("loader.conf does not start generation 4:\n%s", b.loaderConf())
			}

			// One without Xen: the rest is not touched.
			before := b.trees()
			b.options.Only = []string{tops[3].Link}
			wantStates(t, b.install(), states(t, "k k . k k . ."))
			b.wantTrees(before)

			b.options.Only = nil
			wantStates(t, b.installTwice(), states(t, "= = . = = + +"))
		})
	}
}

// TestGenerationKeeps has a generation that was not asked for and is damaged, and one that is gone.
func TestGenerationKeeps(t *testing.T) {
	t.Parallel()
	b, tops := many(t, bootbuilder.LayoutShared)
	b.install()
	b.must(b.root.Delete(tops[1]))
	b.delete("loader/entries/nixos-generation-1.conf")
	b.edit("loader/entries/xen-generation-2.conf", "title NixOS", "title OS")
	b.options.Only = []string{tops[4].Link}
	want := states(t, "- k . = = k k")
	wantStates(t, b.install(), want)
	if text := b.read("loader/entries/xen-generation-2.conf"); !strings.HasPrefix(text, "title OS") {
		t.Errorf("an entry that was not asked for was written:\n%s", text)
	}
	b.options.Only = nil
	delete(want, xenIDs["1"])
	want[xenIDs["2"]], want[xenIDs["t1"]], want[xenIDs["t12"]] = bootbuilder.Changed, bootbuilder.Unchanged, bootbuilder.Unchanged
	wantStates(t, b.install(), want)
}

// TestGenerationAndLimit has both: what was asked for by name is not limited.
func TestGenerationAndLimit(t *testing.T) {
	t.Parallel()
	b, tops := many(t, bootbuilder.LayoutShared)
	b.options.Only, b.options.Limit = []string{tops[1].Link, tops[4].Link}, 1
	r := b.installTwice()
	wantStates(t, r, states(t, "+ . . + + . ."))
	for id, want := range map[string]bootbuilder.Reason{
		xenIDs["2"]: bootbuilder.NotSelected, xenIDs["3"]: bootbuilder.NotSelected, xenIDs["t12"]: bootbuilder.NotSelected,
	} {
		if got := reported(t, r, id).Reason; got != want {
			t.Errorf("%s is left out for %q, want %q", id, got, want)
		}
	}
}

// TestGenerationUnknown wants an error that says what to name instead, and nothing written.
func TestGenerationUnknown(t *testing.T) {
	t.Parallel()
	b, tops := many(t, bootbuilder.LayoutShared)
	before := b.trees()
	for _, name := range []string{
		"/nix/var/nix/profiles/system-77-link", "/nix/store", "/", "", "system-1-link", tops[1].Link + "/..",
		path.Join(tops[1].Path, "init"), "/etc/passwd", "../../../../etc",
	} {
		b.options.Only = []string{tops[4].Link, name}
		err := b.tryInstall().Err
		if err == nil || !strings.Contains(err.Error(), "generation "+name+" is not among those found") || bootbuilder.Hint(err) == "" {
			t.Errorf("%q: error %v, hint %q", name, err, bootbuilder.Hint(err))
		}
	}
	b.wantTrees(before)
	b.options.Only, b.options.Limit = nil, -1
	if b.tryInstall().Err == nil {
		t.Error("a negative limit is taken")
	}
	b.wantTrees(before)
}

// TestSelectionWords wants the words that the command line takes, and no others.
func TestSelectionWords(t *testing.T) {
	t.Parallel()
	b, _ := many(t, bootbuilder.LayoutShared)
	before := b.trees()
	for _, o := range []bootbuilder.Options{
		{Root: b.options.Root, Layout: "split"}, {Root: b.options.Root, From: "grub"}, {Root: b.options.Root, Default: "linux"}, {},
	} {
		b.options = o
		if b.tryInstall().Err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	b.wantTrees(before)
	got := fmt.Sprint(bootbuilder.Sources(), bootbuilder.Layouts(), bootbuilder.DefaultModes())
	if d := cmp.Diff("[auto entries lanzaboote profiles] [auto shared embedded unified] [xen nixos keep try]", got); d != "" {
		t.Error(d)
	}
}
