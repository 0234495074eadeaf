package bootbuilder

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// retarget is what a key of loader.conf should name instead of value.
func (p *Plan) retarget(key, value string) string {
	if prefix, rest, ok := cutKind(value); ok && esp.IsGlob(value) && p.exact(value) == nil {
		return p.retargetGlob(key, prefix, rest)
	}
	g := p.exact(value)
	switch {
	case g != nil:
	case p.goesAway(value):
		// As a glob it is what the next run finds: it has to stay the same then.
		prefix, rest, _ := cutKind(p.giveBack(nil))
		return p.retargetGlob(key, prefix, rest)
	case p.dangles(value):
		if g = p.newest(nil); g == nil {
			return value
		}
	default:
		return value
	}
	isXen := p.namesXen(value, g)
	switch xen := p.xenEntry(g); {
	case p.options.Default == DefaultXen && xen != "" && !p.failed(g),
		p.options.Default == DefaultKeep && isXen && xen != "":
		if strings.EqualFold(value, xen) || value == esp.EscapePattern(xen) {
			return value
		}
		return esp.EscapePattern(xen)
	case isXen && (xen == "" || p.options.Default == DefaultNixOS || !names(value, xen) && p.goesAway(value)):
		return p.giveBack(g)
	}
	return value
}

// retargetGlob turns nixos-* into xen-* and back, as nixpkgs' script does: it is what
// Lanzaboote writes. Beside preferred, which boot counting brings, default is what
// starts once preferred fails: that stays NixOS.
func (p *Plan) retargetGlob(key, prefix, rest string) string {
	_, counting := p.loader.conf.Get("preferred")
	xen := slices.ContainsFunc(p.Generations, func(g *Generation) bool {
		entry := p.xenEntry(g)
		return entry != "" && esp.MatchPattern("xen-"+rest, entry)
	})
	switch {
	case prefix == "nixos-" && xen && p.options.Default == DefaultXen && !(counting && key == "default"):
		return "xen-" + rest
	case prefix == "xen-" && p.decisive() && (!xen || p.options.Default == DefaultNixOS):
		return "nixos-" + rest
	}
	return prefix + rest
}

// cutKind splits off what tells NixOS' entries from ours.
func cutKind(value string) (prefix, rest string, ok bool) {
	for _, prefix := range []string{"nixos-", "xen-"} {
		if len(value) >= len(prefix) && strings.EqualFold(value[:len(prefix)], prefix) {
			return value[:len(prefix)], value[len(prefix):], true
		}
	}
	return "", "", false
}

// failed reports whether a generation could not be built now. What stands for it may be
// of an earlier time: that is no reason to start it by default.
func (p *Plan) failed(g *Generation) bool { return g.Out != nil && g.Out.Wrong() }

// goesAway reports whether a value names a Xen entry that is stale, or gone already.
func (p *Plan) goesAway(value string) bool {
	if !p.decisive() {
		return false
	}
	for _, e := range p.stale.entries {
		if names(value, e.entryID) {
			return true
		}
	}
	if esp.IsGlob(value) {
		return false
	}
	name, ok := esp.ParseStem(strings.TrimSuffix(value, ".conf"))
	if !ok || name.Kind != esp.Xen {
		return false
	}
	_, err := p.target.Boot.Stat(path.Join(entriesDir, name.ID()+".conf"))
	return errors.Is(err, fs.ErrNotExist)
}

// dangles reports whether a value names a NixOS entry that does not exist.
func (p *Plan) dangles(value string) bool {
	name, ok := esp.ParseStem(strings.TrimSuffix(value, ".conf"))
	if !ok || name.Kind != esp.NixOS || esp.IsGlob(value) {
		return false
	}
	_, err := p.target.Boot.Stat(path.Join(entriesDir, name.String()))
	return errors.Is(err, fs.ErrNotExist)
}

// newest is the newest generation of the system profile, of those that in takes.
func (p *Plan) newest(in func(*Generation) bool) *Generation {
	for _, g := range slices.Backward(p.Generations) {
		if g.Name.Profile == "" && g.Name.Specialisation == "" && (in == nil || in(g)) {
			return g
		}
	}
	return nil
}

// giveBack is the NixOS default that takes the place of a Xen one.
func (p *Plan) giveBack(g *Generation) string {
	if g == nil || g.Source == FromLanzaboote {
		return nixosGlob
	}
	if g.Source == FromProfiles {
		if _, err := p.target.Boot.Stat(path.Join(entriesDir, g.nixosEntry())); err != nil {
			return nixosGlob
		}
	}
	return esp.EscapePattern(g.nixosEntry())
}
