package nextboot_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// world is a random machine, with what is true of it by construction. Nothing of
// the package under test is asked to find that out.
type world struct {
	machine
	r        *rand.Rand
	gens     []*fact
	lanza    bool   // Lanzaboote, else systemd-boot-builder
	hashed   bool   // entries with a hash for a name
	counted  bool   // with boot counters
	shape    string // of loader.conf
	means    int    // the generation that loader.conf means, -1 where it names none
	ours     bool   // it names Xen's entry
	foreign  string // the entry of somebody else's that it starts
	keepGlob bool
}

// fact is a generation and its entries.
type fact struct {
	n            uint64
	spec         string
	top          string
	nixos        string // its live NixOS entry
	xenNow, xen  string // its Xen entry before and after, "" for none
	failed, bad  bool
	index        int
	nixosIsImage bool
}

func hexHash(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte("0123456789abcdef"[r.IntN(16)])
	}
	return b.String()
}

func base32Hash(r *rand.Rand) string {
	var b strings.Builder
	for range 52 {
		b.WriteByte("abcdefghijklmnopqrstuvwxyz234567"[r.IntN(32)])
	}
	return b.String()
}

func newWorld(r *rand.Rand) *world {
	w := &world{machine: *newMachine(""), r: r, means: -1}
	w.lanza, w.hashed, w.counted = r.IntN(3) == 0, r.IntN(2) == 0, r.IntN(3) == 0
	unified := r.IntN(2) == 0
	n := uint64(r.IntN(9)) // so that some numbers get a second digit
	for range 1 + r.IntN(4) {
		n += 1 + uint64(r.IntN(3))
		w.generation(n, "", unified)
		if r.IntN(4) == 0 {
			w.generation(n, "Games", unified)
		}
	}
	if r.IntN(4) == 0 {
		w.other("memtest.conf")
	}
	if r.IntN(6) == 0 {
		w.other("xen-rescue.conf")
	}
	// What is left of a deleted generation.
	if r.IntN(3) == 0 {
		e := w.entry("xen-generation-77.conf", 77)
		e.Toplevel = toplevel("deleted")
		w.Before = append(w.Before, e)
	}
	w.Version = []nextboot.Version{{}, {Major: 252, Minor: 39}, {Major: 257, Minor: 13}, {Major: 258}, {Major: 262, Minor: 1}}[r.IntN(5)]
	w.Refused = r.IntN(8) == 0
	w.Policy = nextboot.Policy(r.IntN(4))
	w.loaderConf()
	r.Shuffle(len(w.Before), func(i, j int) { w.Before[i], w.Before[j] = w.Before[j], w.Before[i] })
	r.Shuffle(len(w.After), func(i, j int) { w.After[i], w.After[j] = w.After[j], w.After[i] })
	return w
}

func (w *world) generation(n uint64, spec string, unified bool) {
	r := w.r
	f := &fact{n: n, spec: spec, top: fmt.Sprintf("%d%s", n, spec), index: len(w.gens)}
	stem := fmt.Sprintf("generation-%d", n)
	if spec != "" {
		stem += "-specialisation-" + spec
	}
	counter, hash := "", ""
	if w.counted && r.IntN(2) == 0 {
		counter = []string{"+3", "+2-1", "+0-3"}[r.IntN(3)]
		f.bad = counter == "+0-3"
	}
	switch {
	case w.lanza:
		f.nixos, f.nixosIsImage = "nixos-"+stem+"-"+base32Hash(r)+counter+".efi", true
	case w.hashed:
		hash = hexHash(r, 64)
		stem = hash
		fallthrough
	default:
		f.nixos = "nixos-" + stem + counter + ".conf"
	}
	var files []string
	if r.IntN(3) > 0 {
		name := "xen-" + stem + ".conf"
		if unified {
			name = "xen-" + stem + "-" + hexHash(r, 12) + strings.ReplaceAll(counter, "+0-3", "+1-2") + ".efi"
		}
		switch r.IntN(4) {
		case 0: // new
			f.xen = name
			files = append(files, "+"+name)
		case 1: // goes away
			f.xenNow = name
			files = append(files, "-"+name)
		default:
			f.xenNow, f.xen = name, name
			files = append(files, name)
		}
		f.failed = r.IntN(6) == 0
	}
	g := w.add(n, f.top, append(files, f.nixos)...)
	g.Specialisation, g.Failed = spec, f.failed
	w.change(f.nixos, func(e *nextboot.Entry) {
		if w.lanza {
			e.Version = fmt.Sprintf("Generation %s, 2026-11-01", strings.TrimPrefix(fmt.Sprintf("%d-%s", n, spec), "-"))
			if spec == "" {
				e.Version = fmt.Sprintf("Generation %d, 2026-11-01", n)
			}
		}
	})
	w.gens = append(w.gens, f)
	// A leftover stub or entry of the other boot loader, with nothing behind it.
	if r.IntN(6) == 0 {
		left := fmt.Sprintf("nixos-generation-%d-%s.efi", n, base32Hash(r))
		e := w.entry(left, n)
		e.Toplevel, e.Dead = toplevel(f.top), true
		w.Before, w.After = append(w.Before, e), append(w.After, e)
		gen := &w.Generations[f.index]
		gen.NixOS = append(gen.NixOS, left)
	}
}

// newest is the newest generation without a specialisation. What counting has given up comes last: a good
// specialisation before it.
func (w *world) newest() int {
	rank := func(f *fact) int {
		switch {
		case !f.bad && f.spec == "":
			return 2
		case !f.bad:
			return 1
		}
		return 0
	}
	best := 0
	for i, f := range w.gens { // in the order of their numbers
		if b := w.gens[best]; rank(f) > rank(b) || rank(f) == rank(b) && (f.spec == "" || b.spec != "") {
			best = i
		}
	}
	return best
}

// newestOfGlob is what nixos-* means: the highest number; without its specialisation, whose version or name sorts behind.
func (w *world) newestOfGlob() (int, bool) {
	for _, f := range w.gens {
		if w.hashed && !w.lanza && f.spec != "" {
			return 0, false // two entries differ in nothing but their hashes
		}
	}
	best := w.newest()
	for _, f := range w.gens {
		if f.spec != "" && !f.bad && f.n > w.gens[best].n || w.gens[best].bad {
			return 0, false // a specialisation whose base is bad: the order is tested elsewhere
		}
	}
	return best, true
}

func (w *world) idOf(file string) string { return nextboot.Entry{File: file}.ID() }

func (w *world) loaderConf() {
	r := w.r
	k := r.IntN(len(w.gens))
	f := w.gens[k]
	foreignMenu := func(file string) bool {
		return slices.ContainsFunc(w.Before, func(e nextboot.Entry) bool { return e.File == file })
	}
	value := ""
	switch s := r.IntN(12); {
	case s <= 2:
		w.shape, value, w.means = "NixOS' entry", w.idOf(f.nixos), k
	case s == 3 && f.xenNow != "":
		w.shape, value, w.means, w.ours = "Xen's entry", w.idOf(f.xenNow), k, true
	case s == 4:
		if g, ok := w.newestOfGlob(); ok {
			w.shape, value, w.means = "nixos-*", "nixos-*", g
		}
	case s == 5 && !foreignMenu("xen-rescue.conf"):
		if g, ok := w.newestOfGlob(); ok {
			w.shape, value, w.means, w.ours, w.keepGlob = "xen-*", "xen-*", g, true, true
		}
	case s == 6:
		w.shape, value = "a missing entry", "nixos-generation-999.conf"
	case s == 7:
		w.shape, value, w.ours = "a deleted Xen entry", "xen-generation-77.conf", true
	case s == 8 && !w.lanza:
		w.shape, value, w.means = "an id without suffix", strings.TrimSuffix(w.idOf(f.nixos), ".conf"), k
	case s == 9:
		w.shape, value = "@saved", "@saved"
	case s == 10 && foreignMenu("memtest.conf"):
		w.shape, value, w.foreign = "somebody else's", "memtest*", "memtest.conf"
	case s == 11 && foreignMenu("xen-rescue.conf"):
		w.shape, value, w.foreign = "somebody else's", "xen-rescue.conf", "xen-rescue.conf"
	}
	if w.shape == "" {
		w.shape = "none"
		if r.IntN(4) == 0 {
			return
		}
		w.Conf = []byte("timeout 4\n")
		return
	}
	w.Conf = []byte("timeout 4\ndefault " + value + "\n")
	if w.counted && w.shape == "NixOS' entry" && !w.lanza && w.Version.Major >= 260 {
		if g, ok := w.newestOfGlob(); ok && !w.gens[g].bad {
			w.shape = "preferred NixOS' entry"
			w.Conf = []byte("preferred " + value + "\ndefault nixos-*\n")
		}
	}
}

// demand is what the policy wants to start by default: the files that will do.
func (w *world) demand() []string {
	if w.foreign != "" {
		return []string{w.foreign}
	}
	g := w.means
	named := g >= 0
	if !named {
		g = w.newest()
	}
	f := w.gens[g]
	nixos := []string{f.nixos}
	if f.bad { // wherever NixOS' own fallback leads to
		nixos = nil
		for _, f := range w.gens {
			nixos = append(nixos, f.nixos)
		}
	}
	mayXen := f.xen != "" && !w.Refused && !f.failed && !f.bad
	switch w.Policy {
	case nextboot.PreferXen:
		if mayXen {
			return []string{f.xen}
		}
	case nextboot.PreferNixOS, nextboot.Keep:
		if w.Policy == nextboot.Keep && w.ours && named && f.xen != "" && !w.Refused && (mayXen || !w.keepGlob) {
			return []string{f.xen}
		}
		if w.shape == "none" || w.shape == "@saved" {
			nixos = nil
			for _, f := range w.gens {
				nixos = append(nixos, f.nixos)
			}
			return append(nixos, "memtest.conf", "xen-rescue.conf")
		}
	case nextboot.Trial:
		for _, p := range w.Proven {
			if p.Toplevel == toplevel(f.top) && mayXen {
				return []string{f.xen}
			}
		}
		if w.Refused || !mayXen && !f.failed {
			return nixos
		}
		for _, p := range w.Proven {
			for _, h := range w.gens {
				if p.Toplevel == toplevel(h.top) && h.xen != "" && !h.bad {
					return []string{h.xen}
				}
			}
		}
	}
	return nixos
}

// TestDecideProperty: in thousands of random machines what starts is what the policy wants.
func TestDecideProperty(t *testing.T) {
	t.Parallel()
	shapes := map[string]int{}
	seeds, often := uint64(5000), 5
	if testing.Short() {
		seeds, often = 1500, 1
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(11, seed))
		w := newWorld(r)
		for _, f := range w.gens {
			if r.IntN(4) == 0 {
				w.Proven = append(w.Proven, nextboot.Proof{Toplevel: toplevel(f.top)})
			}
		}
		shapes[fmt.Sprintf("%v, %s", w.Policy, w.shape)]++
		if err := w.check(); err != nil {
			t.Errorf("seed %d: %s, policy %v, version %v, refused %v: %v\nbefore %q\nafter  %q\n%s",
				seed, w.shape, w.Policy, w.Version, w.Refused, err, w.Conf, nextboot.Decide(w.Input).Conf, w.describe())
			return
		}
	}
	for p := range nextboot.Policy(4) {
		for _, s := range []string{"none", "NixOS' entry", "Xen's entry", "nixos-*", "xen-*", "a missing entry", "a deleted Xen entry",
			"an id without suffix", "@saved", "somebody else's", "preferred NixOS' entry"} {
			if shapes[fmt.Sprintf("%v, %s", p, s)] < often {
				t.Errorf("policy %v met %s %d times only", p, s, shapes[fmt.Sprintf("%v, %s", p, s)])
			}
		}
	}
}

func (w *world) check() error {
	d := nextboot.Decide(w.Input)
	conf := w.Conf
	if d.Conf != nil {
		conf = d.Conf
	}
	want := w.demand()
	// Each version that the loader may be, one by one, starts what is wanted.
	versions := []nextboot.Version{w.Version}
	switch w.Version.Major {
	case 0:
		versions = []nextboot.Version{{Major: 252}, {Major: 259}, {Major: 262}}
	case 258:
		versions = []nextboot.Version{{Major: 252}, {Major: 259}}
	}
	for _, v := range versions {
		s := nextboot.Starts(conf, nextboot.Vars{}, w.After, v)
		if w.shape == "preferred NixOS' entry" && w.Version.Major == 0 && v.Major < 260 {
			continue // written for a loader that knows preferred
		}
		if !slices.Contains(want, s.Entry.File) {
			return fmt.Errorf("systemd-boot %v starts %s (%s), wanted is %q", v, s.Entry.File, s.Reason(), want)
		}
		if s.Entry.Hidden || s.Entry.Dead {
			return fmt.Errorf("%s can't start", s.Entry.File)
		}
		if s.Entry.Kind.Ours() && s.By != nextboot.First && d.Conf != nil {
			if n := w.matches(s.Value, v); n != 1 {
				return fmt.Errorf("%q names %d entries", s.Value, n)
			}
		}
	}
	for _, key := range []string{"preferred", "default"} {
		if value, ok := esp.ParseLoaderConf(conf).Get(key); ok && value != "@saved" {
			n := 0
			for _, v := range []nextboot.Version{{Major: 252}, {Major: 262}} {
				n += w.matches(value, v) + w.matches(value+".conf", v)
			}
			if n == 0 {
				return fmt.Errorf("%s %s names nothing", key, value)
			}
		}
	}
	if g := w.means; g >= 0 && w.foreign == "" {
		if d.Default != w.gens[g].index {
			return fmt.Errorf("the default generation is %d, not %d", d.Default, w.gens[g].index)
		}
		if d.DefaultFailed != w.gens[g].failed {
			return fmt.Errorf("failed: %v", d.DefaultFailed)
		}
		if d.Detour.Conf != nil {
			s := nextboot.Starts(d.Detour.Conf, nextboot.Vars{}, w.Before, versions[len(versions)-1])
			if !w.gens[g].bad && s.Entry.File != w.gens[g].nixos {
				return fmt.Errorf("the detour %q starts %s", d.Detour.Conf, s.Entry.File)
			}
		} else if d.Detour.Possible {
			s := nextboot.Starts(w.Conf, nextboot.Vars{}, w.Before, versions[len(versions)-1])
			if s.Entry.Kind.Ours() {
				return fmt.Errorf("no detour from %s", s.Entry.File)
			}
		}
	}
	if d.OneShot != "" {
		s := nextboot.Starts(conf, nextboot.Vars{OneShot: d.OneShot}, w.After, w.Version)
		f := w.gens[d.Trial]
		if w.Policy != nextboot.Trial || s.Entry.File != f.xen || f.failed || f.bad || w.Refused {
			return fmt.Errorf("on trial is %q of %s: starts %s", d.OneShot, f.top, s.Entry.File)
		}
	}
	again := w.Input
	again.Conf, again.Before = conf, w.After
	// A demand that took what loader.conf means by now is met already.
	if a := nextboot.Decide(again); a.Conf != nil && !(w.Policy == nextboot.Trial) {
		return fmt.Errorf("a second run changes it to %q", a.Conf)
	}
	return nil
}

// matches counts the entries of the menu that a value names.
func (w *world) matches(value string, v nextboot.Version) int {
	n := 0
	for _, e := range w.After {
		if e.Hidden {
			continue
		}
		id := strings.ToLower(e.File)
		if v.Major >= 257 {
			id = e.ID()
		}
		if esp.MatchPattern(value, id) {
			n++
		}
	}
	return n
}

func (w *world) describe() string {
	var b strings.Builder
	for i, f := range w.gens {
		fmt.Fprintf(&b, "  %d: %s nixos %s, xen %q -> %q, failed %v, bad %v\n", i, f.top, f.nixos, f.xenNow, f.xen, f.failed, f.bad)
	}
	for _, p := range w.Proven {
		fmt.Fprintf(&b, "  proven %s\n", p.Toplevel)
	}
	for _, e := range w.After {
		if e.Dead || e.Kind == nextboot.Other {
			fmt.Fprintf(&b, "  also %s dead %v\n", e.File, e.Dead)
		}
	}
	return b.String()
}

// FuzzDecide: whatever loader.conf and the variables say, what is written names something that is there.
func FuzzDecide(f *testing.F) {
	f.Add(uint64(1), []byte("default nixos-*\npreferred xen-generation-5.conf\n"), "xen-generation-7.conf", false)
	f.Add(uint64(2), []byte("default xen-*[+.][1-9c]*onf\r\ndefault @saved\n"), "@saved", true)
	f.Add(uint64(3), []byte("preferred \"xen-re*\"\x00\ndefault [a-"), "auto-windows", true)
	f.Fuzz(func(t *testing.T, seed uint64, conf []byte, variable string, remove bool) {
		w := newWorld(rand.New(rand.NewPCG(12, seed)))
		w.Conf, w.Remove = conf, remove
		w.Vars = nextboot.Vars{OneShot: variable, LastBooted: variable}
		if remove {
			w.After = slices.DeleteFunc(w.After, func(e nextboot.Entry) bool { return e.Kind.Ours() })
			for i := range w.Generations {
				w.Generations[i].Xen = ""
			}
		}
		d := nextboot.Decide(w.Input)
		if d.Then.Entry.Hidden {
			t.Errorf("%s starts", d.Then.ID)
		}
		if remove && d.Then.Entry.Kind.Ours() {
			t.Errorf("%s starts after a removal", d.Then.ID)
		}
		if d.Conf == nil {
			return
		}
		for _, k := range d.Keys {
			if k.To == "" || k.To == "nixos-*" {
				continue
			}
			if n := w.matches(k.To, nextboot.Version{Major: 252}) + w.matches(k.To, nextboot.Version{Major: 262}); n == 0 {
				t.Errorf("%s %s names nothing", k.Key, k.To)
			}
		}
	})
}
