package bootbuilder

import (
	"context"
	"fmt"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
)

// compareWithPlan finds what differs from what an install would write now.
func (i *inspector) compareWithPlan(ctx context.Context) error {
	for _, lay := range i.layouts() {
		o := Options{Root: i.options.Root, Layout: lay, Default: DefaultKeep, DryRun: true, Secrets: SecretsRun, SignUnverifiedInitrds: true}
		if lay == LayoutUnified {
			o.Certificate = i.options.Certificate
		}
		o, err := o.normal()
		if err != nil {
			return err
		}
		res := &resources{}
		p, err := newPlan(ctx, i.target, o, res)
		if err == nil {
			i.comparePlan(lay, p)
		} else if ctx.Err() == nil {
			i.result.Problems = append(i.result.Problems, fmt.Sprintf("an install would fail: %v", err))
		}
		if cerr := res.close(); cerr != nil {
			return cerr
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// layouts are those that are in use.
func (i *inspector) layouts() []Layout {
	var list []Layout
	for _, lay := range []Layout{LayoutShared, LayoutEmbedded, LayoutUnified} {
		for _, e := range i.inv.Entries {
			if e.Layout == lay {
				list = append(list, lay)
				break
			}
		}
	}
	return list
}

// comparePlan says of each entry whether an install would leave it as it is.
func (i *inspector) comparePlan(lay Layout, p *Plan) {
	for n, e := range i.inv.Entries {
		status := &i.result.Entries[n]
		if e.Layout != lay || status.Health != OK || status.Variant != "" {
			continue
		}
		if e.IsImage() && e.Item.Image.Signed && i.options.Certificate == nil {
			continue // what an install with the key would write is not known
		}
		status.fault(Outdated, i.outdated(e, p))
	}
}

// outdated says what an install would do to an entry.
func (i *inspector) outdated(e installed.Entry, p *Plan) error {
	for _, o := range p.outcomes {
		if o.files == nil || !sameID(e.ID, o.ID) { // one that starts another system is to start this one
			continue
		}
		if lay, _ := bootname.Parse(e.Image); lay.Script && i.byScript(e) {
			return fmt.Errorf("%s: made by nixpkgs' script; an install makes it anew", e.FS.Path(e.Image))
		}
		for _, f := range o.files.files {
			if f.state == differs {
				return fmt.Errorf("%s: is not what an install would write now", e.FS.Path(f.Name))
			}
			if f.state == missing && f.Kind == KindImage {
				return fmt.Errorf("%s: is not what an install would write now: %s", e.FS.Path(e.Image), e.FS.Path(f.Name))
			}
			if f.state == missing {
				return fmt.Errorf("%s: an install would write %s", e.FS.Path(e.File), e.FS.Path(f.Name))
			}
		}
		return nil
	}
	if p.verdict.goes(e) {
		return fmt.Errorf("%s: its generation is gone, or has no Xen any more; an install removes it", e.FS.Path(e.File))
	}
	return nil
}

// byScript reports whether an image has no CheckSum, which those made here have.
func (i *inspector) byScript(e installed.Entry) bool {
	set, _, err := i.reader.CheckSum(e.Image)
	return err == nil && !set
}
