package nextboot

import (
	"cmp"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// meaning is what a value of loader.conf stands for.
type meaning int

const (
	nothing     meaning = iota // there is no value
	dangling                   // it names nothing that exists
	saved                      // the entry that was started last
	handWritten                // it starts what is neither NixOS' nor ours
	nixosValue                 // it names a generation by its NixOS entry
	xenValue                   // it names a generation by its Xen entry, or by a pattern for Xen entries
)

// resolver finds generations by what loader.conf says.
type resolver struct {
	main   behaviour
	before []row // as systemd-boot orders them
	after  []row
	// The same as each variant of systemd-boot orders them, the most likely first.
	befores, afters [][]row
	gens            []Generation   // those of the input, then one for each NixOS entry that belongs to none of them
	known           int            // how many are of the input
	owner           map[string]int // the generation of each NixOS entry, by its id
	xens            map[string]int // the generation of each Xen entry to come, by its id
}

func newResolver(in Input) *resolver {
	variants := in.Version.behaviours()
	r := &resolver{main: variants[0], gens: slices.Clone(in.Generations), known: len(in.Generations),
		owner: map[string]int{}, xens: map[string]int{}}
	r.befores = menus(variants, in.Before)
	r.afters = r.befores
	if !slices.Equal(in.Before, in.After) {
		r.afters = menus(variants, in.After)
	}
	r.before, r.after = r.befores[0], r.afters[0]
	for i, g := range r.gens {
		for _, file := range g.NixOS {
			addFirst(r.owner, file, i)
		}
		if g.Xen != "" {
			addFirst(r.xens, g.Xen, i)
		}
	}
	for _, e := range r.before {
		if !e.Kind.NixOS() || r.ofNixOS(e.Entry) >= 0 {
			continue
		}
		if i := r.ofToplevel(e.Toplevel); i >= 0 {
			addFirst(r.owner, e.File, i)
			continue
		}
		g := Generation{Toplevel: e.Toplevel, NixOS: []string{e.File}}
		if name, ok := entryName(e.File); ok {
			g.Profile, g.Number, g.Specialisation = name.Profile, name.Generation, name.Specialisation
		}
		addFirst(r.owner, e.File, len(r.gens))
		r.gens = append(r.gens, g)
	}
	return r
}

// addFirst notes whose an entry is, unless that is known.
func addFirst(owner map[string]int, file string, g int) {
	id := Entry{File: file}.ID()
	if _, ok := owner[id]; !ok {
		owner[id] = g
	}
}

// entryName reads the name of an entry or of a stub.
func entryName(file string) (esp.Name, bool) {
	if name, ok := esp.ParseName(file); ok {
		return name, true
	}
	return esp.ParseStubName(file)
}

// sameID compares file names without their counters, as FAT does.
func sameID(a, b string) bool { return Entry{File: a}.ID() == Entry{File: b}.ID() }

// ofNixOS is the generation that a NixOS entry belongs to, or -1.
func (r *resolver) ofNixOS(e Entry) int { return find(r.owner, e.File) }

func find(owner map[string]int, file string) int {
	if g, ok := owner[Entry{File: file}.ID()]; ok {
		return g
	}
	return -1
}

// ofToplevel is the first generation with a toplevel, or -1.
func (r *resolver) ofToplevel(toplevel string) int {
	if toplevel == "" {
		return -1
	}
	return slices.IndexFunc(r.gens, func(g Generation) bool { return g.Toplevel == toplevel })
}

// ofXen is the generation that one of our entries belongs to, or -1. The toplevel decides: Nix gives numbers out again.
func (r *resolver) ofXen(e Entry) int {
	if e.Toplevel != "" {
		// Two generations can have one toplevel: the one with this entry comes first.
		if i := find(r.xens, e.File); i >= 0 && r.gens[i].Toplevel == e.Toplevel {
			return i
		}
		return r.ofToplevel(e.Toplevel)
	}
	return r.byXenName(e.File)
}

// byXenName is the generation whose Xen entry has, or would have, this name, or -1.
func (r *resolver) byXenName(file string) int {
	if i := find(r.xens, file); i >= 0 {
		return i
	}
	stem, _ := esp.CutTries(file)
	stem = strings.TrimSuffix(strings.TrimSuffix(asciiLower(stem), ".conf"), ".efi")
	for i, g := range r.gens {
		for _, n := range g.NixOS {
			name, ok := entryName(n)
			if !ok {
				continue
			}
			if len(name.Hash) != 64 {
				name.Hash = "" // a stub's hash is none of the id that ours has
			}
			id := asciiLower(name.As(esp.Xen).ID())
			// An image of ours has the hash of its content behind its id.
			if tail, ok := strings.CutPrefix(stem, id); ok && (tail == "" || isImageHash(tail)) {
				return i
			}
		}
	}
	return -1
}

// isImageHash reports whether the rest of a name is a dash and a hash in hexadecimal or base32.
func isImageHash(tail string) bool {
	hash, ok := strings.CutPrefix(tail, "-")
	return ok && len(hash) >= 8 && strings.Trim(hash, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

// of is the generation that an entry belongs to, or -1, and how it names it.
func (r *resolver) of(e Entry) (int, meaning) {
	switch {
	case e.Kind.NixOS():
		return r.ofNixOS(e), nixosValue
	case e.Kind.Ours():
		if g := r.ofXen(e); g >= 0 {
			return g, xenValue
		}
		return -1, xenValue
	}
	return -1, handWritten
}

// means finds the generation that a value stands for: -1 where none does.
func (r *resolver) means(value string, ok bool) (int, meaning) {
	switch {
	case !ok:
		return -1, nothing
	case isSaved(value):
		return -1, saved
	case isAuto(value):
		return -1, handWritten
	}
	if lit, ok := literal(value); ok {
		return r.meansLiteral(lit)
	}
	return r.meansGlob(value)
}

func (r *resolver) meansLiteral(lit string) (int, meaning) {
	for _, loose := range []bool{false, true} {
		for _, menu := range [][]row{r.before, r.after} {
			for _, e := range menu {
				// Without its suffix, systemd-boot finds no entry: only of NixOS' and ours is it known what was meant.
				if (!loose || e.Kind != Other && e.Kind != Auto) && named(lit, e.Entry, loose) {
					return r.of(e.Entry)
				}
			}
		}
		for i, g := range r.gens {
			for _, n := range g.NixOS {
				if named(lit, Entry{File: n}, loose) {
					return i, nixosValue
				}
			}
			if g.Xen != "" && named(lit, Entry{File: g.Xen}, loose) {
				return i, xenValue
			}
		}
	}
	if name, ok := entryName(withSuffix(lit)); ok && name.Kind == esp.Xen {
		return r.byXenName(lit), xenValue
	}
	if strings.HasPrefix(asciiLower(lit), "xen-") && strings.HasSuffix(asciiLower(lit), ".efi") {
		return r.byXenName(lit), xenValue
	}
	if isWord(lit) {
		return -1, nothing
	}
	return -1, dangling
}

// isWord reports whether a value can't be an id, and never was one of NixOS' or ours: "auto", say.
// systemd-boot passes over it, and so it says nothing of what is meant.
func isWord(lit string) bool {
	_, ok := entryName(withSuffix(lit))
	return withSuffix(lit) != lit && !ok
}

func withSuffix(lit string) string {
	if low := asciiLower(lit); strings.HasSuffix(low, ".conf") || strings.HasSuffix(low, ".efi") {
		return lit
	}
	return lit + ".conf"
}

// meansGlob resolves a glob in systemd-boot's own order, leaving out what can't start. One for Xen entries means what the same
// one for NixOS' entries means: it was made of that.
func (r *resolver) meansGlob(value string) (int, meaning) {
	first := func(pattern string, in func(Entry) bool) (Entry, bool) {
		for _, e := range r.before {
			if !e.Dead && in(e.Entry) && r.main.matches(pattern, e) {
				return e.Entry, true
			}
		}
		return Entry{}, false
	}
	all := func(Entry) bool { return true }
	e, found := first(value, all)
	if found && (e.Kind == Other || e.Kind == Auto) {
		return -1, handWritten
	}
	if rest, ok := cutPrefixFold(value, "xen-"); ok {
		if n, ok := first("nixos-"+rest, func(e Entry) bool { return e.Kind.NixOS() }); ok {
			return r.ofNixOS(n), xenValue
		}
		if found {
			return r.of(e)
		}
		return -1, xenValue
	}
	if found {
		return r.of(e)
	}
	return -1, dangling
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || asciiLower(s[:len(prefix)]) != prefix {
		return "", false
	}
	return s[len(prefix):], true
}

// nixos is the NixOS entry of a generation that can start: of its entry and its stub the one that has its files.
func (r *resolver) nixos(g int, menu []row) (Entry, bool) {
	var bad *Entry
	for _, e := range menu {
		if !e.Kind.NixOS() || !e.starts() || r.ofNixOS(e.Entry) != g {
			continue
		}
		if !e.Bad() {
			return e.Entry, true
		}
		if bad == nil {
			bad = &e.Entry
		}
	}
	if bad != nil {
		return *bad, true
	}
	return Entry{}, false
}

// xen is the Xen entry that a generation will have.
func (r *resolver) xen(g int) (Entry, bool) {
	name := r.gens[g].Xen
	if name == "" {
		return Entry{}, false
	}
	i := slices.IndexFunc(r.after, func(e row) bool {
		return e.Kind.Ours() && e.starts() && sameID(e.File, name) &&
			(e.Toplevel == "" || r.gens[g].Toplevel == "" || e.Toplevel == r.gens[g].Toplevel)
	})
	if i < 0 {
		return Entry{}, false
	}
	return r.after[i].Entry, true
}

// bad reports whether boot counting has given a generation up.
func (r *resolver) bad(g int) bool {
	if r.gens[g].Bad {
		return true
	}
	if n, ok := r.nixos(g, r.after); ok && n.Bad() {
		return true
	}
	x, ok := r.xen(g)
	return ok && x.Bad()
}

// newest is the newest generation of the system profile that has something to start, without
// specialisations and rather one of the input; where there is none, that of the first
// entry of the menu; or -1.
func (r *resolver) newest() int {
	best := -1
	for i, g := range r.gens {
		if g.Profile == "" && g.Specialisation == "" && g.Number > 0 && r.bootable(i) && (best < 0 || r.older(best, i)) {
			best = i
		}
	}
	if best >= 0 && !r.bad(best) {
		return best
	}
	for _, e := range r.before { // what boot counting has given up is at the end
		if g, _ := r.of(e.Entry); g >= 0 && e.Kind.NixOS() && e.starts() && (best < 0 || !r.bad(g)) {
			return g
		}
	}
	if best >= 0 {
		return best
	}
	return slices.IndexFunc(r.gens, func(g Generation) bool { return g.Xen != "" })
}

// older reports whether generation b is a better default than a where nothing names one.
func (r *resolver) older(a, b int) bool {
	return cmp.Or(
		compareBool(r.known <= a, r.known <= b),
		compareBool(r.bad(a), r.bad(b)),
		-cmp.Compare(r.gens[a].Number, r.gens[b].Number)) > 0
}

func (r *resolver) bootable(g int) bool {
	if _, ok := r.nixos(g, r.after); ok {
		return true
	}
	_, ok := r.xen(g)
	return ok
}

// chosen is the generation that NixOS' choice means, or -1, and whether loader.conf starts
// something of somebody else's.
func (r *resolver) chosen(in Input) (g int, foreign bool) {
	conf := esp.ParseLoaderConf(in.Conf)
	found := -1
	for _, key := range r.keys() {
		value, ok := conf.Get(key)
		g, what := r.means(value, ok)
		if what == handWritten {
			return -1, true
		}
		if g >= 0 {
			found = g
			if what == xenValue && in.Policy == Trial {
				found = r.insteadOfProven(in, g)
			}
			break
		}
	}
	if in.FromProfiles {
		if i := slices.IndexFunc(r.gens, func(g Generation) bool { return g.Current && g.Specialisation == "" }); i >= 0 {
			return i, false
		}
	}
	if found < 0 {
		found = r.newest()
	}
	return found, false
}

// insteadOfProven is the generation that is meant where loader.conf starts the Xen entry of g. That can be what has proven
// itself, which this project wrote there in place of NixOS' choice: the one on trial.
func (r *resolver) insteadOfProven(in Input, g int) int {
	meant := in.Tried
	if in.noArm {
		meant = in.blessed
	} else if !in.proven(r.gens[g].Toplevel) || in.proven(meant) {
		return g
	}
	if i := r.ofToplevel(meant); i >= 0 && i < r.known {
		return i
	}
	return g
}

// keys are the keys of loader.conf that name an entry, in the order in which systemd-boot asks them.
func (r *resolver) keys() []string {
	if r.main.knowsPreferred {
		return []string{"preferred", "default"}
	}
	return []string{"default"}
}

// Chosen finds the generation that NixOS' choice means, as an index into in.Generations. It needs
// neither After nor a policy: who limits the number of Xen entries wants to know it before.
func Chosen(in Input) (generation int, ok bool) {
	if in.After == nil {
		in.After = in.Before
	}
	g, _ := newResolver(in).chosen(in)
	return g, g >= 0 && g < len(in.Generations)
}
