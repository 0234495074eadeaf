package bootbuilder

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// staleFiles are files of ours that nothing needs any more.
type staleFiles struct {
	entries []*installed
	payload []string
	sizes   map[string]int64
}

// keepStanding keeps the whole entries of generations that can't be rebuilt now, or that
// were not asked for.
func (p *Plan) keepStanding() {
	keep := make(map[string]bool)
	for _, g := range p.Generations {
		if g.Out != nil && (g.Out.Wrong() || g.Out.Reason == NotSelected) {
			keep[strings.ToLower(g.ID)] = true
		}
	}
	for _, b := range p.bundles {
		delete(keep, strings.ToLower(b.gen.ID)) // of a collision, one is in
	}
	for _, e := range p.stock.entries {
		if keep[strings.ToLower(e.id)] && (e.broken == nil || unreadable(e.broken)) {
			p.kept = append(p.kept, e)
		}
	}
}

// findStale finds what of ours nothing needs any more. Where no generation at all was
// found, the installer before us most likely failed: then nothing is stale.
func (p *Plan) findStale() error {
	p.stale.sizes = make(map[string]int64)
	if !p.decisive() {
		return nil
	}
	needed := make(map[string]bool)
	need := func(name string) { needed[strings.ToLower(name)] = true }
	for _, b := range p.bundles {
		for _, f := range b.all() {
			need(f.name)
		}
		need(b.image)
	}
	for _, e := range p.kept {
		need(e.entry)
		for _, ref := range e.refs {
			need(ref)
		}
	}
	isNeeded := func(name string) bool { return needed[strings.ToLower(name)] }
	if !p.anyStale(isNeeded) {
		return nil
	}
	err := p.stock.unreadable()
	if err == nil {
		err = p.neededByOthers(need)
	}
	if err != nil {
		// What can't be read may be what a removal would break.
		p.Warnings = append(p.Warnings, Warning{Message: fmt.Sprintf("nothing is removed: %v", err)})
		return nil
	}
	for _, e := range p.stock.entries {
		if !isNeeded(e.file()) {
			p.stale.entries = append(p.stale.entries, e)
			p.stale.size(p.target.Boot, e.file())
		}
	}
	for _, name := range p.stock.payload {
		if !isNeeded(name) {
			p.stale.payload = append(p.stale.payload, name)
			p.stale.size(p.target.Boot, name)
		}
	}
	return nil
}

// anyStale spares a run that removes nothing the reading of everybody's entries.
func (p *Plan) anyStale(isNeeded func(string) bool) bool {
	return slices.ContainsFunc(p.stock.entries, func(e *installed) bool { return !isNeeded(e.file()) }) ||
		slices.ContainsFunc(p.stock.payload, func(name string) bool { return !isNeeded(name) })
}

// unreadable reports whether err says that something could not be read, as opposed to that it
// is not there or not whole.
func unreadable(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && errno != syscall.ENOENT && errno != syscall.ENOTDIR
}

// decisive reports whether what is not planned is stale.
func (p *Plan) decisive() bool { return p.removal || len(p.Generations) > 0 }

func (s *staleFiles) size(boot esp.FS, name string) {
	if info, err := boot.Stat(name); err == nil {
		s.sizes[name] = info.Size()
	}
}

// neededByOthers notes what entries that are not ours name: a hand-written entry may
// well start a kernel or an image of ours.
func (p *Plan) neededByOthers(need func(string)) error {
	list, err := listDirectory(p.target.Boot, entriesDir)
	if err != nil {
		return err
	}
	ours := make(map[string]bool)
	for _, e := range p.stock.entries {
		ours[e.entry] = true
	}
	for _, d := range list {
		name := path.Join(entriesDir, d.Name())
		if ours[name] || d.IsDir() || !strings.EqualFold(path.Ext(name), ".conf") {
			continue
		}
		text, err := esp.ReadFile(p.target.Boot, name, maxEntry)
		if unreadable(err) {
			return err
		}
		if err != nil {
			continue // no file, or no entry for systemd-boot either
		}
		e, err := esp.ParseEntry(text)
		if err != nil {
			continue
		}
		for _, key := range []string{"efi", "linux", "initrd", "uki", "devicetree"} {
			for _, value := range e.All(key) {
				if file, ok := esp.BootPath(value); ok {
					need(file)
				}
			}
		}
		if cfg, ok := strings.CutPrefix(e.Options(), configOption); ok {
			need(path.Join(payloadDir, cfg))
		}
	}
	return nil
}
