package bootbuilder

import (
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// verdict says what becomes of $BOOT.
type verdict struct {
	writes   []plannedFile     // payload, then entries; only what is not right already
	kept     []installed.Entry // entries of generations that can't be rebuilt now, or were not asked for
	entries  []installed.Entry // stale entries and images
	payload  []installed.Place // stale payload
	leftover []installed.Place
	blank    []transaction.Blank // entries that stay or are written again, and name what goes
	blocked  error               // why nothing is removed; nil if it is
	// decisive says that what is not planned is stale. Where no generation at all was found the
	// installer before us most likely failed: then nothing is.
	decisive bool
	sizes    map[installed.Place]int64 // of what goes, in bytes
}

// removes reports whether anything goes.
func (v verdict) removes() bool {
	return len(v.entries) > 0 || len(v.payload) > 0 || len(v.leftover) > 0
}

// keptFor is the entry that is kept for a generation, or nil.
func (v verdict) keptFor(g generation.Generation) *installed.Entry {
	for i := range v.kept {
		if isEntryOf(v.kept[i], g) {
			return &v.kept[i]
		}
	}
	return nil
}

// goes reports whether an installed entry goes.
func (v verdict) goes(e installed.Entry) bool {
	for _, stale := range v.entries {
		if stale.Place() == e.Place() {
			return true
		}
	}
	return false
}

// reconcile decides what is written, kept and removed. It is pure: all that it needs was read.
func reconcile(outcomes []outcome, inv *installed.Inventory, removal bool) verdict {
	v := verdict{
		writes: toWrite(outcomes), leftover: inv.Leftovers,
		decisive: removal || slices.ContainsFunc(outcomes, func(o outcome) bool { return isGeneration(o.Generation) }),
	}
	if !removal {
		v.kept = toKeep(outcomes, inv)
	}
	if !v.decisive {
		return v
	}
	v.findStale(inv, neededFiles(inv.Boot, outcomes, v.kept))
	if !v.removes() {
		return v
	}
	if err := inv.Unreadable(); err != nil {
		// What can't be read may be what a removal would break.
		v.entries, v.payload, v.blocked = nil, nil, err
		return v
	}
	v.findBlanks(inv)
	return v
}

// isGeneration reports whether an entry led to a generation: a damaged one leads nowhere.
func isGeneration(g generation.Generation) bool { return !g.SelectsNothing() }

// toWrite orders what is to be written: payload before entries, each in the order of its generations.
func toWrite(outcomes []outcome) []plannedFile {
	var payload, entries []plannedFile
	seen := make(map[esp.Key]bool)
	for _, o := range outcomes {
		if o.files == nil {
			continue
		}
		for _, f := range o.files.files {
			if f.state == same || seen[esp.KeyOf(f.Name)] {
				continue
			}
			seen[esp.KeyOf(f.Name)] = true
			if f.Kind == KindEntry {
				entries = append(entries, f)
			} else {
				payload = append(payload, f)
			}
		}
	}
	return append(payload, entries...)
}

// toKeep keeps the complete entries of generations that can't be rebuilt now, or that were not asked
// for; one on the ESP beside an XBOOTLDR only where that has none for it. An entry belongs to a toplevel: one whose toplevel is gone,
// or is no generation any more, is not kept.
func toKeep(outcomes []outcome, inv *installed.Inventory) []installed.Entry {
	var keepers []outcome // few, most of the time
	for _, o := range outcomes {
		if keeps(o) {
			keepers = append(keepers, o)
		}
	}
	var kept []installed.Entry
	onBoot := make(map[esp.Key]bool)
	for _, e := range slices.Concat(inv.Entries, inv.Astray) {
		if e.Broken != nil && !menu.Unreadable(e.Broken) || e.FS != inv.Boot && onBoot[esp.KeyOf(e.ID)] {
			continue
		}
		for _, o := range keepers {
			if isEntryOf(e, o.Generation) && !hasBuilt(outcomes, e) {
				kept = append(kept, e)
				onBoot[esp.KeyOf(e.ID)] = e.FS == inv.Boot || onBoot[esp.KeyOf(e.ID)]
				break
			}
		}
	}
	return kept
}

// keeps reports whether a generation's entry stays although it is not built.
func keeps(o outcome) bool {
	if o.skip == nil {
		return false
	}
	switch o.skip.Reason {
	case UnknownGeneration, NoExtension, OverLimit, NoSpace:
		return false
	case BootspecMissing:
		return !o.Gone
	}
	return true
}

// hasBuilt reports whether a generation of this entry's id was built: of a collision, one is in.
func hasBuilt(outcomes []outcome, e installed.Entry) bool {
	for _, o := range outcomes {
		if o.files != nil && sameID(o.ID, e.ID) {
			return true
		}
	}
	return false
}

// needs are files that must stay, on $BOOT or on the ESP beside it.
type needs map[esp.FS]map[esp.Key]bool

func (n needs) add(fsys esp.FS, names ...string) {
	if n[fsys] == nil {
		n[fsys] = make(map[esp.Key]bool)
	}
	for _, name := range names {
		n[fsys][esp.KeyOf(name)] = true
	}
}

func (n needs) have(fsys esp.FS, name string) bool { return n[fsys][esp.KeyOf(name)] }

// neededFiles are the files that must stay.
func neededFiles(boot esp.FS, outcomes []outcome, kept []installed.Entry) needs {
	needed := make(needs)
	for _, o := range outcomes {
		if o.files == nil {
			continue
		}
		for _, f := range o.files.files {
			needed.add(boot, f.Name)
		}
		needed.add(boot, o.files.Image)
		needed.add(boot, o.files.Needs...)
	}
	for _, e := range kept {
		needed.add(e.FS, e.File)
		needed.add(e.FS, e.Refs...)
	}
	return needed
}

// findStale finds what of ours nothing needs any more, on $BOOT and on the ESP beside it.
func (v *verdict) findStale(inv *installed.Inventory, needed needs) {
	images := make(map[installed.Place]bool)
	entries := func(list []installed.Entry, byOthers func(string) bool) {
		for _, e := range list {
			if !needed.have(e.FS, e.File) && !byOthers(e.File) {
				v.entries = append(v.entries, e)
				images[e.Place()] = true
			}
		}
	}
	payload := func(list []installed.Place, byOthers func(string) bool) {
		for _, p := range list {
			if !needed.have(p.FS, p.Name) && !byOthers(p.Name) && !images[p] {
				v.payload = append(v.payload, p)
			}
		}
	}
	entries(inv.Entries, inv.NeededByOthers)
	entries(inv.Astray, inv.NeededOnESP)
	payload(inv.Payload, inv.NeededByOthers)
	payload(inv.AstrayPayload, inv.NeededOnESP)
}

// findBlanks finds the entries that are written again and name payload that goes.
func (v *verdict) findBlanks(inv *installed.Inventory) {
	goes := make(map[esp.Key]bool)
	for _, p := range v.payload {
		goes[esp.KeyOf(p.Name)] = true
	}
	for _, e := range inv.Entries {
		if e.IsImage() || v.goes(e) {
			continue
		}
		for _, ref := range e.Refs {
			if goes[esp.KeyOf(ref)] {
				v.blank = append(v.blank, transaction.Blank{Place: placeOf(e.Place()), Remark: e.Remark()})
				break
			}
		}
	}
}
