package bootbuilder

import (
	"path"
	"strings"
)

// ReportSchema is the version of [Report] as JSON; docs/report.schema.json describes it.
// It grows with each change that a reader could trip over.
const ReportSchema = 1

// Report is a plan in the form in which people and programs read it.
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
	Error       string             `json:"error,omitempty"`
	Hint        string             `json:"hint,omitempty"`
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
	XenVersion string       `json:"xenVersion,omitempty"`
	Files      []FileReport `json:"files,omitempty"`
	ConfigDiff string       `json:"configDiff,omitempty"`
	EntryDiff  string       `json:"entryDiff,omitempty"`
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

// EmptyReport is the report of an ESP that could not even be looked at.
func EmptyReport(esp string) *Report {
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

// Report describes the plan: what it does, or did.
func (p *Plan) Report() *Report {
	r := EmptyReport(p.target.ESP.Path("."))
	r.Boot, r.Layout, r.Changed = p.target.Boot.Path("."), p.options.Layout, p.Changes()
	old := make(map[string]*installed)
	for _, e := range p.stock.entries {
		if o, ok := old[e.id]; !ok || o.broken != nil {
			old[e.id] = e
		}
	}
	for _, g := range p.Generations {
		r.Generations = append(r.Generations, p.reportGeneration(g, old))
	}
	r.Generations = append(r.Generations, p.reportGone()...)
	for _, name := range p.stale.payload {
		r.Removed = append(r.Removed, p.removedFile(name, kindByName(name)))
	}
	for _, e := range p.stale.entries {
		if e.entry != "" {
			r.Removed = append(r.Removed, p.removedFile(e.entry, KindEntry))
		}
	}
	for _, l := range p.stock.staged {
		r.Removed = append(r.Removed, FileReport{Path: l.path(), Kind: KindStaged, Action: Removed})
	}
	if p.loader.changes() {
		r.LoaderConf = &LoaderReport{
			Path: p.target.ESP.Path(loaderConf),
			Diff: unifiedDiff(loaderConf, p.loader.before, p.loader.after),
		}
	}
	for _, w := range p.Warnings {
		r.Warnings = append(r.Warnings, WarningReport(w))
	}
	return r
}

func (p *Plan) removedFile(name string, kind FileKind) FileReport {
	return FileReport{Path: p.target.Boot.Path(name), Kind: kind, Size: p.stale.sizes[name], Action: Removed}
}

func kindByName(name string) FileKind {
	base := path.Base(name)
	switch {
	case ourConfig.MatchString(base):
		return KindConfig
	case ourInitrd.MatchString(base):
		return KindRamdisk
	case ourCopy.MatchString(base):
		return KindKernel
	}
	return KindImage
}

// reportGeneration is one generation's part.
func (p *Plan) reportGeneration(g *Generation, old map[string]*installed) GenerationReport {
	r := GenerationReport{
		ID: g.ID, Title: g.Title, Version: g.Version, Source: g.Source, File: g.File,
		Toplevel: g.Toplevel, Default: g.isDefault, State: LeftOut,
	}
	if g.Out != nil {
		r.Reason, r.Detail = g.Out.Reason, g.Out.Text()
	}
	if g.Out != nil && g.Out.Reason == NoSpace {
		if e, ok := old[g.ID]; ok {
			r.State, r.Entry, r.Image = Kept, e.entryID, p.target.Boot.Path(e.image)
		}
		return r
	}
	if b := p.bundleOf(g); b != nil {
		p.reportBundle(&r, b, old[g.ID])
		return r
	}
	if e := p.keptOf(g); e != nil {
		r.State, r.Entry, r.Image = Kept, e.entryID, p.target.Boot.Path(e.image)
		return r
	}
	for _, e := range p.stale.entries {
		if strings.EqualFold(e.id, g.ID) {
			r.State, r.Entry = Removed, e.entryID
		}
	}
	return r
}

func (p *Plan) reportBundle(r *GenerationReport, b *bundle, before *installed) {
	r.Entry, r.Image, r.XenVersion = b.entryID, p.target.Boot.Path(b.image), b.version
	r.State = Unchanged
	for _, f := range b.all() {
		action := Unchanged
		switch {
		case f.exists && !f.current:
			action = Changed
		case !f.exists:
			action = Added
		}
		if action != Unchanged {
			r.State = Changed
		}
		r.Files = append(r.Files, FileReport{p.target.Boot.Path(f.name), f.kind, f.size, action})
	}
	if before == nil {
		before = &installed{}
		if r.State == Changed {
			r.State = Added
		}
	}
	r.ConfigDiff = unifiedDiff(b.gen.ID+".cfg", before.config, b.config)
	if b.entry != nil {
		r.EntryDiff = unifiedDiff(b.gen.ID+".conf", before.text, b.entry.text)
	} else if before.text != nil {
		r.EntryDiff = unifiedDiff(b.gen.ID+".conf", before.text, nil)
	}
}

// reportGone is the Xen entries that go because their generation is gone.
func (p *Plan) reportGone() []GenerationReport {
	known := make(map[string]bool)
	for _, g := range p.Generations {
		known[strings.ToLower(g.ID)] = true
	}
	var list []GenerationReport
	for _, e := range p.stale.entries {
		if known[strings.ToLower(e.id)] {
			continue
		}
		r := GenerationReport{ID: e.id, State: Removed, Entry: e.entryID, Image: p.target.Boot.Path(e.image)}
		if e.parsed != nil {
			r.Title, _ = e.parsed.Get("title")
			r.Version, _ = e.parsed.Get("version")
		}
		list = append(list, r)
	}
	return list
}
