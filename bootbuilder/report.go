package bootbuilder

import (
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
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
	OneShot     *OneShotReport     `json:"oneShot,omitempty"`
	Removed     []FileReport       `json:"removed"`
	Warnings    []Warning          `json:"warnings"`
	Next        *NextReport        `json:"next,omitempty"`
	Summary     Summary            `json:"summary"`
	Space       *SpaceReport       `json:"space,omitempty"`
	// Written is how much was written, in bytes, and Seconds how long that took; 0 where nothing
	// happened yet.
	Written int64        `json:"written"`
	Seconds float64      `json:"seconds"`
	Steps   []StepReport `json:"steps,omitempty"`
	// Stages are those of the plan, and signing, which is a part of writing.
	Stages []StepReport `json:"stages,omitempty"`
	Error  string       `json:"error,omitempty"`
	Hint   string       `json:"hint,omitempty"`
}

// OneShotReport is what became, or would become, of the EFI variable LoaderEntryOneShot. "" is a variable that is not set.
type OneShotReport struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// NextReport is what starts next.
type NextReport struct {
	Before Start  `json:"before"`          // as things were
	Now    Start  `json:"now"`             // at the next boot
	Then   *Start `json:"then,omitempty"`  // after that, where that differs: Now is started once
	Trial  string `json:"trial,omitempty"` // id of the generation on trial
}

// Start is what starts, and why.
type Start struct {
	Entry      string `json:"entry"` // systemd-boot's id without a boot counter; "" if nothing is known to start
	Reason     string `json:"reason,omitempty"`
	Generation string `json:"generation,omitempty"` // id of its Xen entry, Xen or not
	Number     uint64 `json:"number,omitempty"`
	Profile    string `json:"profile,omitempty"`
	// Specialisation is that of the generation.
	Specialisation string `json:"specialisation,omitempty"`
	Variant        string `json:"variant,omitempty"`
	Xen            bool   `json:"xen"`
	XenVersion     string `json:"xenVersion,omitempty"`
	// Proven is the day on which this Xen entry was blessed, "" for not yet. Of install only.
	Proven string `json:"proven,omitempty"`
}

// startOf is a decision in the words of a report. An id has no boot counter there, whatever systemd-boot's version makes of it.
func startOf(s nextboot.Start) Start {
	return Start{Entry: withoutTries(s.ID), Reason: s.Reason(), Xen: s.Entry.Kind.Ours()}
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

func emptyReport(esp string) *Report {
	return &Report{
		Schema: ReportSchema, ESP: esp, Boot: esp,
		Generations: []GenerationReport{}, Removed: []FileReport{}, Warnings: []Warning{},
	}
}
