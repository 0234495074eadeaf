package bootbuilder

import (
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/proven"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Report describes the plan: what happened, given the record of [Plan.Apply], or what would happen
// where there is none.
func (p *Plan) Report(done *Record) *Report {
	v := reporter{p: p, done: done, old: make(map[esp.Key]installed.Entry)}
	for _, e := range p.inventory.Entries {
		if o, ok := v.old[esp.KeyOf(e.ID)]; !ok || o.Broken != nil {
			v.old[esp.KeyOf(e.ID)] = e
		}
	}
	return v.report()
}

// reporter makes a report.
type reporter struct {
	p    *Plan
	done *Record // nil: of what would happen
	old  map[esp.Key]installed.Entry
}

// wrote reports whether a file is, or would be, written.
func (v reporter) wrote(at transaction.Place) bool {
	return v.done == nil || v.done.done.HasWritten(at)
}

func (v reporter) removed(at installed.Place) bool {
	return v.done == nil || v.done.done.HasRemoved(placeOf(at))
}

func (v reporter) report() *Report {
	p := v.p
	r := emptyReport(p.target.ESP.Path("."))
	r.Boot, r.Layout = p.target.Boot.Path("."), p.options.Layout
	for i, o := range p.outcomes {
		g := v.generation(o)
		g.Facts = factsOf(o.Generation)
		g.Variant = o.variant.Name
		if before := previous(p.outcomes, i); before != nil && o.variant.Name == "" && (g.State == Added || g.State == Changed) {
			g.Compared = compareGenerations(*before, o.Generation, p.options.Layout)
		}
		r.Generations = append(r.Generations, g)
	}
	r.Generations = append(r.Generations, v.gone()...)
	remove := func(at installed.Place, kind FileKind) {
		if v.removed(at) {
			r.Removed = append(r.Removed, FileReport{Path: at.Path(), Kind: kind, Size: sizeAt(at, p.verdict), Action: Removed})
		}
	}
	for _, at := range p.verdict.payload {
		remove(at, kindByName(at.Name))
	}
	for _, e := range p.verdict.entries {
		kind := KindEntry
		if e.IsImage() {
			kind = KindImage
		}
		remove(e.Place(), kind)
	}
	for _, at := range p.verdict.leftover {
		remove(at, KindStaged)
	}
	r.LoaderConf = v.loaderConf()
	r.OneShot = v.oneShot()
	r.Warnings = append(r.Warnings, p.warnings...)
	r.Changed = v.changed()
	r.Next = v.next()
	r.Summary = summarize(r.Generations)
	if space, err := p.target.Boot.Space(); err == nil {
		r.Space = &SpaceReport{Free: space.Free, Total: space.Total}
	}
	r.Stages = p.Stages()
	if v.done != nil && v.done.sign > 0 {
		r.Stages = append(r.Stages, StepReport{StageSign, v.done.sign.Seconds()})
	}
	if v.done != nil {
		r.Written = v.done.done.Bytes
		for _, step := range v.done.done.Steps {
			r.Steps = append(r.Steps, StepReport{step.String(), step.Took.Seconds()})
			r.Seconds += step.Took.Seconds()
		}
	}
	return r
}

func summarize(list []GenerationReport) (s Summary) {
	for _, g := range list {
		switch g.State {
		case Added:
			s.Added++
		case Changed:
			s.Changed++
		case Unchanged:
			s.Unchanged++
		case Removed:
			s.Removed++
		case Kept:
			s.Kept++
		case LeftOut:
			s.Out++
		}
	}
	return s
}

// next says what starts, or would start.
func (v reporter) next() *NextReport {
	p := v.p
	d := p.next
	before := v.start(d.Before)
	if v.done != nil && !v.done.ended || v.done == nil && p.space != nil {
		now, err := v.startsNow()
		if err != nil {
			return nil
		}
		return &NextReport{Before: before, Now: v.start(now)}
	}
	n := &NextReport{Before: before, Now: v.start(d.Next)}
	if v.done != nil && p.arm.value != "" && !v.done.armed {
		n.Now = v.start(d.Then) // the run did not get to arm it
		return n
	}
	if d.Then.ID != d.Next.ID {
		then := v.start(d.Then)
		n.Then = &then
	}
	if all := mains(v.p.outcomes); d.Trial >= 0 && d.Trial < len(all) {
		n.Trial = all[d.Trial].ID
	}
	return n
}

// startsNow is what starts after a run that did not get to its end: by what it left.
func (v reporter) startsNow() (nextboot.Start, error) {
	p := v.p
	if !v.changed() || v.done == nil {
		return p.next.Before, nil
	}
	inv, err := readInventory(p.target)
	if err != nil {
		return nextboot.Start{}, err
	}
	conf, err := readLoaderConf(p.target)
	if err != nil {
		return nextboot.Start{}, err
	}
	entries, _ := menuOf(p.target, inv)
	return nextboot.Starts(conf.text, p.firmware.vars, entries, installedLoader(p.target.ESP)), nil
}

// oneShot is what became, or would become, of LoaderEntryOneShot.
func (v reporter) oneShot() *OneShotReport {
	if v.p.arm == (arming{}) || v.done != nil && !v.done.armed {
		return nil
	}
	return &OneShotReport{Before: v.p.firmware.vars.OneShot, After: v.p.arm.value}
}

// start describes an entry that starts.
func (v reporter) start(s nextboot.Start) Start {
	r := startOf(s)
	var all []generation.Generation
	for _, o := range mains(v.p.outcomes) {
		all = append(all, o.Generation)
	}
	if g := pick(s.Entry.Toplevel, s.Entry.File, all); g != nil {
		f := factsOf(*g)
		if e, ok := v.old[esp.KeyOf(g.ID)]; ok && f.XenVersion == "" { // its bootspec can't be read, or was not
			f.XenVersion = factsInstalled(e).XenVersion
		}
		r.of(g.ID, f)
	}
	i := slices.IndexFunc(v.p.record.Proofs, func(q proven.Proof) bool { return q.Toplevel == s.Entry.Toplevel })
	if i >= 0 && r.Xen && r.Variant == "" {
		r.Proven = v.p.record.Proofs[i].Date
	}
	return r
}

func (v reporter) changed() bool {
	if v.done == nil {
		return v.p.changes()
	}
	d := v.done.done
	// An empty directory that a run left before it was interrupted is nothing.
	return len(d.Written)+len(d.Removed)+len(d.Blanked) > 0 || d.LoaderConf != transaction.ConfBefore || v.done.armed
}

// loaderConf is what became, or would become, of loader.conf.
func (v reporter) loaderConf() *LoaderReport {
	after := v.p.next.Conf
	if v.done != nil {
		switch v.done.done.LoaderConf {
		case transaction.ConfBefore:
			after = nil
		case transaction.ConfDetour:
			after = v.p.next.Detour.Conf
		}
	}
	if after == nil || string(after) == string(v.p.conf.text) {
		return nil
	}
	return &LoaderReport{
		Path: v.p.target.ESP.Path(bootname.LoaderConf),
		Diff: unifiedDiff(bootname.LoaderConf, v.p.conf.text, after),
	}
}

func sizeAt(at installed.Place, v verdict) int64 { return v.sizes[at] }

func kindByName(name string) FileKind {
	n, _ := bootname.Parse(name)
	switch n.Kind {
	case bootname.Config:
		return KindConfig
	case bootname.Ramdisk:
		return KindRamdisk
	case bootname.Copy:
		return KindKernel
	}
	return KindImage
}

// generation is one generation's part.
func (v reporter) generation(o outcome) GenerationReport {
	d := o.Menu()
	r := GenerationReport{
		ID: o.ID, Title: d.Title, Version: d.Version, Source: o.Source(), File: o.File(),
		Toplevel: o.Toplevel, Default: o.isDefault, State: LeftOut,
	}
	old, had := v.old[esp.KeyOf(o.ID)]
	switch {
	case o.skip != nil:
		r.Reason, r.Detail = o.skip.Reason, o.skip.Error()
	case v.done == nil && v.p.space != nil && needsWriting(o):
		r.Reason, r.Detail = NoSpace, (&generation.Skip{Reason: NoSpace}).Error()
		if had {
			r.State, r.Entry, r.Image = Kept, old.EntryID(), v.p.target.Boot.Path(old.Image)
		}
		return r
	default:
		v.built(&r, o, old, had)
		return r
	}
	if e := v.p.verdict.keptFor(o.Generation); e != nil {
		r.State, r.Entry, r.Image = Kept, e.EntryID(), e.FS.Path(e.Image)
		return r
	}
	for _, e := range v.p.verdict.entries {
		if sameID(e.ID, o.ID) && v.removed(e.Place()) {
			r.State, r.Entry = Removed, e.EntryID()
		}
	}
	return r
}

func needsWriting(o outcome) bool {
	if o.files == nil {
		return false
	}
	for _, f := range o.files.files {
		if f.state != same {
			return true
		}
	}
	return false
}

// built is the part of a generation that has its files.
func (v reporter) built(r *GenerationReport, o outcome, old installed.Entry, had bool) {
	b := o.files
	r.Entry, r.Image = b.EntryID, v.p.target.Boot.Path(b.Image)
	r.State = Unchanged
	reached := true
	for _, f := range b.files {
		action := Unchanged
		switch f.state {
		case differs:
			action = Changed
		case missing:
			action = Added
		}
		if action != Unchanged {
			if !v.wrote(transaction.Place{FS: v.p.target.Boot, Name: f.Name}) {
				reached = false
				continue
			}
			r.State = Changed
		}
		r.Files = append(r.Files, FileReport{v.p.target.Boot.Path(f.Name), f.Kind, f.size, action})
	}
	if !reached {
		r.State, r.Entry, r.Reason, r.Detail = LeftOut, "", NotReached, "the run ended before it was done"
		if had && !v.goneOrBlank(old) {
			r.State, r.Entry, r.Image = Kept, old.EntryID(), v.p.target.Boot.Path(old.Image)
		}
		return
	}
	if !had && r.State == Changed {
		r.State = Added
	}
	if r.State == Unchanged {
		return
	}
	r.ConfigDiff = unifiedDiff(o.ID+".cfg", old.Config, b.Config)
	switch {
	case b.Entry != nil:
		r.EntryDiff = unifiedDiff(o.ID+".conf", unpadded(old.Text), unpadded(b.EntryText))
	case old.Text != nil:
		r.EntryDiff = unifiedDiff(o.ID+".conf", unpadded(old.Text), nil)
	}
}

// goneOrBlank reports whether an old entry is no entry any more.
func (v reporter) goneOrBlank(e installed.Entry) bool {
	for _, at := range v.done.done.Blanked {
		if at == placeOf(e.Place()) {
			return true
		}
	}
	return v.done.done.HasRemoved(placeOf(e.Place()))
}

// gone is the Xen entries that go because their generation is gone.
func (v reporter) gone() []GenerationReport {
	known := make(map[esp.Key]bool)
	for _, o := range v.p.outcomes {
		known[esp.KeyOf(o.ID)] = true
	}
	var list []GenerationReport
	for _, e := range v.p.verdict.entries {
		if known[esp.KeyOf(e.ID)] || !v.removed(e.Place()) {
			continue
		}
		list = append(list, GenerationReport{
			ID: e.ID, State: Removed, Entry: e.EntryID(), Image: e.FS.Path(e.Image), Title: e.Title, Version: e.Version,
			Facts: factsInstalled(e),
		})
	}
	return list
}
