package nextboot

import (
	"slices"
	"strings"
)

// BlessInput is what bless knows of the running system, beside all that [Decide] knows. Its After and Policy are not used: entries don't change.
type BlessInput struct {
	Input

	UnderXen bool   // this is a dom0
	Selected string // LoaderEntrySelected: the id of the entry that was started
	Booted   string // the toplevel that runs (/run/booted-system), "" where that is not known
	Today    string // "2026-11-20"
}

// The reasons why bless refuses.
const (
	NotXen      Code = "not-xen"      // the system does not run on Xen
	NotSelected Code = "not-selected" // nobody says which entry was started
	NotOurs     Code = "not-ours"     // the entry that was started is somebody else's
	OtherSystem Code = "other-system" // the entry is not that of the system that runs
	NotThere    Code = "not-there"    // neither the entry nor its generation is there any more
)

// Refusal is why something is not done.
type Refusal struct {
	Code    Code
	Message string
	Hint    string
}

func (r *Refusal) Error() string { return r.Message }

// Blessing is what bless has to write.
type Blessing struct {
	Generation int   // what has proven itself, as an index into Generations
	Entry      Entry // its Xen entry
	Proof      Proof // goes into the record first; nothing else of the record changes

	// Decision is loader.conf with it. It arms nothing: what is armed already stays so.
	Decision Decision
}

// Bless decides whether the running system has proven itself, and what loader.conf says then. It is
// idempotent: the second time the proof is the same but for the day, and loader.conf stays.
func Bless(in BlessInput) (Blessing, error) {
	if !in.UnderXen {
		return Blessing{}, &Refusal{NotXen, "this system does not run on Xen: there is nothing to bless", ""}
	}
	if in.Selected == "" {
		return Blessing{}, &Refusal{NotSelected, "the EFI variable LoaderEntrySelected is not set: which entry was started is unknown",
			"efivarfs has to be mounted, and systemd-boot has to have started Xen"}
	}
	in.After, in.Policy, in.Remove, in.Undecided, in.FromProfiles = in.Before, Trial, false, false, false
	r := newResolver(in.Input)
	g, err := r.running(in)
	if err != nil {
		return Blessing{}, err
	}
	x, ok := r.xen(g)
	if !ok {
		return Blessing{}, &Refusal{NotThere, in.Generations[g].Name() + " has no Xen entry any more", "nixos-rebuild boot makes one"}
	}
	b := Blessing{Generation: g, Entry: x, Proof: Proof{Toplevel: in.Generations[g].Toplevel, Date: in.Today, Entry: asciiLower(in.Selected)}}
	if in.Tried == b.Proof.Toplevel || !in.proven(b.Proof.Toplevel) {
		in.blessed = b.Proof.Toplevel // and not one that proved itself long ago and was picked in the menu
	}
	in.Proven = append([]Proof{b.Proof}, slices.DeleteFunc(slices.Clone(in.Proven), func(p Proof) bool { return p.Toplevel == b.Proof.Toplevel })...)
	in.noArm = true
	b.Decision = Decide(in.Input)
	return b, nil
}

// running finds the generation that was started.
func (r *resolver) running(in BlessInput) (int, error) {
	for _, e := range r.before {
		if !slices.ContainsFunc(in.Version.behaviours(), func(b behaviour) bool { return asciiLower(b.id(e.Entry)) == asciiLower(in.Selected) }) &&
			!sameID(e.File, in.Selected) {
			continue
		}
		if !e.Kind.Ours() {
			return -1, &Refusal{NotOurs, "the entry " + in.Selected + " was started, which xen-boot-builder did not make", ""}
		}
		g := r.ofXen(e.Entry)
		switch {
		case g < 0 || g >= r.known:
			return -1, &Refusal{NotThere, "the generation of the entry " + in.Selected + " is not there any more", ""}
		case in.Booted != "" && r.gens[g].Toplevel != in.Booted:
			return -1, &Refusal{OtherSystem, "the entry " + in.Selected + " starts " + r.gens[g].Toplevel + " now, but what runs is " + in.Booted, "reboot"}
		}
		return g, nil
	}
	// A run since then can have given the image another name: what runs tells.
	if _, ours := cutPrefixFold(in.Selected, "xen-"); !ours {
		return -1, &Refusal{NotOurs, "the entry " + in.Selected + " was started, which xen-boot-builder did not make", ""}
	}
	g := -1
	if in.Booted != "" {
		g = slices.IndexFunc(in.Generations, func(g Generation) bool { return g.Toplevel == in.Booted })
	}
	if g < 0 {
		return -1, &Refusal{NotThere, "the entry " + in.Selected + " was started and is not there any more", ""}
	}
	return g, nil
}

// Try finds the entry that somebody names, and the value of LoaderEntryOneShot that starts it once. The name is an id, with or
// without its counter, with or without its suffix.
func Try(name string, menu []Entry, v Version) (Entry, string, error) {
	name = strings.TrimSpace(name)
	b := v.behaviours()[0]
	var found []Entry
	for _, loose := range []bool{false, true} {
		for _, e := range b.menu(menu) {
			if lit, ok := literal(name); ok && name != "" && named(lit, e.Entry, loose) {
				found = append(found, e.Entry)
			}
		}
		if len(found) > 0 {
			break
		}
	}
	switch {
	case len(found) == 0:
		return Entry{}, "", &Refusal{NotThere, "the menu has no entry " + name, "xen-boot-builder list shows them"}
	case found[0].Dead:
		return Entry{}, "", &Refusal{NothingStarts, found[0].File + " can't start: files that it names are missing", ""}
	}
	return found[0], OneShotFor(found[0], v), nil
}
