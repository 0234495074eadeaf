package bootbuilder

import (
	"fmt"
	"slices"
)

// selectGenerations applies --generation and --limit.
func (p *Plan) selectGenerations() error {
	only, err := p.resolveOnly()
	if err != nil {
		return err
	}
	newest := p.newestOfEach()
	for _, g := range p.Generations {
		switch {
		case len(only) > 0 && !only[g.profileNumber()]:
			g.out(NotSelected, nil)
		case !newest[g.profileNumber()] && !g.isDefault:
			g.out(OverLimit, nil)
		}
	}
	return nil
}

// newestOfEach finds the generations within the limit of each profile. They are counted
// with and without Xen, specialisations with theirs.
func (p *Plan) newestOfEach() map[string]bool {
	counts := make(map[string]int)
	newest := make(map[string]bool)
	for _, g := range slices.Backward(p.Generations) {
		if newest[g.profileNumber()] {
			continue
		}
		if counts[g.Name.Profile]++; p.options.Limit == 0 || counts[g.Name.Profile] <= p.options.Limit {
			newest[g.profileNumber()] = true
		}
	}
	return newest
}

// profileNumber is what a generation shares with its specialisations.
func (g *Generation) profileNumber() string { return fmt.Sprintf("%s %d", g.Name.Profile, g.number) }

// resolveOnly finds the generations that --generation names. Specialisations belong to theirs.
func (p *Plan) resolveOnly() (map[string]bool, error) {
	only := make(map[string]bool)
	for _, name := range p.options.Only {
		want, err := p.in.root.Resolve(name)
		if err != nil {
			return nil, err
		}
		found := false
		for _, g := range p.Generations {
			if g.Toplevel == "" {
				continue
			}
			if have, err := p.in.root.Resolve(g.Toplevel); err == nil && have == want {
				only[g.profileNumber()] = true
				found = true
			}
		}
		if !found {
			return nil, WithHint(fmt.Errorf("generation %s is not among those found", name),
				"name a profile link (/nix/var/nix/profiles/system-5-link) or a toplevel whose NixOS entry is on $BOOT")
		}
	}
	return only, nil
}
