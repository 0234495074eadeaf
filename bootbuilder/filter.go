package bootbuilder

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
)

// filter lets generations through by what they are known by. The zero value lets all of them through.
type filter struct {
	families  map[string]bool // of the generations that are asked for: see family
	toplevels map[string]bool
}

// newFilter reads which generations are asked for. An entry may outlive its generation, and be on a partition
// whose system is not at hand: its number is known even then.
func (i *inspector) newFilter() (filter, error) {
	if len(i.options.Only) == 0 {
		return filter{}, nil
	}
	f := filter{families: make(map[string]bool), toplevels: make(map[string]bool)}
	for _, name := range i.options.Only {
		known := false
		if number, err := strconv.ParseUint(name, 10, 64); err == nil {
			f.families[familyOf("", number)] = true
			known = slices.ContainsFunc(i.inv.Entries, func(e installed.Entry) bool { return f.has(factsInstalled(e), "") })
		} else if i.root == nil {
			f.toplevels[name] = true
			known = slices.ContainsFunc(i.inv.Entries, func(e installed.Entry) bool { return e.Toplevel == name })
		}
		if i.root != nil {
			matches, err := matcher(name, i.root)
			if err != nil && !known {
				return f, err
			}
			for _, g := range slices.Concat(i.found, i.linked) {
				if err == nil && matches(g) {
					f.families[family(g)], known = true, true
				}
			}
		}
		if !known {
			return f, WithHint(fmt.Errorf("there is no generation %s", name), "give a number, a profile link, or a toplevel; list shows all")
		}
	}
	return f, nil
}

// has reports whether a generation is asked for.
func (f filter) has(facts Facts, toplevel string) bool {
	return f.families == nil || f.families[familyOf(facts.Profile, facts.Number)] || f.toplevels[toplevel]
}

// wanted are the installed entries that are asked for.
func (i *inspector) wanted() []installed.Entry {
	if len(i.options.Only) == 0 {
		return i.inv.Entries
	}
	return slices.DeleteFunc(slices.Clone(i.inv.Entries), func(e installed.Entry) bool {
		facts := factsInstalled(e)
		if g := i.generationOf(e.Toplevel, e.File); g != nil {
			facts = factsOf(*g)
		}
		return !i.only.has(facts, e.Toplevel)
	})
}

// family is what a generation shares with its specialisations.
func family(g generation.Generation) string { return familyOf(g.Name.Profile, g.Name.Generation) }

func familyOf(profile string, number uint64) string { return fmt.Sprintf("%s %d", profile, number) }
