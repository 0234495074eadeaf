package generation_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// world is a root, read, and its toplevels by "1", "1/gaming", "lab:1".
type world struct {
	t    *testing.T
	root *fixtures.Root
	tops map[string]*fixtures.Toplevel
}

// newWorld has a generation for each word; one with "-" in front has no Xen.
func newWorld(t *testing.T, words string) *world {
	t.Helper()
	w := &world{t: t, root: fixtures.NewRoot(t.TempDir()), tops: make(map[string]*fixtures.Toplevel)}
	for _, word := range strings.Fields(words) {
		word, without := strings.CutPrefix(word, "-")
		g := fixtures.Generation{System: fixtures.System{Xen: &fixtures.Xen{}}}
		if without {
			g.System.Xen = nil
		}
		rest := word
		if profile, after, ok := strings.Cut(word, ":"); ok {
			g.Profile, rest = profile, after
		}
		number, special, isSpecial := strings.Cut(rest, "/")
		if _, err := fmt.Sscan(number, &g.Number); err != nil {
			t.Fatal(err)
		}
		if isSpecial {
			g.Specialisations = []fixtures.Specialisation{{Name: special, System: g.System}}
		}
		top, err := w.root.Add(g)
		if err != nil {
			t.Fatal(err)
		}
		w.tops[strings.TrimSuffix(word, "/"+special)] = top
		if isSpecial {
			w.tops[word] = top.Specialisations[0]
		}
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read() *generation.System {
	w.t.Helper()
	root, err := nixroot.Open(w.root.Dir())
	w.must(err)
	w.t.Cleanup(func() { root.Close() })
	s, err := generation.ReadSystem(root)
	w.must(err)
	return s
}

// find reads entries "FILE WORD [VERSION]" and stubs "FILE.efi WORD"; a word that starts with a slash is a path itself.
func (w *world) find(from generation.Source, there bool, entries ...string) generation.Found {
	w.t.Helper()
	var items []menu.Item
	for _, e := range entries {
		file, rest, _ := strings.Cut(e, " ")
		word, version, _ := strings.Cut(rest, " ")
		init := word + "/init"
		if top, ok := w.tops[word]; ok {
			init = top.Init
		}
		i := menu.Item{File: "loader/entries/" + file, Version: version, Title: "NixOS"}
		switch {
		case word == "broken":
			i.Err = errors.New("can't be understood")
		case strings.HasSuffix(file, ".efi"):
			i.File = "EFI/Linux/" + file
			i.Image = &menu.Image{Sections: map[string][]byte{
				".osrel": []byte("ID=lanza"), ".cmdline": []byte("init=" + init), ".linux": []byte(`\EFI\nixos\k.efi`), ".initrd": []byte(`\EFI\nixos\i.efi`),
				".linuxh": make([]byte, 32), ".initrdh": make([]byte, 32),
			}}
		default:
			i.Entry = &esp.Entry{}
			i.Entry.Add("linux", "/EFI/nixos/k.efi")
			i.Entry.Add("options", "init="+init)
		}
		items = append(items, i)
	}
	selectors := generation.Selectors(items, from, func(string) bool { return there }, nil)
	return w.read().FromSelectors(selectors)
}

// shown are generations as "ID=WORD", with "!reason" for one that is skipped.
func (w *world) shown(list []generation.Generation) (all []string) {
	for _, g := range list {
		word := "?"
		for name, top := range w.tops {
			if top.Path == g.Toplevel {
				word = name
			}
		}
		text := strings.TrimPrefix(g.ID, "xen-") + "=" + word
		if g.Skip != nil {
			text += "!" + string(g.Skip.Reason)
		}
		all = append(all, text)
	}
	return all
}

const (
	hashA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hashB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	stub  = "-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.efi"
)

// TestFromLinks finds what the profiles have, in order.
func TestFromLinks(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"":                  "",
		"10 9 2":            "generation-2=2 generation-9=9 generation-10=10",
		"1 -2":              "generation-1=1 generation-2=2!no-extension",
		"1/gaming 2":        "generation-1=1 generation-1-specialisation-gaming=1/gaming generation-2=2",
		"lab:3 1 lab:2":     "generation-1=1 lab-generation-2=lab:2 lab-generation-3=lab:3",
		"1/a+3":             "generation-1=1 generation-1-specialisation-a=1/a+3",
		"1/a+3+2":           "generation-1=1 generation-1-specialisation-a+3+2=1/a+3+2!bad-parameter",
		"1/büro":            "generation-1=1 generation-1-specialisation-büro=1/büro",
		"lab:1 LAB:1":       "LAB-generation-1=LAB:1 lab-generation-1=lab:1!collision",
		"a-generation-1:2 ": "a-generation-1-generation-2=a-generation-1:2",
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, words)
			found := w.read().FromLinks()
			if d := cmp.Diff(want, strings.Join(w.shown(found.Generations), " ")); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestFromSelectors has entries select among generations. They define nothing: neither number nor profile.
func TestFromSelectors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		words      string
		links      map[string]string // links that are added: name to word
		entries    []string
		from       generation.Source
		want       string
		passedOver int
		unselected bool
	}{
		"those that have an entry": {words: "1 2 3", entries: []string{"nixos-generation-1.conf 1", "nixos-generation-3.conf 3"},
			want: "generation-1=1 generation-3=3"},
		"the link gives the number":  {words: "1 2", entries: []string{"nixos-generation-99.conf 2"}, want: "generation-2=2"},
		"the link gives the profile": {words: "1 lab:2", entries: []string{"nixos-generation-7.conf lab:2"}, want: "lab-generation-2=lab:2"},
		"two entries for one": {words: "1", entries: []string{"nixos-generation-1.conf 1", "nixos-generation-7.conf 1"},
			want: "generation-1=1"},
		"two links to one toplevel, two entries": {words: "1", links: map[string]string{"system-4-link": "1"},
			entries: []string{"nixos-generation-4.conf 1", "nixos-generation-1.conf 1"}, want: "generation-1=1 generation-4=1"},
		"two links, one entry": {words: "1", links: map[string]string{"system-4-link": "1"},
			entries: []string{"nixos-generation-1.conf 1"}, want: "generation-1=1"},
		"two links, one entry with neither's name": {words: "1", links: map[string]string{"system-4-link": "1"},
			entries: []string{"nixos-generation-7.conf 1"}, want: "generation-4=1"},
		"hash names of two profiles": {words: "1 lab:1", entries: []string{"nixos-" + hashA + ".conf 1", "nixos-" + hashB + ".conf lab:1"},
			want: hashA + "=1 " + hashB + "=lab:1"},
		"hash names of two links to one toplevel: by version": {words: "1", links: map[string]string{"system-4-link": "1"},
			entries: []string{"nixos-" + hashA + ".conf 1 Generation 4 NixOS, built on 2025-12-02", "nixos-" + hashB + ".conf 1 Generation 1 NixOS, built on 2025-12-02"},
			want:    hashB + "=1 " + hashA + "=1"},
		"a specialisation": {words: "1/gaming", entries: []string{"nixos-generation-1-specialisation-gaming.conf 1/gaming"},
			want: "generation-1-specialisation-gaming=1/gaming"},
		"stub and entry": {words: "1", entries: []string{"nixos-generation-1.conf 1", "nixos-generation-1" + stub + " 1"}, want: "generation-1=1"},
		"only entries": {words: "1 2", from: generation.Entries,
			entries: []string{"nixos-generation-1.conf 1", "nixos-generation-2" + stub + " 2"}, want: "generation-1=1"},
		"only stubs": {words: "1 2", from: generation.Lanzaboote,
			entries: []string{"nixos-generation-1.conf 1", "nixos-generation-2" + stub + " 2"}, want: "generation-2=2"},
		"a stranger": {words: "1", entries: []string{"nixos-generation-1.conf 1", "nixos-generation-99.conf /boot/evil"},
			want: "generation-1=1 generation-99=?!unknown-generation"},
		"a toplevel of the store that no link leads to": {words: "1",
			entries: []string{"nixos-generation-1.conf 1", "nixos-generation-2.conf " + fixtures.StoreDir + "/00000000000000000000000000000000-nixos"},
			want:    "generation-1=1 generation-2=?!unknown-generation"},
		"a stranger under the name of another": {words: "1", entries: []string{"nixos-generation-1.conf 1", "nixos-generation-1" + stub + " /boot/evil"},
			want: "generation-1=1", passedOver: 1},
		"a broken one": {words: "1", entries: []string{"nixos-generation-1.conf 1", "nixos-generation-2.conf broken"},
			want: "generation-1=1 generation-2=?!entry-invalid"},
		"a broken one beside a right one": {words: "1", entries: []string{"nixos-generation-1.conf 1", "nixos-generation-1" + stub + " broken"},
			want: "generation-1=1", passedOver: 1},
		"nothing but strangers": {words: "1", entries: []string{"nixos-generation-1.conf /nix/store/other"},
			want: "generation-1=?!unknown-generation", unselected: true},
		"none": {words: "1", unselected: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.words)
			for link, word := range c.links {
				w.must(os.Symlink(w.tops[word].Path, w.root.Path("/nix/var/nix/profiles/"+link)))
			}
			if c.from == "" {
				c.from = generation.Auto
			}
			found := w.find(c.from, true, c.entries...)
			if d := cmp.Diff(c.want, strings.Join(w.shown(found.Generations), " ")); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if len(found.PassedOver) != c.passedOver || found.Selected == c.unselected || found.Selecting != (len(c.entries) > 0) {
				t.Errorf("passed over %d, selected %v, selecting %v", len(found.PassedOver), found.Selected, found.Selecting)
			}
		})
	}
}

// TestSelectorThatCounts: of stub and entry, the one whose files are there; of two such, the stub.
func TestSelectorThatCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1")
	for there, want := range map[bool]generation.Source{true: generation.Lanzaboote, false: generation.Lanzaboote} {
		found := w.find(generation.Auto, there, "nixos-generation-1.conf 1", "nixos-generation-1"+stub+" 1")
		if g := found.Generations[0]; g.Source() != want || len(g.Selectors) != 2 {
			t.Errorf("files there %v: %s of %d", there, g.Source(), len(g.Selectors))
		}
	}
	items := func(kernelOf string) []generation.Selector {
		entry := menu.Item{File: "loader/entries/nixos-generation-1.conf", Entry: &esp.Entry{}}
		entry.Entry.Add("linux", "/EFI/nixos/of-entry.efi")
		entry.Entry.Add("options", "init="+w.tops["1"].Init)
		image := menu.Item{File: "EFI/Linux/nixos-generation-1" + stub, Image: &menu.Image{Sections: map[string][]byte{
			".osrel": {}, ".cmdline": []byte("init=" + w.tops["1"].Init), ".linux": []byte(`\EFI\nixos\of-stub.efi`), ".initrd": []byte(`\EFI\nixos\of-stub.efi`),
			".linuxh": make([]byte, 32), ".initrdh": make([]byte, 32),
		}}}
		return generation.Selectors([]menu.Item{entry, image}, generation.Auto, func(file string) bool { return strings.Contains(file, kernelOf) }, nil)
	}
	for kernelOf, want := range map[string]generation.Source{"of-entry": generation.Entries, "of-stub": generation.Lanzaboote} {
		if g := w.read().FromSelectors(items(kernelOf)).Generations[0]; g.Source() != want {
			t.Errorf("only the kernel %s is there: from %s, want %s", kernelOf, g.Source(), want)
		}
	}
}

// TestBootspecOutside leaves out a generation one of whose paths leads out of the store.
func TestBootspecOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1")
	top := w.tops["1"]
	for _, name := range []string{top.Kernel, top.Initrd, top.XenEFI} {
		file := w.root.Path(name)
		text, err := os.ReadFile(file)
		w.must(err)
		w.must(os.WriteFile(w.root.Path("/outside"), text, 0o644))
		w.must(os.Remove(file))
		w.must(os.Symlink("/outside", file))
		found := w.read().FromLinks()
		if got := w.shown(found.Generations)[0]; got != "generation-1=1!bootspec-invalid" {
			t.Errorf("%s: %s", name, got)
		}
		if err := found.Generations[0].Skip.Err; !strings.Contains(err.Error(), "outside") {
			t.Errorf("%s: the reason is %v", name, err)
		}
		w.must(os.Remove(file))
		w.must(os.WriteFile(file, text, 0o644))
	}
}

// TestBootspecMissing finds the specialisations of a toplevel whose boot.json is lost by its links.
func TestBootspecMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1/gaming 2")
	w.must(os.Remove(w.root.Path(w.tops["1"].Path + "/boot.json")))
	want := []string{"generation-1=1!bootspec-missing", "generation-1-specialisation-gaming=1/gaming", "generation-2=2"}
	if d := cmp.Diff(want, w.shown(w.read().FromLinks().Generations)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	w.must(os.RemoveAll(w.root.Path(w.tops["2"].Path)))
	found := w.read().FromLinks()
	if i := slices.IndexFunc(found.Generations, func(g generation.Generation) bool { return g.ID == "xen-generation-2" }); !found.Generations[i].Gone {
		t.Errorf("a toplevel that is gone: %+v", found.Generations[i])
	}
}

// TestNoLinks takes toplevels of the store where a tree has no profile links.
func TestNoLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "1")
	w.must(os.RemoveAll(w.root.Path("/nix/var")))
	if s := w.read(); s.Links || len(s.FromLinks().Generations) != 0 {
		t.Errorf("links: %v, %v", s.Links, s.FromLinks())
	}
	found := w.find(generation.Auto, true, "nixos-generation-5.conf 1", "nixos-generation-6.conf /boot/evil")
	if d := cmp.Diff([]string{"generation-5=1", "generation-6=?!unknown-generation"}, w.shown(found.Generations)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
