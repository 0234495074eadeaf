package bootbuilder

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Inspection is what is on $BOOT, as [List] and [Verify] see it.
type Inspection struct {
	Schema int    `json:"schema"`
	ESP    string `json:"esp"`
	Boot   string `json:"boot"`
	// Entries are the Xen entries, from old to new, each profile by itself.
	Entries []EntryStatus `json:"entries"`
	// Without are the generations that have a place in the menu and no Xen entry.
	Without []GenerationStatus `json:"without"`
	// Starts is what systemd-boot starts next, Xen or not; Runs what it started, on the running machine.
	Starts *Start `json:"starts,omitempty"`
	Runs   *Start `json:"runs,omitempty"`
	// Signatures says whether signatures were checked: there was a certificate.
	Signatures bool `json:"signatures"`
	// Counting is how far boot counting goes, of verify; nil where it is not in use.
	Counting *Counting    `json:"counting,omitempty"`
	Space    *SpaceReport `json:"space,omitempty"`
	// Problems are of the partition as a whole, not of one entry.
	Problems []string `json:"problems"`
	// Notes are what is no problem, but not as it should be: leftovers, unused payload.
	Notes []string `json:"notes"`
	Error string   `json:"error,omitempty"`
	Hint  string   `json:"hint,omitempty"`
}

// Counting is how many Xen entries boot counting covers, of those whose NixOS entry or stub is counted.
type Counting struct {
	Counted    int `json:"counted"`    // images of type #2
	NotCounted int `json:"notCounted"` // entries of type #1: systemd-boot 258 and later don't count them
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
	ID         string `json:"id"`         // what loader.conf calls it
	Generation string `json:"generation"` // its id without suffix and hash: "xen-generation-5"
	Title      string `json:"title,omitempty"`
	Version    string `json:"version,omitempty"`
	Facts
	Layout  Layout `json:"layout,omitempty"`
	Size    int64  `json:"size"`    // bytes of all that it needs on $BOOT, shared or not
	OwnSize int64  `json:"ownSize"` // bytes that would be free without it
	Default bool   `json:"default"` // it starts next
	Runs    bool   `json:"runs"`    // it was started, on the running machine
	Image   string `json:"image,omitempty"`
	// Toplevel is the system that it starts.
	Toplevel string `json:"toplevel,omitempty"`
	Health   Health `json:"health"`
	// Hint is what repairs an entry that is broken or forged; "" where that is not known.
	Hint string `json:"hint,omitempty"`
	// Unchecked is how many bytes at the end of a signed image's ramdisk are secrets for which nothing vouches:
	// what they should be, verify can't know.
	Unchecked int64 `json:"unchecked,omitempty"`
	// Problems are why it is not in order: empty for ok.
	Problems []string `json:"problems"`
}

// GenerationStatus is a generation without a Xen entry.
type GenerationStatus struct {
	Generation string `json:"generation"`
	Title      string `json:"title,omitempty"`
	Version    string `json:"version,omitempty"`
	Facts
	Toplevel string `json:"toplevel,omitempty"`
	Reason   Reason `json:"reason"`
	Detail   string `json:"detail"`
	Default  bool   `json:"default"` // its NixOS entry starts next
	Runs     bool   `json:"runs"`
}

// NotInstalled is of a generation that has Xen, and whose entry is not there (yet).
const NotInstalled Reason = "not-installed"

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
	// Only are the generations to look at: numbers, profile links or toplevels; none for all.
	Only []string
	// From, Variants and KeepDebug are those of the install that [Verify] holds the entries against. With [FromAuto] it
	// finds out where generations come from. An extra entry that is not among the variants is judged by
	// itself; nil where it is not known which ones there should be.
	From      Source
	Variants  []Variant
	KeepDebug bool
}

// List reads the Xen entries on $BOOT, and looks whether what they name is there. With a root it
// also knows the generations that have none.
func List(ctx context.Context, target Target, options InspectOptions) (*Inspection, error) {
	i, err := newInspector(target, options, withoutRoot)
	if err != nil {
		return nil, err
	}
	defer i.close()
	for _, e := range i.shown {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		i.result.Entries = append(i.result.Entries, i.status(e))
	}
	i.findWithout()
	return i.result, nil
}

// inspector reads $BOOT for [List] and [Verify].
type inspector struct {
	target       Target
	options      InspectOptions
	root         *nixroot.Root           // nil: without the store
	system       *generation.System      // nil: without the store
	found        []generation.Generation // those with a place in the menu; none without the store
	linked       []generation.Generation // those that the profile links lead to
	from         Source                  // what gives them that place
	only         filter                  // the generations that are asked for
	shown        []installed.Entry       // their entries, in the order of the result's
	reader       *content.Reader         // what entries share is read and hashed once
	inv          *installed.Inventory
	conf         loaderConf
	fw           firmwareState
	world        world
	menu         []nextboot.Entry
	start        nextboot.Start
	users        map[esp.Key]int   // how many entries use a file
	damaged      map[string]string // what of NixOS' is damaged, by the file of the entry that names it
	toplevelGone map[string]bool   // dom0 won't find its system, by the entry's file
	result       *Inspection
}

// rootUse says what becomes of a root that is not that of the system on $BOOT.
type rootUse bool

const (
	withRoot    rootUse = false // an error
	withoutRoot rootUse = true  // a note: what is on $BOOT is shown without it
)

func newInspector(target Target, options InspectOptions, use rootUse) (*inspector, error) {
	target, err := target.normal()
	if err != nil {
		return nil, err
	}
	i := &inspector{target: target, options: options, users: make(map[esp.Key]int), damaged: make(map[string]string), toplevelGone: make(map[string]bool), result: &Inspection{
		Schema: ReportSchema, ESP: target.ESP.Path("."), Boot: target.Boot.Path("."), Signatures: options.Certificate != nil,
		Entries: []EntryStatus{}, Without: []GenerationStatus{}, Problems: []string{}, Notes: []string{},
	}}
	if i.inv, err = readInventory(target); err != nil {
		return nil, fileHint(err)
	}
	if i.conf, err = readLoaderConf(target); err != nil {
		return nil, fileHint(err)
	}
	for _, e := range i.inv.Entries {
		for _, ref := range append([]string{e.File}, e.Refs...) {
			i.users[esp.KeyOf(ref)]++
		}
	}
	if err := i.openRoot(); err != nil && use == withRoot {
		i.close()
		return nil, err
	} else if err != nil {
		i.close()
		i.root, i.system, i.found, i.linked = nil, nil, nil, nil
		i.result.Notes = append(i.result.Notes, fmt.Sprintf("shown without the system that it belongs to: %v", err))
	}
	if i.only, err = i.newFilter(); err != nil {
		i.close()
		return nil, err
	}
	i.shown = i.wanted()
	i.reader = content.NewReader(i.root, target.Boot)
	i.fw, _ = readFirmware(options.EFIVars)
	i.world = worldOf(target, Options{}, i.fw, i.inv, i.conf, "", nil)
	i.menu = i.world.input.Before
	i.start = nextboot.Starts(i.conf.text, i.world.input.Vars, i.menu, i.world.input.Version)
	if i.start.ID != "" {
		i.result.Starts = i.describe(i.start)
	}
	if i.fw.selected != "" {
		i.result.Runs = i.describe(selected(i.fw.selected, i.menu))
	}
	if space, err := target.Boot.Space(); err == nil {
		i.result.Space = &SpaceReport{Free: space.Free, Total: space.Total}
	}
	return i, nil
}

// openRoot reads what the root says of its generations.
func (i *inspector) openRoot() error {
	if i.options.Root == "" {
		return nil
	}
	var err error
	if i.root, err = nixroot.Open(i.options.Root); err != nil {
		return WithHint(err, rootHint)
	}
	if i.system, err = generation.ReadSystem(i.root); err != nil {
		return fileHint(err)
	}
	i.linked = i.system.FromLinks().Generations
	if i.options.From == FromProfiles {
		i.from, i.found = FromProfiles, i.linked
		return nil
	}
	var found generation.Found
	i.from, found, i.found = foundFor(i.system, i.inv, i.target, cmp.Or(i.options.From, FromAuto))
	return WithHint(wrongRoot(found, i.target, i.options.Root), rootHint)
}

func (i *inspector) close() {
	if i.root != nil {
		i.root.Close()
	}
}

// selected is the entry of the menu that systemd-boot started. Some versions keep the boot counter in
// its id.
func selected(id string, menu []nextboot.Entry) nextboot.Start {
	for _, e := range menu {
		if sameID(e.File, id) || sameID(e.ID(), id) {
			return nextboot.Start{Entry: e, ID: e.ID()}
		}
	}
	return nextboot.Start{ID: id}
}

// describe says what an entry of the menu is.
func (i *inspector) describe(s nextboot.Start) *Start {
	started := startOf(s)
	r := &started
	if g := i.generationOf(s.Entry.Toplevel, s.Entry.File); g != nil {
		r.of(g.ID, factsOf(*g))
		return r
	}
	for _, e := range i.inv.Entries { // without the root the entry says what it is
		if e.Base() == s.Entry.File {
			r.of(e.ID, i.factsInstalled(e))
		}
	}
	if n, ok := esp.ParseName(s.Entry.File); ok && r.Number == 0 {
		r.Number, r.Profile, r.Specialisation = n.Generation, n.Profile, n.Specialisation
	}
	return r
}

// generationOf is the generation with this toplevel that an entry starts, or nil. One without a place in the menu is one, too.
func (i *inspector) generationOf(toplevel, file string) *generation.Generation {
	return pick(toplevel, file, i.found, i.linked)
}

// status describes an entry, with the first thing that keeps it from booting.
func (i *inspector) status(e installed.Entry) EntryStatus {
	s := EntryStatus{
		ID: e.EntryID(), Generation: e.ID, Layout: e.Layout, Image: e.FS.Path(e.Image), Title: e.Title, Version: e.Version,
		Toplevel: e.Toplevel, Problems: []string{}, Health: OK,
		Default: i.start.Entry.File == e.Base() && i.start.Entry.Kind.Ours(),
		Runs:    i.result.Runs != nil && sameID(i.result.Runs.Entry, e.EntryID()),
	}
	if g := i.generationOf(e.Toplevel, e.File); g == nil {
		s.Facts = i.factsInstalled(e)
	} else {
		said := factsInstalled(e)
		s.Facts = factsOf(*g)
		if s.Variant = said.Variant; s.Variant != "" { // it may have another Xen
			s.XenParams = said.XenParams
			s.XenVersion = cmp.Or(i.factsInstalled(e).XenVersion, s.XenVersion)
		}
		if said.Built != "" && g.Selector() == nil { // a copied root has another change time
			s.Built = said.Built
		}
	}
	own := map[string]bool{e.File: true}
	for _, ref := range e.Refs {
		if _, ours := bootname.Parse(ref); ours && i.users[esp.KeyOf(ref)] == 1 {
			own[ref] = true
		}
		if info, err := e.FS.Stat(ref); err == nil {
			s.Size += info.Size()
		}
	}
	for name := range own {
		if info, err := e.FS.Stat(name); err == nil {
			s.OwnSize += info.Size()
		}
	}
	if e.Broken != nil {
		s.fault(Broken, e.Broken)
	}
	return s
}

// factsInstalled are what an entry and its image themselves say.
func (i *inspector) factsInstalled(e installed.Entry) Facts {
	f := factsInstalled(e)
	if f.XenVersion == "" && e.Broken == nil {
		f.XenVersion = i.reader.XenVersion(e.Image)
	}
	return f
}

// findWithout finds the generations that have no Xen entry.
func (i *inspector) findWithout() {
	for _, g := range i.found {
		if !i.only.has(factsOf(g), g.Toplevel) || slices.ContainsFunc(i.inv.Entries, func(e installed.Entry) bool { return isEntryOf(e, g) }) {
			continue
		}
		d := g.Menu()
		skip := g.Skip
		if skip == nil {
			skip = &generation.Skip{Reason: NotInstalled, Err: errNotInstalled}
		}
		s := GenerationStatus{
			Generation: g.ID, Title: d.Title, Version: d.Version, Facts: factsOf(g), Toplevel: g.Toplevel,
			Reason: skip.Reason, Detail: skip.Error(),
		}
		for _, selector := range g.Selectors {
			s.Default = s.Default || base(selector.File) == i.start.Entry.File
			s.Runs = s.Runs || i.result.Runs != nil && sameID(i.result.Runs.Entry, withoutTries(base(selector.File)))
		}
		i.result.Without = append(i.result.Without, s)
	}
}

var errNotInstalled = errors.New("it has Xen, and no entry yet: run install")

// withoutTries is an entry's name or id without its boot counter.
func withoutTries(name string) string {
	id, _ := esp.CutTries(name)
	return id
}

func base(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

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
