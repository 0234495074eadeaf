package bootbuilder

import (
	"context"
	"fmt"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// CompareReport says what differs between two generations.
type CompareReport struct {
	Schema int    `json:"schema"`
	Before string `json:"before"` // id of the Xen entry
	After  string `json:"after"`
	// BeforeFacts and AfterFacts are what the two are known by.
	BeforeFacts Facts `json:"beforeFacts"`
	AfterFacts  Facts `json:"afterFacts"`
	Comparison
	// ConfigDiff and EntryDiff are of what is installed for the two, "" where nothing is or both are the same.
	ConfigDiff string `json:"configDiff,omitempty"`
	EntryDiff  string `json:"entryDiff,omitempty"`
	Error      string `json:"error,omitempty"`
	Hint       string `json:"hint,omitempty"`
}

// Compare compares two generations, each given by number, profile link, toplevel, or the id of its
// entry. It needs a root; a generation needs no place in the menu.
func Compare(ctx context.Context, target Target, options InspectOptions, before, after string) (*CompareReport, error) {
	i, err := newInspector(target, options, withRoot)
	if err != nil {
		return nil, err
	}
	defer i.close()
	if i.system == nil {
		return nil, fmt.Errorf("comparing generations takes the root directory of their system")
	}
	all := append(i.system.FromLinks().Generations, i.found...)
	a, err := one(all, before, i.root)
	if err != nil {
		return nil, err
	}
	b, err := one(all, after, i.root)
	if err != nil {
		return nil, err
	}
	old, now := i.entryOf(a), i.entryOf(b)
	r := &CompareReport{
		Schema: ReportSchema, Before: a.ID, After: b.ID, BeforeFacts: factsOf(a), AfterFacts: factsOf(b),
		Comparison: *compareGenerations(a, b, ""),
		ConfigDiff: unifiedDiff("xen.cfg", old.Config, now.Config),
		EntryDiff:  unifiedDiff("entry", unpadded(old.Text), unpadded(now.Text)),
	}
	return r, ctx.Err()
}

// entryOf is the installed entry of a generation, empty for none.
func (i *inspector) entryOf(g generation.Generation) installed.Entry {
	for _, e := range i.inv.Entries {
		if isEntryOf(e, g) {
			return e
		}
	}
	return installed.Entry{}
}

// one finds a generation by a name of any kind.
func one(all []generation.Generation, name string, root *nixroot.Root) (generation.Generation, error) {
	for _, g := range all {
		if matchesEntry(g, name) {
			return g, nil
		}
	}
	matches, err := matcher(name, root)
	if err != nil {
		return generation.Generation{}, err
	}
	for _, g := range all {
		if g.Name.Specialisation == "" && matches(g) {
			return g, nil
		}
	}
	return generation.Generation{}, WithHint(fmt.Errorf("there is no generation %s", name),
		"give a number, a profile link, a toplevel, or the id of an entry that list shows")
}

// matchesEntry reports whether a name is the id of a generation's Xen or NixOS entry.
func matchesEntry(g generation.Generation, name string) bool {
	if sameID(stem(name), g.ID) {
		return true
	}
	for _, s := range g.Selectors {
		if sameID(name, base(s.File)) || sameID(stem(name), stem(base(s.File))) {
			return true
		}
	}
	return false
}

// stem is an entry's id without suffix, boot counter, and the hash of an image.
func stem(name string) string {
	id, _ := esp.CutTries(name)
	if n, ok := bootname.Parse(bootname.Unified + "/" + id); ok {
		return n.ID
	}
	return strings.TrimSuffix(strings.TrimSuffix(id, ".conf"), ".efi")
}
