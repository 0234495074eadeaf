package bootbuilder

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Install locks $BOOT, makes a plan and applies it: what the command's install does.
// The plan is returned wherever one could be made, so that it can be reported.
func Install(ctx context.Context, target Target, options Options, observer Observer) (*Plan, error) {
	unlock, err := lockWaiting(ctx, target)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p, err := NewPlan(ctx, target, options)
	if err != nil {
		return nil, err
	}
	return p, p.Apply(ctx, observer)
}

// Check says, without writing, what would keep [Plan.Apply] from succeeding: no room, a
// read-only file system, or a default generation that can't be built.
func (p *Plan) Check() error {
	if _, err := p.Steps(); err != nil {
		return fileHint(err)
	}
	return p.Failed()
}

// Apply brings $BOOT in line with the plan, in the order of package transaction: at any moment, and after a power
// cut at any moment, every entry names files that are complete. ctx ending stops the run at the next point where that is safe.
func (p *Plan) Apply(ctx context.Context, observer Observer) error {
	if !p.Changes() {
		return p.Failed()
	}
	steps, err := p.Steps()
	if err != nil {
		return fileHint(err)
	}
	_, err = steps.Run(ctx, transaction.Observer{
		Step: func(s transaction.Step) { observer.step("%v", s) },
		Progress: func(done, total int64, at transaction.Place) {
			if observer.Progress != nil {
				observer.Progress(done, total, at.Path())
			}
		},
	})
	if err != nil {
		p.noSpace(err)
		return fileHint(err)
	}
	return p.Failed()
}

// Steps are what applying the plan does.
func (p *Plan) Steps() (*transaction.Steps, error) {
	steps, err := transaction.Plan(p.change())
	p.noSpace(err)
	return steps, err
}

// noSpace says of the generations that are not complete why.
func (p *Plan) noSpace(err error) {
	var space *SpaceError
	if !errors.As(err, &space) {
		return
	}
	for _, b := range p.bundles {
		if slices.ContainsFunc(b.all(), func(f *file) bool { return !f.current }) {
			b.gen.Out = &Out{Reason: NoSpace}
		}
	}
}

// change is the plan as the transaction takes it.
func (p *Plan) change() transaction.Change {
	boot := p.target.Boot
	at := func(name string) transaction.Place { return transaction.Place{FS: boot, Name: name} }
	c := transaction.Change{ESP: p.target.ESP, Boot: boot, BootsWithoutStale: p.bootsWithoutStale()}
	for _, l := range p.stock.staged {
		c.Leftovers = append(c.Leftovers, transaction.Place{FS: l.fsys, Name: l.name})
	}
	for _, f := range p.writes {
		w := transaction.Write{Place: at(f.name), Size: f.size, Text: f.text, Fill: f.write, Exists: f.exists}
		switch {
		case f.kind == KindEntry:
			w.Kind = transaction.Entry
		case strings.EqualFold(path.Dir(f.name), unifiedDir):
			w.Kind = transaction.Image
		}
		c.Writes = append(c.Writes, w)
	}
	gone := make(map[string]bool)
	for _, e := range p.stale.entries {
		if e.entry != "" {
			c.StaleEntries = append(c.StaleEntries, at(e.entry))
		}
	}
	for _, name := range p.stale.payload {
		gone[strings.ToLower(name)] = true
		if strings.EqualFold(path.Dir(name), unifiedDir) {
			c.StaleImages = append(c.StaleImages, at(name))
		} else {
			c.StalePayload = append(c.StalePayload, at(name))
		}
	}
	if p.removal {
		if _, err := boot.Stat(payloadDir); err == nil {
			c.StaleDirectories = append(c.StaleDirectories, at(payloadDir))
		}
	}
	var blank []*installed
	for _, e := range p.stock.entries {
		if e.entry != "" && len(e.text) > 0 && !slices.Contains(p.stale.entries, e) &&
			slices.ContainsFunc(e.refs, func(ref string) bool { return gone[strings.ToLower(ref)] }) {
			blank = append(blank, e)
			c.Blank = append(c.Blank, at(e.entry))
		}
	}
	if p.loader.changes() || len(blank) > 0 {
		c.LoaderConf = &transaction.ConfChange{
			Place:  transaction.Place{FS: p.target.ESP, Name: loaderConf},
			Before: p.loader.before, After: p.loader.after, Detour: p.detour(blank),
		}
	}
	return c
}

// detour is loader.conf while neither what is stale nor what is new is there: it starts the NixOS entry of the same generation.
func (p *Plan) detour(blank []*installed) []byte {
	if p.loader.conf == nil {
		return nil
	}
	conf := esp.ParseLoaderConf(p.loader.before)
	for _, key := range []string{"preferred", "default"} {
		value, ok := conf.Get(key)
		if !ok {
			continue
		}
		away := p.goesAway(value) || slices.ContainsFunc(blank, func(e *installed) bool {
			return names(value, e.entryID) || esp.IsGlob(value) && esp.MatchPattern(value, e.entryID)
		})
		if away && conf.Set(key, p.giveBack(p.exact(value))) != nil {
			return nil
		}
	}
	return conf.Bytes()
}
