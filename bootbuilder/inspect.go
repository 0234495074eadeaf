package bootbuilder

import (
	"context"
	"crypto/x509"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
)

// Inspection is what is on $BOOT, as [List] and [Verify] see it.
type Inspection struct {
	Schema  int           `json:"schema"`
	ESP     string        `json:"esp"`
	Boot    string        `json:"boot"`
	Entries []EntryStatus `json:"entries"`
	// Starts is what systemd-boot starts next, Xen or not.
	Starts *StartReport `json:"starts,omitempty"`
	// Signatures says whether signatures were checked: there was a certificate.
	Signatures bool `json:"signatures"`
	// Problems are of the partition as a whole, not of one entry.
	Problems []string `json:"problems"`
	// Notes are what is no problem, but not as it should be: leftovers, unused payload.
	Notes []string `json:"notes"`
	Error string   `json:"error,omitempty"`
	Hint  string   `json:"hint,omitempty"`
}

// Health is what [Verify] makes of an entry.
type Health string

// The states of health.
const (
	OK       Health = "ok"       // it boots, and is what an install would write
	Outdated Health = "outdated" // it boots; an install would rewrite it
	Broken   Health = "broken"   // it can't boot
	Forged   Health = "forged"   // it is signed, and holds something else than the system does
)

// EntryStatus is one Xen entry.
type EntryStatus struct {
	ID         string `json:"id"` // what loader.conf calls it
	Title      string `json:"title,omitempty"`
	Version    string `json:"version,omitempty"`
	XenVersion string `json:"xenVersion,omitempty"`
	Layout     Layout `json:"layout,omitempty"`
	Size       int64  `json:"size"`    // bytes of all that it needs on $BOOT, shared or not
	Default    bool   `json:"default"` // it starts next
	Image      string `json:"image,omitempty"`
	Toplevel   string `json:"toplevel,omitempty"`
	Health     Health `json:"health"`
	// Problems are why it is not in order: empty for ok.
	Problems []string `json:"problems"`
}

// StartReport is what starts, and why.
type StartReport struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

func startReport(s nextboot.Start) *StartReport { return &StartReport{ID: s.ID, Reason: s.Reason()} }

// FailedInspection is of an ESP that could not be looked at.
func FailedInspection(esp string, err error) *Inspection {
	return &Inspection{
		Schema: ReportSchema, ESP: esp, Boot: esp, Error: err.Error(), Hint: Hint(err),
		Entries: []EntryStatus{}, Problems: []string{}, Notes: []string{},
	}
}

// OK reports whether everything can boot, and nothing is forged.
func (i *Inspection) OK() bool {
	return len(i.Problems) == 0 && !slices.ContainsFunc(i.Entries, func(e EntryStatus) bool {
		return e.Health == Broken || e.Health == Forged
	})
}

// InspectOptions say what [List] and [Verify] hold the entries against.
type InspectOptions struct {
	// Root is the root directory of the NixOS system; "" leaves the store out.
	Root string
	// Certificate verifies signed images; nil leaves signatures out.
	Certificate *x509.Certificate
	// EFIVars is the directory of the EFI variables of the running machine, "" for another's.
	EFIVars string
}

// List reads the Xen entries on $BOOT, and looks whether what they name is there.
func List(ctx context.Context, target Target, options InspectOptions) (*Inspection, error) {
	i, err := newInspector(target, options)
	if err != nil {
		return nil, err
	}
	defer i.close()
	for _, e := range i.inv.Entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		i.result.Entries = append(i.result.Entries, i.status(e))
	}
	return i.result, nil
}

// inspector reads $BOOT for [List] and [Verify].
type inspector struct {
	target  Target
	options InspectOptions
	root    *nixroot.Root      // nil: without the store
	system  *generation.System // nil: without the store
	reader  *content.Reader    // what entries share is read and hashed once
	inv     *installed.Inventory
	conf    loaderConf
	menu    []nextboot.Entry
	start   nextboot.Start
	result  *Inspection
}

func newInspector(target Target, options InspectOptions) (*inspector, error) {
	target, err := target.normal()
	if err != nil {
		return nil, err
	}
	i := &inspector{target: target, options: options, result: &Inspection{
		Schema: ReportSchema, ESP: target.ESP.Path("."), Boot: target.Boot.Path("."), Signatures: options.Certificate != nil,
		Entries: []EntryStatus{}, Problems: []string{}, Notes: []string{},
	}}
	if i.inv, err = readInventory(target); err != nil {
		return nil, fileHint(err)
	}
	if i.conf, err = readLoaderConf(target); err != nil {
		return nil, fileHint(err)
	}
	fw, _ := readFirmware(options.EFIVars)
	w := worldOf(target, Options{}, fw, i.inv, i.conf, "", nil)
	i.menu = w.input.Before
	i.start = nextboot.Starts(i.conf.text, w.input.Vars, i.menu, w.input.Version)
	if i.start.ID != "" {
		i.result.Starts = startReport(i.start)
	}
	if options.Root != "" {
		if i.root, err = nixroot.Open(options.Root); err != nil {
			return nil, WithHint(err, "--root is where the NixOS system is mounted")
		}
		if i.system, err = generation.ReadSystem(i.root); err != nil {
			i.close()
			return nil, fileHint(err)
		}
	}
	i.reader = content.NewReader(i.root, target.Boot)
	return i, nil
}

func (i *inspector) close() {
	if i.root != nil {
		i.root.Close()
	}
}

// status describes an entry, with the first thing that keeps it from booting.
func (i *inspector) status(e installed.Entry) EntryStatus {
	s := EntryStatus{
		ID: e.EntryID(), Layout: e.Layout, Image: e.FS.Path(e.Image), Title: e.Title, Version: e.Version,
		XenVersion: versionOfImage(e), Toplevel: e.Toplevel, Problems: []string{}, Health: OK,
		Default: i.start.Entry.File == e.Base() && i.start.Entry.Kind.Ours(),
	}
	for _, ref := range e.Refs {
		if info, err := e.FS.Stat(ref); err == nil {
			s.Size += info.Size()
		}
	}
	if e.Broken != nil {
		s.fault(Broken, e.Broken)
	}
	return s
}

// fault notes what is wrong; the worst counts.
func (s *EntryStatus) fault(h Health, err error) {
	if err == nil {
		return
	}
	s.Problems = append(s.Problems, err.Error())
	rank := []Health{OK, Outdated, Broken, Forged}
	if slices.Index(rank, h) > slices.Index(rank, s.Health) {
		s.Health = h
	}
}

// versionOfImage reads Xen's version off the name of a shared image; other layouts don't note it.
func versionOfImage(e installed.Entry) string {
	n, _ := bootname.Parse(e.Image)
	return n.Version
}
