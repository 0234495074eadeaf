package generation

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Found is what has a place in the menu.
type Found struct {
	// Generations are in order: each profile by itself, from old to new. Those that can't have
	// a Xen entry are among them, with the reason.
	Generations []Generation
	// PassedOver are entries and stubs that select nothing, and have the name of one for a generation
	// that others select: each is in no other list.
	PassedOver []Generation
	// Selected says whether any entry or stub selects a generation of the root. Where there
	// are some and none does, the root is another system's.
	Selected, Selecting bool
}

// FromLinks gives every generation that the profiles have a place.
func (s *System) FromLinks() Found {
	var f Found
	for _, p := range s.Places {
		f.Generations = append(f.Generations, s.generation(p, nil))
	}
	f.finish()
	return f
}

// FromSelectors gives those generations a place that NixOS' own entries and stubs select.
func (s *System) FromSelectors(selectors []Selector) Found {
	if !s.Links {
		s = s.withToplevels(selectors)
	}
	f := Found{Selecting: len(selectors) > 0, Generations: make([]Generation, 0, len(selectors))}
	chosen := make([][]Selector, len(s.Places))
	var late []Selector
	// Those whose name says which of the places with their toplevel they mean come first.
	for _, sel := range selectors {
		at, places := s.placesOf(sel)
		switch {
		case sel.fault != nil:
			f.Generations = append(f.Generations, s.unread(sel))
		case len(places) == 0:
			f.Generations = append(f.Generations, s.stranger(sel, at))
		default:
			if i, ok := s.named(sel.name, places); ok {
				chosen[i] = append(chosen[i], sel)
			} else {
				late = append(late, sel)
			}
		}
	}
	for _, sel := range late {
		_, places := s.placesOf(sel)
		i := s.nearest(sel, places, chosen)
		chosen[i] = append(chosen[i], sel)
	}
	for i, p := range s.Places {
		if len(chosen[i]) > 0 {
			f.Selected = true
			f.Generations = append(f.Generations, s.generation(p, chosen[i]))
		}
	}
	f.finish()
	return f
}

// placesOf finds the places of the toplevel that a selector names, and what that is.
func (s *System) placesOf(sel Selector) (toplevel string, places []int) {
	if sel.fault != nil {
		return "", nil
	}
	toplevel = path.Dir(sel.init)
	if places = s.byToplevel[toplevel]; places != nil {
		return toplevel, places
	}
	resolved, err := s.root.Resolve(toplevel)
	if err != nil {
		return toplevel, nil
	}
	return resolved, s.byToplevel[resolved]
}

// withToplevels is the system with a place for each toplevel of the store that an entry names: for
// a tree without profile links, which an image builder made. There nothing else says
// which generations it has.
func (s *System) withToplevels(selectors []Selector) *System {
	with := *s
	with.Places, with.byToplevel = slices.Clone(s.Places), maps.Clone(s.byToplevel)
	for _, sel := range selectors {
		toplevel, places := with.placesOf(sel)
		if len(places) > 0 || !isToplevel(toplevel) {
			continue
		}
		if _, err := s.root.Stat(toplevel); err != nil {
			continue
		}
		n := sel.name
		n.Hash, n.Tries = "", nil
		if n.Generation == 0 {
			n.Generation = NumberIn(sel.Version)
		}
		p := Place{Name: n, Dir: toplevel, Toplevel: toplevel}
		p.Spec, p.Skip, _ = with.readSpec(toplevel)
		with.add(p)
	}
	return &with
}

// named finds the place whose name is the selector's.
func (s *System) named(n esp.Name, places []int) (int, bool) {
	if n.Hash != "" {
		return 0, false
	}
	for _, i := range places {
		have := s.Places[i].Name
		if esp.KeyOf(have.ID()) == esp.KeyOf(n.As(esp.NixOS).ID()) {
			return i, true
		}
	}
	return 0, false
}

// NumberIn is the generation in the version of an entry, 0 for none.
func NumberIn(version string) uint64 {
	rest, ok := strings.CutPrefix(version, "Generation ")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	if tail := rest[end:]; !ok || tail != "" && isWord(tail[0]) {
		return 0
	}
	n, _ := strconv.ParseUint(rest[:end], 10, 64)
	return n
}

// isWord reports whether a number goes on as a word.
func isWord(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

// nearest chooses among the places of one toplevel: by the number in the entry's version, then one
// that nothing has selected yet, then the newest.
func (s *System) nearest(sel Selector, places []int, chosen [][]Selector) int {
	number := NumberIn(sel.Version)
	numbered := -1
	for _, i := range slices.Backward(places) {
		if number != 0 && s.Places[i].Name.Generation == number && (numbered < 0 || len(chosen[i]) == 0) {
			numbered = i
		}
	}
	if numbered >= 0 {
		return numbered // of two profiles with this number, the one that nothing has selected yet
	}
	for _, i := range slices.Backward(places) {
		if len(chosen[i]) == 0 {
			return i
		}
	}
	return places[len(places)-1]
}

// generation makes a candidate of a place and what selects it.
func (s *System) generation(p Place, selectors []Selector) Generation {
	slices.SortStableFunc(selectors, func(a, b Selector) int { return rank(b) - rank(a) })
	g := Generation{
		Name: p.Name, Toplevel: p.Toplevel, Link: p.Link, Spec: p.Spec,
		Selectors: selectors, Skip: p.Skip, Gone: p.Gone,
	}
	stub := len(selectors) > 0 && selectors[0].Stub
	g.Described = s.describe(p, stub)
	n := p.Name
	if len(selectors) > 0 && !stub {
		n.Hash = selectors[0].name.Hash // nixpkgs' second naming: the sibling has the same
	}
	g.Name = n
	var skip *Skip
	if g.ID, skip = entryID(n); skip != nil && (g.Skip == nil || g.Skip.Reason == NoExtension) {
		g.Skip = skip
	}
	return g
}

// rank prefers the entry whose files are there, and of two such the stub: an entry beside it is
// what is left of a time before Lanzaboote.
func rank(s Selector) int {
	n := 0
	if s.Complete {
		n += 2
	}
	if s.Stub {
		n++
	}
	return n
}

// stranger is an entry or stub that selects nothing.
func (s *System) stranger(sel Selector, toplevel string) Generation {
	g := s.unread(sel)
	g.Toplevel = toplevel
	g.Skip = &Skip{UnknownGeneration, fmt.Errorf("%s names %s, which no profile link of %s leads to",
		path.Base(sel.File), toplevel, s.root.Dir())}
	return g
}

// Named is the generation that a selector's name says, for when there is no root to ask.
func (sel Selector) Named() Generation {
	var s System
	g := s.unread(sel)
	g.Skip = nil
	if sel.fault == nil {
		g.Toplevel = path.Dir(sel.init)
	}
	return g
}

// unread is an entry or stub that can't be understood.
func (s *System) unread(sel Selector) Generation {
	n := sel.name
	n.Tries = nil
	if n.Generation == 0 {
		n.Generation = NumberIn(sel.Version)
	}
	g := Generation{
		ID: n.As(esp.Xen).ID(), Name: n, Selectors: []Selector{sel}, Described: Description{Title: entryTitle(n)},
		Skip: &Skip{EntryInvalid, sel.fault},
	}
	// A name with the hash of a content says nothing of whose entry it would be.
	g.Nobodys = s.Links && (errors.Is(sel.fault, errUnclean) || n.Hash == "" && !slices.ContainsFunc(s.Places, func(p Place) bool {
		return esp.KeyOf(p.Name.As(esp.Xen).ID()) == esp.KeyOf(g.ID)
	}))
	return g
}

// finish orders what was found, and skips each generation whose id, in any letter case, another
// one already has: FAT would hold only one of them. A generation comes before a stranger.
func (f *Found) finish() {
	slices.SortStableFunc(f.Generations, compare)
	first := make(map[esp.Key]string)
	for i := range f.Generations {
		g := &f.Generations[i]
		if g.SelectsNothing() {
			continue
		}
		key := esp.KeyOf(g.ID)
		if other, ok := first[key]; !ok {
			first[key] = g.File()
		} else if g.Skip == nil {
			g.Skip = &Skip{Collision, fmt.Errorf("its Xen entry %s would be that of %s too", g.ID, other)}
		}
	}
	f.Generations = slices.DeleteFunc(f.Generations, func(g Generation) bool {
		if !g.SelectsNothing() {
			return false
		}
		_, taken := first[esp.KeyOf(g.ID)]
		if taken {
			f.PassedOver = append(f.PassedOver, g)
		}
		return taken
	})
}

// SelectsNothing reports whether an entry or stub leads to no generation.
func (g Generation) SelectsNothing() bool {
	return g.Skip != nil && (g.Skip.Reason == UnknownGeneration || g.Skip.Reason == EntryInvalid)
}
