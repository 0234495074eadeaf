package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// compareWithPlans finds what differs from what an install would write now, and what would repair it.
func (i *inspector) compareWithPlans(ctx context.Context) error {
	for _, lay := range i.layouts() {
		verdicts, err := i.judge(ctx, lay)
		if err != nil {
			return err
		}
		for n, v := range verdicts {
			i.result.Entries[n].fault(Outdated, v.outdated)
			i.result.Entries[n].Hint = v.repair
		}
	}
	return nil
}

// judgement is what an install would do to an entry.
type judgement struct {
	outdated error
	same     bool   // it would write just what is there
	repair   string // of an entry that is broken or forged
}

// judge holds the entries of a layout against an install. No file says with which flags the last one was run: where they are
// not given, one counts that would write every entry just as it is, and else the most likely one.
func (i *inspector) judge(ctx context.Context, lay Layout) (map[int]judgement, error) {
	var first map[int]judgement
	for n, o := range i.ways(lay) {
		verdicts, err := i.judgeBy(ctx, o)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && n == 0 {
			i.result.Problems = append(i.result.Problems, fmt.Sprintf("an install would fail: %v", err))
			return nil, nil
		}
		if err != nil {
			continue
		}
		if n == 0 {
			first = verdicts
		}
		if n == 0 && !slices.ContainsFunc(slices.Collect(maps.Values(verdicts)), judgement.isOutdated) {
			break
		}
		if n > 0 && !slices.ContainsFunc(slices.Collect(maps.Values(verdicts)), judgement.isUnlike) {
			return verdicts, nil
		}
	}
	return first, nil
}

func (j judgement) isOutdated() bool { return j.outdated != nil }
func (j judgement) isUnlike() bool   { return !j.same }

// ways are the installs that may have written what is there, the most likely one first.
func (i *inspector) ways(lay Layout) []Options {
	o := Options{
		Root: i.options.Root, From: i.from, Layout: lay, Default: DefaultKeep, DryRun: true, Secrets: SecretsRun, SignUnverifiedInitrds: true,
		Variants: i.options.Variants, KeepDebug: i.options.KeepDebug,
	}
	if lay == LayoutUnified {
		o.Certificate = i.options.Certificate
	}
	list := []Options{o}
	if i.from == FromAuto && i.system.Links {
		for _, o.From = range []Source{FromProfiles, FromEntries, FromLanzaboote} {
			list = append(list, o)
		}
	}
	if !i.options.KeepDebug {
		for _, o := range list[:len(list):len(list)] {
			o.KeepDebug = true
			list = append(list, o)
		}
	}
	return list
}

// judgeBy plans an install, and says what it would do to each entry.
func (i *inspector) judgeBy(ctx context.Context, o Options) (_ map[int]judgement, err error) {
	if o, err = o.normal(); err != nil {
		return nil, err
	}
	res := &resources{}
	defer func() {
		if cerr := res.close(); err == nil {
			err = cerr
		}
	}()
	p, err := newPlan(ctx, i.target, o, res)
	if err != nil {
		return nil, err
	}
	verdicts := make(map[int]judgement)
	for n, e := range i.shown {
		if e.Layout != o.Layout {
			continue
		}
		switch s := i.result.Entries[n]; {
		case s.Health == Broken || s.Health == Forged:
			verdicts[n] = judgement{repair: i.repair(e, s, p), same: p.builtFor(e) != nil}
		case s.Health == OK && i.isPlanned(e, s):
			verdicts[n] = judgement{outdated: i.outdated(e, p), same: p.leaves(e)}
		}
	}
	return verdicts, nil
}

// isPlanned reports whether it is known what an install would write for an entry.
func (i *inspector) isPlanned(e installed.Entry, s EntryStatus) bool {
	return !i.isUnknownVariant(s) && !i.isUnknownSigned(e)
}

// isUnknownVariant is of an extra entry where it is not known which ones there should be.
func (i *inspector) isUnknownVariant(s EntryStatus) bool {
	return s.Variant != "" && i.options.Variants == nil
}

// isUnknownSigned is of a signed image without the certificate: what an install with the key would write is not known.
func (i *inspector) isUnknownSigned(e installed.Entry) bool {
	return i.options.Certificate == nil && e.IsImage() && e.Item.Image != nil && e.Item.Image.Signed
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

// outdated says what an install would do to an entry.
func (i *inspector) outdated(e installed.Entry, p *Plan) error {
	if b := p.builtFor(e); b != nil {
		if lay, _ := bootname.Parse(e.Image); lay.Script && i.byScript(e) {
			return fmt.Errorf("%s: made by nixpkgs' script; an install makes it anew", e.FS.Path(e.Image))
		}
		for _, f := range b.files {
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

// builtFor is what an install would write under an entry's id, or nil. One that starts another system is to start this one.
func (p *Plan) builtFor(e installed.Entry) *built {
	for _, o := range p.outcomes {
		if o.files != nil && sameID(e.ID, o.ID) {
			return o.files
		}
	}
	return nil
}

// leaves reports whether an install would write an entry just as it is.
func (p *Plan) leaves(e installed.Entry) bool {
	b := p.builtFor(e)
	return b != nil && !slices.ContainsFunc(b.files, func(f plannedFile) bool { return f.state != same })
}

// repair says what repairs an entry that can't boot or is forged: an install, as far as it sees what is wrong. It reads no byte
// of a kernel whose name is right, neither in an image of EFI/Linux nor where NixOS' installer put one.
func (i *inspector) repair(e installed.Entry, s EntryStatus, p *Plan) string {
	b := p.builtFor(e)
	seen := b != nil && !p.leaves(e)
	switch {
	case i.toplevelGone[e.File]:
		if p.verdict.goes(e) {
			return "an install removes it"
		}
		return fmt.Sprintf("run nix-store --repair-path %s, or delete its generation: its system is not complete", e.Toplevel)
	case errors.Is(e.Broken, esp.ErrNotRegular):
		return fmt.Sprintf("delete %s, then install as before", e.FS.Path(e.Image))
	case e.IsImage() && (i.isUnknownSigned(e) || i.isUnknownVariant(s) || b != nil && !seen):
		return fmt.Sprintf("delete %s, then install as before: no kernel is read of an image whose name is right", e.FS.Path(e.File))
	case i.isUnknownVariant(s):
		return "an install with its --variant writes it anew"
	case i.damaged[e.File] != "":
		return fmt.Sprintf("delete %s, then run nixos-rebuild boot: no installer reads a kernel whose name is right", e.FS.Path(i.damaged[e.File]))
	case seen:
		return "an install writes it anew"
	case b == nil && p.verdict.goes(e):
		return "an install removes it"
	}
	return ""
}

// byScript reports whether an image has no CheckSum, which those made here have.
func (i *inspector) byScript(e installed.Entry) bool {
	set, _, err := i.reader.CheckSum(e.Image)
	return err == nil && !set
}
