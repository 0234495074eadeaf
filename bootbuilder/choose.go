package bootbuilder

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/proven"
)

// choose applies --generation and --limit. meant is the index of the generation that NixOS' own
// choice means, or -1; proven are those of what may start where a trial fails. Neither is limited, nor are generations
// that are asked for by name.
func choose(found []generation.Generation, options Options, root *nixroot.Root, meant int, proven []int) ([]outcome, error) {
	only, err := resolveOnly(found, options.Only, root)
	if err != nil {
		return nil, err
	}
	within := withinLimit(found, options.Limit)
	outcomes := make([]outcome, 0, len(found))
	for i, g := range found {
		o := outcome{Generation: g, skip: g.Skip, isDefault: i == meant, isNeeded: i == meant || slices.Contains(proven, i)}
		switch {
		case g.Skip != nil && g.Skip.Reason == UnknownGeneration:
		case len(options.Only) > 0:
			if !only[family(g)] {
				o.skip = &generation.Skip{Reason: NotSelected}
			}
		case !within[family(g)] && !o.isNeeded:
			// Before what is wrong with it: it would go even if it could be built.
			o.skip = &generation.Skip{Reason: OverLimit}
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

// provenOf are the generations that may start where a trial fails, as indices: the last one that proved itself, of those that
// have a place in the menu. Where its Xen entry can't be made anew, the one before it belongs to them, too.
func provenOf(found []generation.Generation, options Options, record proven.Record) []int {
	if options.Default != DefaultTry {
		return nil
	}
	var list []int
	for _, p := range record.Proofs {
		i := slices.IndexFunc(found, func(g generation.Generation) bool { return g.Toplevel == p.Toplevel })
		if i < 0 {
			continue
		}
		list = append(list, i)
		if found[i].Skip == nil {
			break
		}
	}
	return list
}

// withinLimit finds the newest N generations of each profile. They are counted with and
// without Xen, specialisations with theirs.
func withinLimit(found []generation.Generation, limit int) map[string]bool {
	counts := make(map[string]int)
	counted := make(map[string]bool)
	within := make(map[string]bool)
	for _, g := range slices.Backward(found) {
		if counted[family(g)] || g.Skip != nil && g.Skip.Reason == UnknownGeneration {
			continue
		}
		if g.SelectsNothing() { // it has a place, and takes nobody's
			within[family(g)] = limit == 0 || counts[g.Name.Profile] < limit
			continue
		}
		counts[g.Name.Profile]++
		counted[family(g)] = true
		within[family(g)] = limit == 0 || counts[g.Name.Profile] <= limit
	}
	return within
}

// resolveOnly finds the generations that --generation names: by number, of the system profile, by
// profile link, or by toplevel. Specialisations belong to theirs.
func resolveOnly(found []generation.Generation, names []string, root *nixroot.Root) (map[string]bool, error) {
	only := make(map[string]bool)
	for _, name := range names {
		matches, err := matcher(name, root)
		if err != nil {
			return nil, err
		}
		known := false
		for _, g := range found {
			if matches(g) {
				only[family(g)] = true
				known = true
			}
		}
		if !known {
			return nil, WithHint(fmt.Errorf("generation %s is not among those found", name),
				"give a number, a profile link (/nix/var/nix/profiles/system-5-link), or a toplevel whose NixOS entry is on $BOOT")
		}
	}
	return only, nil
}

func matcher(name string, root *nixroot.Root) (func(generation.Generation) bool, error) {
	if number, err := strconv.ParseUint(name, 10, 64); err == nil {
		return func(g generation.Generation) bool {
			return g.Name.Generation == number && g.Name.Profile == ""
		}, nil
	}
	toplevel, err := root.Resolve(inside(name, root.Dir()))
	if err != nil {
		return nil, err
	}
	link := inside(name, root.Dir())
	return func(g generation.Generation) bool {
		return g.Link != "" && g.Link == link || g.Toplevel == toplevel && !isLink(name)
	}, nil
}

// inside is a name as it is inside the root: people in a rescue system write what they see
// (/mnt/nix/var/nix/profiles/system-5-link).
func inside(name, root string) string {
	if !path.IsAbs(name) {
		name = "/" + name
	}
	if rest, ok := strings.CutPrefix(path.Clean(name), strings.TrimSuffix(root, "/")+"/"); ok && root != "/" {
		return "/" + rest
	}
	return path.Clean(name)
}

// isLink reports whether a name is that of a profile link, which stands for one generation even
// where others have the same toplevel.
func isLink(name string) bool { return strings.HasSuffix(name, "-link") }
