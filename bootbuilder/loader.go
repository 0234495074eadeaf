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
	if b := p.bundleOf(g); b != nil {
		return b.entryID
	}
	e := p.keptOf(g)
	switch {
	case e == nil:
		return ""
	case e.entry != "":
		return e.id + ".conf" // a counter in its file name comes and goes
	}
	return e.entryID
}

// bundleOf is what was made for a generation, or nil.
func (p *Plan) bundleOf(g *Generation) *bundle {
	if i := slices.IndexFunc(p.bundles, func(b *bundle) bool { return b.gen == g }); i >= 0 {
		return p.bundles[i]
	}
	return nil
}

// keptOf is the entry that stays for a generation that was not made, or nil.
func (p *Plan) keptOf(g *Generation) *installed {
	if i := slices.IndexFunc(p.kept, func(e *installed) bool { return strings.EqualFold(e.id, g.ID) }); i >= 0 {
		return p.kept[i]
	}
	return nil
}

// planLoaderConf decides what loader.conf starts.
func (p *Plan) planLoaderConf() {
	l := &p.loader
	// One that is blank was left by a run that was cut off while it made it.
	if l.conf == nil || len(bytes.TrimSpace(l.before)) == 0 {
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
