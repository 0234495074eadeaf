package nextboot

import (
	"slices"
)

// proven reports whether a toplevel has proven itself.
func (in Input) proven(toplevel string) bool {
	return toplevel != "" && slices.ContainsFunc(in.Proven, func(q Proof) bool { return q.Toplevel == toplevel })
}

// trial is the policy of [Trial]: loader.conf starts what has proven itself, and LoaderEntryOneShot the Xen entry
// x of the default generation, if it may be started. It reports whether loader.conf was left to Xen.
func (p *planner) trial(x Entry, may bool) bool {
	if may && p.in.proven(p.r.gens[p.g].Toplevel) {
		p.startXen(x)
		return true
	}
	if may && !p.in.noArm {
		p.arm(x)
	}
	if p.in.Refused || p.in.Remove || !may && !p.r.gens[p.g].Failed {
		return false // this generation runs without Xen
	}
	for _, q := range p.in.Proven {
		for g := range p.in.Generations {
			if q.Toplevel == "" || p.r.gens[g].Toplevel != q.Toplevel || p.r.bad(g) {
				continue
			}
			if y, ok := p.r.xen(g); ok {
				p.startProven(g, y)
				return true
			}
		}
	}
	return false
}

// forget tells the record that what was on trial is not what the default means any more. What is armed now is noted by
// whoever writes the variable.
func (p *planner) forget() {
	p.d.Forget = p.in.Policy == Trial && p.in.Tried != "" && !p.in.noArm && p.d.Trial < 0 &&
		0 <= p.d.Default && p.r.gens[p.d.Default].Toplevel != p.in.Tried
}

// disarm takes back a shot at a Xen entry that this run does not want: after a rollback, or where Xen
// is switched off.
func (p *planner) disarm() {
	armed := p.in.Vars.OneShot
	if armed == "" || p.d.OneShot != "" || p.in.noArm || !p.in.CanArm || !(p.in.Policy == Trial || p.in.Remove) {
		return
	}
	if _, what := p.r.means(armed, true); what == xenValue {
		p.d.Disarm = true
	}
}

// startProven makes loader.conf start the Xen entry of another generation than the default one.
func (p *planner) startProven(g int, y Entry) {
	chosen := p.g
	p.g = g // what starts if this one fails is its own NixOS entry
	p.startXen(y)
	p.g = chosen
}

// arm lets an entry start once.
func (p *planner) arm(x Entry) {
	toplevel := p.r.gens[p.g].Toplevel
	armed := p.in.Vars.OneShot
	if armed != "" {
		if _, what := p.r.means(armed, true); what != xenValue && what != dangling && what != nothing {
			p.warn(OneShotTaken, "xen-boot-builder try "+x.ID()+" puts Xen in its place",
				"LoaderEntryOneShot names %s: %s is not put on trial", armed, p.name(p.g))
			return
		}
	} else if toplevel != "" && toplevel == p.in.Tried {
		if toplevel == p.in.OnXen {
			return // its trial goes on
		}
		p.warn(AlreadyTried, "xen-boot-builder try "+x.ID()+" starts it once more",
			"%s on Xen was started on trial and was not blessed: it is not tried again", p.name(p.g))
		return
	}
	if !p.in.CanArm {
		p.warn(CannotArm, "boot.loader.efi.canTouchEfiVariables allows it; "+x.File+" can be chosen in the menu",
			"LoaderEntryOneShot can't be written here: %s is not put on trial", p.name(p.g))
		return
	}
	p.d.OneShot, p.d.Trial = OneShotFor(x, p.in.Version), p.g
}

// OneShotFor is the value of LoaderEntryOneShot that starts an entry. It is the id itself wherever that is known:
// systemd-boot compares them to see that what was started once shall not be remembered for @saved.
func OneShotFor(e Entry, v Version) string {
	variants := v.behaviours()
	id := variants[0].id(e)
	for _, b := range variants {
		if b.id(e) != id || !b.matches(id, b.row(e)) {
			return ValueFor(e)
		}
	}
	return id
}
