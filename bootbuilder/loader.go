package bootbuilder

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// maxLoaderConf bounds what is read of loader.conf, in bytes.
const maxLoaderConf = 64 << 10

// nixosGlob starts the newest NixOS entry; it is what Lanzaboote writes itself.
const nixosGlob = "nixos-*"

// loaderChange is what happens to loader.conf.
type loaderChange struct {
	before, after []byte // nil before: there is none
	conf          *esp.LoaderConf
	keys          []loaderKey
}

// loaderKey is one key of loader.conf that names an entry.
type loaderKey struct {
	key, from, to string
}

func (l loaderChange) changes() bool {
	return l.after != nil && !bytes.Equal(l.before, l.after)
}

// readLoaderConf reads loader.conf and finds the default generation.
func (p *Plan) readLoaderConf() error {
	text, err := esp.ReadFile(p.target.ESP, loaderConf, maxLoaderConf)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	p.loader.before = text
	p.loader.conf = esp.ParseLoaderConf(text)
	for _, key := range []string{"preferred", "default"} {
		value, ok := p.loader.conf.Get(key)
		if !ok {
			continue
		}
		if g := p.named(value); g != nil {
			for _, other := range p.Generations {
				other.isDefault = other == g
			}
			return nil
		}
	}
	return nil
}

// named finds the generation whose NixOS or Xen entry a value of loader.conf starts.
func (p *Plan) named(value string) *Generation {
	if g := p.exact(value); g != nil {
		return g
	}
	if esp.IsGlob(value) {
		return p.newest(func(g *Generation) bool { return esp.MatchPattern(value, g.nixosEntry()) })
	}
	return nil
}

// exact finds the generation whose NixOS or Xen entry a value names, not as a glob.
func (p *Plan) exact(value string) *Generation {
	for _, g := range p.Generations {
		if names(value, g.nixosEntry()) || p.namesXen(value, g) {
			return g
		}
	}
	return nil
}

// nixosEntry is what loader.conf calls a generation's NixOS entry.
func (g *Generation) nixosEntry() string {
	switch g.Source {
	case FromLanzaboote:
		return path.Base(g.File)
	}
	return g.Name.As(esp.NixOS).ID() + ".conf"
}

// names reports whether a value of loader.conf is this entry's id, with or without its suffix.
func names(value, entryID string) bool {
	return strings.EqualFold(value, entryID) ||
		strings.EqualFold(value, strings.TrimSuffix(entryID, path.Ext(entryID))) ||
		strings.EqualFold(value, esp.EscapePattern(entryID))
}

// namesXen reports whether a value names a Xen entry of ours for this generation.
func (p *Plan) namesXen(value string, g *Generation) bool {
	if names(value, g.ID+".conf") {
		return true
	}
	for _, e := range p.stock.entries {
		if strings.EqualFold(e.id, g.ID) && names(value, e.entryID) {
			return true
		}
	}
	return false
}

// xenEntry is the Xen entry that a generation will have once the plan is applied, or "".
func (p *Plan) xenEntry(g *Generation) string {
	for _, b := range p.bundles {
		if b.gen == g {
			return b.entryID
		}
	}
	for _, e := range p.kept {
		if strings.EqualFold(e.id, g.ID) {
			return e.entryID
		}
	}
	return ""
}

// planLoaderConf decides what loader.conf starts.
func (p *Plan) planLoaderConf() {
	l := &p.loader
	if l.conf == nil {
		if p.options.From == FromProfiles {
			p.makeDefault(esp.ParseLoaderConf([]byte(newLoaderConf)))
		} else if len(p.bundles) > 0 {
			p.Warnings = append(p.Warnings, Warning{Message: fmt.Sprintf(
				"%s is missing: systemd-boot chooses what starts", p.target.ESP.Path(loaderConf))})
		}
		return
	}
	conf := esp.ParseLoaderConf(l.before)
	for _, key := range []string{"preferred", "default"} {
		from, ok := conf.Get(key)
		if !ok {
			continue
		}
		to := p.retarget(key, from)
		if to == from {
			continue
		}
		if err := conf.Set(key, to); err != nil {
			p.Warnings = append(p.Warnings, Warning{Message: fmt.Sprintf(
				"%s keeps %s %s: %v", p.target.ESP.Path(loaderConf), key, from, err)})
			continue
		}
		l.keys = append(l.keys, loaderKey{key, from, to})
	}
	l.after = conf.Bytes()
	if _, ok := conf.Get("default"); !ok && p.options.From == FromProfiles {
		p.makeDefault(conf)
	}
}

// newLoaderConf is what a loader.conf starts from that has to be made: systemd-boot-builder
// writes the same time-out by default.
const newLoaderConf = "timeout 5\n"

// makeDefault gives loader.conf a default where there is none: offline, nobody else does.
func (p *Plan) makeDefault(conf *esp.LoaderConf) {
	if p.options.Default != DefaultXen {
		return
	}
	for _, g := range p.Generations {
		if entry := p.xenEntry(g); g.isDefault && entry != "" && conf.Set("default", esp.EscapePattern(entry)) == nil {
			p.loader.after = conf.Bytes()
		}
	}
}

// retarget is what a key of loader.conf should name instead of value.
func (p *Plan) retarget(key, value string) string {
	if prefix, rest, ok := cutKind(value); ok && esp.IsGlob(value) && p.exact(value) == nil {
		return p.retargetGlob(key, prefix, rest)
	}
	g := p.exact(value)
	switch {
	case g != nil:
	case p.goesAway(value):
		return p.giveBack(nil)
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
	case isXen && (xen == "" || p.options.Default == DefaultNixOS):
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
	return ok && name.Kind == esp.NixOS && !esp.IsGlob(value)
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
