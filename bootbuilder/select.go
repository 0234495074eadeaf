package bootbuilder

import (
	"fmt"
)

// selectGenerations applies --generation and --limit.
func (p *Plan) selectGenerations() error {
	only, err := p.resolveOnly()
	if err != nil {
		return err
	}
	type key struct {
		profile string
		number  uint64
	}
	numbers := make(map[string][]uint64) // of each profile, from old to new
	for _, g := range p.Generations {
		if len(only) > 0 && !only[g.profileNumber()] {
			g.out(NotSelected, nil)
		}
		list := numbers[g.Name.Profile]
		if len(list) == 0 || list[len(list)-1] != g.number {
			numbers[g.Name.Profile] = append(list, g.number)
		}
	}
	if p.options.Limit == 0 {
		return nil
	}
	within := make(map[key]bool)
	for profile, list := range numbers {
		for _, n := range list[max(0, len(list)-p.options.Limit):] {
			within[key{profile, n}] = true
		}
	}
	for _, g := range p.Generations {
		if !within[key{g.Name.Profile, g.number}] && !g.isDefault {
			g.out(OverLimit, nil)
		}
	}
	return nil
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
			return nil, withHint(fmt.Errorf("generation %s is not among those found", name),
				"name a profile link (/nix/var/nix/profiles/system-5-link) or a toplevel whose NixOS entry is on $BOOT")
		}
	}
	return only, nil
}
