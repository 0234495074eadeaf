package bootbuilder

import (
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// ReportSchema is the version of [Report] as JSON; docs/report.schema.json describes it.
// It grows with each change that a reader could trip over.
const ReportSchema = 2

// Report is a plan, or what became of it, in the form in which people and programs read it.
type Report struct {
	Schema      int                `json:"schema"`
	ESP         string             `json:"esp"`
	Boot        string             `json:"boot"`
	Layout      Layout             `json:"layout"`
	DryRun      bool               `json:"dryRun"`
	Changed     bool               `json:"changed"`
	Generations []GenerationReport `json:"generations"`
	LoaderConf  *LoaderReport      `json:"loaderConf"` // null where it stays as it is
	Removed     []FileReport       `json:"removed"`
	Warnings    []WarningReport    `json:"warnings"`
	Next        *NextReport        `json:"next,omitempty"`
	Summary     Summary            `json:"summary"`
	Space       *SpaceReport       `json:"space,omitempty"`
	// Written is how much was written, in bytes, and Seconds how long that took; 0 where nothing
	// happened yet.
	Written int64        `json:"written"`
	Seconds float64      `json:"seconds"`
	Steps   []StepReport `json:"steps,omitempty"`
	Error   string       `json:"error,omitempty"`
	Hint    string       `json:"hint,omitempty"`
}

// NextReport is what starts next.
type NextReport struct {
	Before Start  `json:"before"`          // as things were
	Now    Start  `json:"now"`             // at the next boot
	Then   *Start `json:"then,omitempty"`  // after that, where that differs: Now is on trial
	Trial  string `json:"trial,omitempty"` // id of the generation on trial
}

// Start is what starts, and why.
type Start struct {
	Entry      string `json:"entry"` // systemd-boot's id; "" if nothing is known to start
	Reason     string `json:"reason,omitempty"`
	Generation string `json:"generation,omitempty"` // id of its Xen entry, Xen or not
	Number     uint64 `json:"number,omitempty"`
	Profile    string `json:"profile,omitempty"`
	// Specialisation is that of the generation.
	Specialisation string `json:"specialisation,omitempty"`
	Variant        string `json:"variant,omitempty"`
	Xen            bool   `json:"xen"`
	XenVersion     string `json:"xenVersion,omitempty"`
}

// of notes whose entry it is.
func (s *Start) of(id string, f Facts) {
	s.Generation, s.Number, s.Profile, s.Specialisation = id, f.Number, f.Profile, f.Specialisation
	if s.Xen {
		s.XenVersion = f.XenVersion
	}
	if n, ok := bootname.Parse(bootname.Unified + "/" + s.Entry); ok {
		s.Variant = variantIn(n.ID)
	} else {
		s.Variant = variantIn(s.Entry)
	}
}

// variantIn is the variant in an entry's id, "" for none.
func variantIn(id string) string {
	n, _ := esp.ParseStem(strings.TrimSuffix(id, ".conf"))
	return n.Variant
}

// Summary counts generations by what became of their Xen entries.
type Summary struct {
	Added     int `json:"added"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Removed   int `json:"removed"`
	Kept      int `json:"kept"`
	Out       int `json:"out"`
}

// SpaceReport is the disk space on $BOOT, in bytes.
type SpaceReport struct {
	Free  int64 `json:"free"`
	Total int64 `json:"total"`
}

// StepReport is one step that was taken.
type StepReport struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

// State is what happens to a generation's Xen entry.
type State string

// The states.
const (
	Added     State = "added"
	Changed   State = "changed"
	Unchanged State = "unchanged"
	Removed   State = "removed" // its generation is gone, or has no Xen any more
	Kept      State = "kept"    // can't be rebuilt now, or was not asked for; what stands stays
	LeftOut   State = "out"     // has none, and gets none
)

// GenerationReport is one generation, or one Xen entry whose generation is gone.
type GenerationReport struct {
	ID         string       `json:"id"`
	Title      string       `json:"title,omitempty"`
	Version    string       `json:"version,omitempty"`
	Source     Source       `json:"source,omitempty"`
	File       string       `json:"file,omitempty"`
	Toplevel   string       `json:"toplevel,omitempty"`
	State      State        `json:"state"`
	Reason     Reason       `json:"reason,omitempty"` // why it has no new Xen entry
	Detail     string       `json:"detail,omitempty"`
	Default    bool         `json:"default"`
	Entry      string       `json:"entry,omitempty"` // id of the Xen entry
	Image      string       `json:"image,omitempty"`
	Files      []FileReport `json:"files,omitempty"`
	ConfigDiff string       `json:"configDiff,omitempty"`
	EntryDiff  string       `json:"entryDiff,omitempty"`
	Facts
	// Compared is what differs from the generation before it in its profile, of one that was
	// added or changed.
	Compared *Comparison `json:"compared,omitempty"`
}

// FileReport is one file on $BOOT.
type FileReport struct {
	Path   string   `json:"path"`
	Kind   FileKind `json:"kind"`
	Size   int64    `json:"size"` // bytes
	Action State    `json:"action"`
}

// LoaderReport is what loader.conf starts from now on.
type LoaderReport struct {
	Path string `json:"path"`
	Diff string `json:"diff"`
}

// WarningReport is a [Warning].
type WarningReport struct {
	Generation string `json:"generation,omitempty"`
	Message    string `json:"message"`
	Advice     bool   `json:"advice"`
}

// FileKind says what a file on $BOOT is for.
type FileKind = layout.FileKind

// The kinds, in the order in which they are written.
const (
	KindKernel              = layout.Kernel
	KindRamdisk             = layout.Ramdisk
	KindDevicetree          = layout.Devicetree
	KindExtra               = layout.Extra
	KindImage               = layout.Image
	KindConfig              = layout.Config
	KindEntry               = layout.Entry
	KindLoaderConf FileKind = "loader.conf"
	KindStaged     FileKind = "staged" // left behind by a run that was cut off
)

// Reason says in one word why a generation has no Xen entry.
type Reason = generation.Reason

// The reasons.
const (
	NoExtension       = generation.NoExtension
	BootspecMissing   = generation.BootspecMissing
	BootspecInvalid   = generation.BootspecInvalid
	EntryInvalid      = generation.EntryInvalid
	UnknownGeneration = generation.UnknownGeneration
	XenMissing        = generation.XenMissing
	ImageInvalid      = generation.ImageInvalid
	PayloadMissing    = generation.PayloadMissing
	UnverifiedInitrd  = generation.UnverifiedInitrd
	BadParameter      = generation.BadParameter
	Collision         = generation.Collision
	OverLimit         = generation.OverLimit
	NotSelected       = generation.NotSelected
	NoSpace           = generation.NoSpace
	// NotReached is of a generation that a failed or interrupted run did not get to.
	NotReached Reason = "not-reached"
)

// FailedReport is the report of an ESP that could not even be looked at.
func FailedReport(esp string, err error) *Report {
	return emptyReport(esp).WithError(err)
}

func emptyReport(esp string) *Report {
	return &Report{
		Schema: ReportSchema, ESP: esp, Boot: esp,
		Generations: []GenerationReport{}, Removed: []FileReport{}, Warnings: []WarningReport{},
	}
}

// WithError notes in a report what went wrong, if anything did.
func (r *Report) WithError(err error) *Report {
	if err != nil {
		r.Error, r.Hint = err.Error(), Hint(err)
	}
	return r
}

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
	for _, w := range p.warnings {
		r.Warnings = append(r.Warnings, WarningReport(w))
	}
	r.Changed = v.changed()
	r.Next = v.next()
	r.Summary = summarize(r.Generations)
	if space, err := p.target.Boot.Space(); err == nil {
		r.Space = &SpaceReport{Free: space.Free, Total: space.Total}
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

// next says what starts: by what loader.conf says now.
func (v reporter) next() *NextReport {
	p := v.p
	d := p.next
	before := v.start(d.Before)
	if v.done != nil && v.done.done.LoaderConf == transaction.ConfBefore && v.p.conf.changed(d) {
		return &NextReport{Before: before, Now: before} // the run did not get to it
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

// start describes an entry that starts.
func (v reporter) start(s nextboot.Start) Start {
	r := Start{Entry: s.ID, Reason: s.Reason(), Xen: s.Entry.Kind.Ours()}
	for _, o := range v.p.outcomes {
		if s.Entry.Toplevel == "" || o.Toplevel != s.Entry.Toplevel || o.variant.Name != "" {
			continue
		}
		f := factsOf(o.Generation)
		if e, ok := v.old[esp.KeyOf(o.ID)]; ok && f.XenVersion == "" { // its bootspec can't be read, or was not
			f.XenVersion = factsInstalled(e).XenVersion
		}
		r.of(o.ID, f)
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
		r.State, r.Entry, r.Image = Kept, e.EntryID(), v.p.target.Boot.Path(e.Image)
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
