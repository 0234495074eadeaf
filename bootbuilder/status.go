package bootbuilder

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/efivars"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/proven"
)

// StatusReport is how a machine is doing, in one piece: for a screen, or a ticket.
type StatusReport struct {
	Schema int    `json:"schema"`
	ESP    string `json:"esp"`
	Boot   string `json:"boot"`
	// Running is the system that asks; null where the partition is another machine's.
	Running *Running `json:"running"`
	// Loader is the systemd-boot on the ESP, "" where it does not say.
	Loader string `json:"loader,omitempty"`
	// Started is the entry that the running system was started by, where systemd-boot says so.
	Started *Start `json:"started,omitempty"`
	// Next starts at the next boot, and Then after that, where it differs.
	Next *Start `json:"next,omitempty"`
	Then *Start `json:"then,omitempty"`
	// Trial is what was put on trial and has not proven itself yet.
	Trial *TrialStatus `json:"trial,omitempty"`
	// Proven are the generations that have proven themselves on Xen, the last one first.
	Proven []ProvenStatus `json:"proven"`
	// Newest is the newest generation of the system.
	Newest *NewestStatus `json:"newest,omitempty"`
	// SecureBoot is whether the firmware enforces signatures.
	SecureBoot SecureBoot `json:"secureBoot"`
	// Layouts are those of the Xen entries on $BOOT, Entries is how many those are, Broken how many of them
	// name something that is not there.
	Layouts []Layout     `json:"layouts"`
	Entries int          `json:"entries"`
	Broken  int          `json:"broken"`
	Space   *SpaceReport `json:"space,omitempty"`
	// LastRun is when something of ours was last written on $BOOT, in UTC (RFC 3339).
	LastRun string `json:"lastRun,omitempty"`
	// Todo is what to do, the most pressing first; empty where all is well.
	Todo []Todo `json:"todo"`
	// Notes are what could not be found out, and why.
	Notes []string `json:"notes"`
	Error string   `json:"error,omitempty"`
	Hint  string   `json:"hint,omitempty"`
}

// Running is the system that is running.
type Running struct {
	Xen     bool   `json:"xen"`               // Xen runs below it, and it is domain 0
	Guest   bool   `json:"guest"`             // Xen runs below it, and it is another domain
	Version string `json:"version,omitempty"` // Xen's
}

// TrialStatus is a generation on trial.
type TrialStatus struct {
	Toplevel string `json:"toplevel"`
	Number   uint64 `json:"number,omitempty"`
	Since    string `json:"since"` // day
	Armed    bool   `json:"armed"` // it starts at the next boot
	Running  bool   `json:"running"`
}

// ProvenStatus is a generation that has proven itself.
type ProvenStatus struct {
	Toplevel string `json:"toplevel"`
	Number   uint64 `json:"number,omitempty"`
	Date     string `json:"date"`
}

// NewestStatus is the newest generation of the system profile.
type NewestStatus struct {
	Generation string `json:"generation"`
	Facts
	Entry  string `json:"entry,omitempty"`  // its Xen entry
	Reason Reason `json:"reason,omitempty"` // why it has none
	Detail string `json:"detail,omitempty"`
}

// SecureBoot is what the firmware does with images that are not signed.
type SecureBoot string

// The states.
const (
	SecureBootOn      SecureBoot = "on"
	SecureBootOff     SecureBoot = "off"
	SecureBootUnknown SecureBoot = "unknown"
)

// Todo is one thing that is to be done, for programs and translators.
type Todo string

// What there may be to do.
const (
	TodoVerify   Todo = "verify"    // an entry is broken
	TodoInstall  Todo = "install"   // the newest generation has Xen, and no entry
	TodoEnable   Todo = "enable"    // no generation has Xen
	TodoSign     Todo = "sign"      // Secure Boot is on, and what starts is not signed
	TodoBless    Todo = "bless"     // what runs is on trial
	TodoReboot   Todo = "reboot"    // another system than the running one starts next
	TodoFirmware Todo = "variables" // an EFI variable outranks loader.conf
)

// StatusOptions say what [Status] looks at.
type StatusOptions struct {
	// Root is the root directory of the NixOS system.
	Root string
	// From is where generations come from, as in [Options].
	From Source
	// EFIVars and Sys are efivarfs and sysfs of the running machine, "" where the partition is another's.
	EFIVars, Sys string
}

// Status says how a machine is doing. It reads $BOOT, the root and the firmware's variables, and writes nothing.
// Without a root that fits it says what can be said.
func Status(ctx context.Context, target Target, options StatusOptions) (*StatusReport, error) {
	i, err := newInspector(target, InspectOptions{Root: options.Root, From: options.From, EFIVars: options.EFIVars}, withoutRoot)
	if err != nil {
		return nil, err
	}
	defer i.close()
	r := &StatusReport{
		Schema: ReportSchema, ESP: i.result.ESP, Boot: i.result.Boot, Started: i.result.Runs, Next: i.result.Starts,
		SecureBoot: secureBootOf(i.fw), Space: i.result.Space, Notes: i.result.Notes,
		Proven: []ProvenStatus{}, Layouts: []Layout{}, Todo: []Todo{},
	}
	if options.Sys != "" {
		r.Running = readRunning(options.Sys)
	}
	if r.Loader = i.fw.loader; r.Loader == "" {
		r.Loader, _ = efivars.Installed(i.target.ESP)
	}
	if vars := i.world.input.Vars; vars.OneShot != "" {
		vars.OneShot = ""
		then := nextboot.Starts(i.conf.text, vars, i.menu, i.world.input.Version)
		if then.ID != i.start.ID && then.ID != "" {
			r.Then = i.describe(then)
		}
	}
	i.trialStatus(r)
	i.countEntries(r)
	r.Newest = i.newest()
	r.Todo = append(r.Todo, i.todo(r)...)
	return r, ctx.Err()
}

func secureBootOf(f firmwareState) SecureBoot {
	switch {
	case !f.state.Known:
		return SecureBootUnknown
	case f.state.Enabled:
		return SecureBootOn
	}
	return SecureBootOff
}

// readRunning says whether Xen runs below this system (Linux, Documentation/ABI/stable/sysfs-hypervisor-xen).
func readRunning(sys string) *Running {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(sys, "hypervisor", name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(text))
	}
	r := &Running{}
	if read("type") != "xen" {
		return r
	}
	r.Xen = runsXen(sys)
	r.Guest = !r.Xen
	if major, minor := read("version/major"), read("version/minor"); major != "" && minor != "" {
		r.Version = major + "." + minor + read("version/extra")
	}
	return r
}

// trialStatus says what is on trial and what has proven itself.
func (i *inspector) trialStatus(r *StatusReport) {
	record, _, err := readProven(i.target.Boot)
	if err != nil {
		r.Notes = append(r.Notes, "what has proven itself is not known: "+err.Error())
		return
	}
	number := func(toplevel string) uint64 {
		if g := i.generationOf(toplevel, ""); g != nil {
			return g.Name.Generation
		}
		for _, e := range i.inv.Entries {
			if e.Toplevel == toplevel {
				return factsInstalled(e).Number
			}
		}
		return 0
	}
	for _, p := range record.Proofs {
		r.Proven = append(r.Proven, ProvenStatus{Toplevel: p.Toplevel, Number: number(p.Toplevel), Date: p.Date})
	}
	if record.Trial == "" || isProven(record, record.Trial) {
		return
	}
	r.Trial = &TrialStatus{Toplevel: record.Trial, Number: number(record.Trial), Since: record.Since}
	r.Trial.Armed = i.start.By == nextboot.OneShotVar && i.start.Entry.Toplevel == record.Trial
	if i.fw.selected != "" {
		s := selected(i.fw.selected, i.menu)
		r.Trial.Running = s.Entry.Toplevel == record.Trial && s.Entry.Kind.Ours()
	}
}

func isProven(record proven.Record, toplevel string) bool {
	return slices.ContainsFunc(record.Proofs, func(p proven.Proof) bool { return p.Toplevel == toplevel })
}

// countEntries looks at what of ours is on $BOOT.
func (i *inspector) countEntries(r *StatusReport) {
	var last time.Time
	note := func(p installed.Place) {
		if info, err := p.FS.Stat(p.Name); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	for _, e := range i.inv.Entries {
		r.Entries++
		if e.Broken != nil {
			r.Broken++
		}
		if !slices.Contains(r.Layouts, e.Layout) {
			r.Layouts = append(r.Layouts, e.Layout)
		}
		note(e.Place())
	}
	for _, p := range i.inv.Payload {
		note(p)
	}
	if !last.IsZero() {
		r.LastRun = last.UTC().Format(time.RFC3339)
	}
}

// newest is the newest generation of the system profile, or nil where that is not known.
func (i *inspector) newest() *NewestStatus {
	for _, g := range slices.Backward(i.found) {
		if g.Name.Profile != "" || g.Name.Specialisation != "" || g.Name.Generation == 0 {
			continue
		}
		n := &NewestStatus{Generation: g.ID, Facts: factsOf(g)}
		for _, e := range i.inv.Entries {
			if isEntryOf(e, g) {
				n.Entry = e.EntryID()
				return n
			}
		}
		n.Reason, n.Detail = NotInstalled, errNotInstalled.Error()
		if g.Skip != nil {
			n.Reason, n.Detail = g.Skip.Reason, g.Skip.Error()
		}
		return n
	}
	return nil
}

// todo is what to do about it.
func (i *inspector) todo(r *StatusReport) []Todo {
	var list []Todo
	add := func(t Todo, when bool) {
		if when {
			list = append(list, t)
		}
	}
	add(TodoSign, r.SecureBoot == SecureBootOn && r.Next != nil && r.Next.Xen && i.start.Entry.Kind != nextboot.XenImage)
	if r.Newest != nil && r.Newest.Entry == "" {
		add(TodoEnable, r.Newest.Reason == NoExtension && r.Entries == 0)
		add(TodoInstall, r.Newest.Reason != NoExtension && r.Newest.Reason != OverLimit)
	}
	add(TodoVerify, r.Broken > 0)
	add(TodoBless, r.Trial != nil && r.Trial.Running && r.Running != nil && r.Running.Xen)
	add(TodoFirmware, i.start.By == nextboot.PreferredVar || i.start.By == nextboot.DefaultVar)
	add(TodoReboot, r.Started != nil && r.Next != nil && !sameID(r.Started.Entry, r.Next.Entry) && r.Next.Xen && !r.Started.Xen)
	return list
}
