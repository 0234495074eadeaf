package bootbuilder_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf16"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// onTrial is a running machine that puts each new generation on trial, and what a simple model says of it. Generations are
// known by their toplevels, "" for none.
type onTrial struct {
	efivars, sys string

	proven []string // the last one first
	tried  string   // was put on trial last
	shot   string   // starts at the next boot only, on Xen
	other  bool     // the shot is somebody else's

	xen  bool   // loader.conf starts it on Xen
	path string // what loader.conf starts
}

// othersEntry is what the shot of somebody else names.
const othersEntry = "memtest.conf"

func (p *property) putOnTrial() {
	dir := p.t.TempDir()
	p.trial = &onTrial{efivars: filepath.Join(dir, "efivars"), sys: filepath.Join(dir, "sys")}
	p.must(os.MkdirAll(p.trial.efivars, 0o755))
	p.must(os.MkdirAll(filepath.Join(p.trial.sys, "hypervisor"), 0o755))
	features := []byte{7, 0, 0, 0, 0xff, 7, 0, 0, 0, 0, 0, 0} // what 252 says of itself
	p.must(os.WriteFile(p.trial.variable("LoaderFeatures"), features, 0o644))
	p.write("loader/entries/"+othersEntry, "title Memtest\nefi /EFI/memtest/memtest.efi\n")
	p.write("EFI/memtest/memtest.efi", "memtest")
}

func (o *onTrial) variable(name string) string {
	return filepath.Join(o.efivars, name+"-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")
}

// setVariable sets a variable; "" takes it away.
func (p *property) setVariable(name, value string) {
	p.t.Helper()
	if value == "" {
		p.must(os.RemoveAll(p.trial.variable(name)))
		return
	}
	b := []byte{7, 0, 0, 0}
	for _, u := range append(utf16.Encode([]rune(value)), 0) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	p.must(os.WriteFile(p.trial.variable(name), b, 0o644))
}

// shotValue is LoaderEntryOneShot.
func (p *property) shotValue() string {
	p.t.Helper()
	b, err := os.ReadFile(p.trial.variable("LoaderEntryOneShot"))
	if os.IsNotExist(err) {
		return ""
	}
	p.must(err)
	var text []uint16
	for i := 4; i+1 < len(b); i += 2 {
		text = append(text, binary.LittleEndian.Uint16(b[i:]))
	}
	return string(utf16.Decode(text[:len(text)-1]))
}

// tries makes the options those of the trial, and now and then arms something else.
func (p *property) tries() {
	o := p.trial
	p.options.Default, p.options.EFIVars, p.options.Sys = bootbuilder.DefaultTry, o.efivars, o.sys
	if o.shot == "" && !o.other && p.chance(10) {
		p.note("somebody else's shot")
		p.setVariable("LoaderEntryOneShot", othersEntry)
		o.other = true
	}
}

// all are the toplevels that are there, specialisations with them.
func (p *property) all() map[string]*fixtures.Toplevel {
	all := make(map[string]*fixtures.Toplevel)
	for _, top := range p.root.Toplevels() {
		for _, t := range append([]*fixtures.Toplevel{top}, top.Specialisations...) {
			all[t.Path] = t
		}
	}
	return all
}

// isBad reports whether boot counting has given up the NixOS entry of a toplevel.
func (p *property) isBad(path string) bool {
	return slices.ContainsFunc(p.entries, func(e fixtures.Entry) bool { return e.Toplevel.Path == path && p.counters[e.ID] == "0-3" })
}

// xenEntries are the ids of the Xen entries by their toplevels.
func xenEntries(seen *bootbuilder.Inspection) map[string]string {
	entries := make(map[string]string)
	for _, e := range seen.Entries {
		if len(e.Problems) == 0 {
			entries[e.Toplevel] = e.ID
		}
	}
	return entries
}

// fallback is what starts in place of a generation that has not proven itself.
func (p *property) fallback(path string, entries map[string]string) (string, bool) {
	all := p.all()
	for _, q := range p.trial.proven {
		if all[q] != nil && entries[q] != "" && !p.isBad(q) {
			return q, true
		}
	}
	return path, false
}

// judgeTrial is what follows of an install where NixOS' choice is want.
func (p *property) judgeTrial(want *fixtures.Toplevel, report *bootbuilder.Report) bool {
	p.t.Helper()
	o, seen, all := p.trial, p.list(), p.all()
	entries := xenEntries(seen)
	for _, q := range o.proven {
		if top := all[q]; top != nil && p.fine(top) {
			if entries[q] == "" {
				p.t.Errorf("%s has proven itself, and has no Xen entry", q)
			}
			break
		}
	}
	failed := true // unless the report says that nothing is wrong
	for _, g := range report.Generations {
		if g.Toplevel == want.Path && (g.Reason == "" || g.Reason == bootbuilder.NoExtension) {
			failed = false
		}
	}
	may := p.fine(want) && !p.isBad(want.Path)
	isProven := slices.Contains(o.proven, want.Path)
	switch {
	case o.other:
	case !may || isProven:
		if o.shot != want.Path || !may {
			o.shot = ""
		}
	case o.shot == "" && o.tried == want.Path: // it was tried, and is not tried again
	default:
		o.shot, o.tried = want.Path, want.Path
	}
	if o.shot == "" && o.tried != want.Path {
		o.tried = ""
	}
	switch {
	case may && isProven:
		o.path, o.xen = want.Path, true
	case may || failed:
		o.path, o.xen = p.fallback(want.Path, entries)
	default:
		o.path, o.xen = want.Path, false
	}
	p.judgeStart(want.Path, seen)
	return o.xen
}

// judgeStart holds what starts against the model. Where counting has given up NixOS' entry of want, whatever NixOS falls back to may start.
func (p *property) judgeStart(want string, inspection *bootbuilder.Inspection) {
	p.t.Helper()
	o := p.trial
	toplevel := ""
	for _, e := range inspection.Entries {
		if e.Default {
			toplevel = e.Toplevel
		}
	}
	starts := inspection.Starts
	switch {
	case starts == nil:
		p.t.Error("nothing starts")
	case o.xen && (!starts.Xen || toplevel != o.path):
		p.t.Errorf("%+v (%s) starts, want Xen with %s", starts, toplevel, o.path)
	case !o.xen && starts.Xen:
		p.t.Errorf("Xen starts (%+v), want NixOS", starts)
	case !o.xen && !p.isBad(want) && p.nixosToplevel(starts.Entry) != o.path:
		p.t.Errorf("%+v (%s) starts, want NixOS with %s", starts, p.nixosToplevel(starts.Entry), o.path)
	}
	shot := p.shotValue()
	switch id := xenEntries(inspection)[o.shot]; {
	case o.other && shot != othersEntry:
		p.t.Errorf("the shot is %q, and was somebody else's", shot)
	case !o.other && (shot != "") != (o.shot != ""):
		p.t.Errorf("the shot is %q, want one at %q", shot, o.shot)
	case o.shot != "" && !esp.MatchPattern(shot, id):
		p.t.Errorf("the shot is %q, want one at %s", shot, id)
	}
}

// boots is one boot of the machine: what is armed, or else what loader.conf says. Xen may panic; else the system comes up, and may be blessed.
func (p *property) boots() {
	p.t.Helper()
	o := p.trial
	path, xen := o.path, o.xen
	if o.shot != "" {
		path, xen = o.shot, true
	}
	other := o.other
	p.setVariable("LoaderEntryOneShot", "")
	o.shot, o.other = "", false
	if xen && !other && p.chance(30) {
		p.note("boot: %s panics on Xen", path)
		path, xen = o.path, o.xen // the power comes back
	}
	id, kind := xenEntries(p.list())[path], "xen\n"
	if !xen || other {
		id, kind = "nixos-generation-1.conf", ""
	}
	p.note("boot: %s, on Xen: %v", path, xen && !other)
	p.setVariable("LoaderEntrySelected", id)
	p.must(os.WriteFile(filepath.Join(o.sys, "hypervisor/type"), []byte(kind), 0o644))
	booted := p.root.Path("/run/booted-system")
	p.must(os.MkdirAll(filepath.Dir(booted), 0o755))
	p.must(os.RemoveAll(booted))
	p.must(os.Symlink(path, booted))
	before := p.files()
	if xen && !other {
		if p.chance(60) {
			p.blesses(path)
		}
	} else if _, err := p.bless(); err == nil {
		p.t.Error("a system that does not run on Xen is blessed")
	} else if diff := diffTrees(before, p.files()); diff != "" {
		p.t.Errorf("a blessing that is refused changed something:\n%s", diff)
	}
	p.judgeStart(o.path, p.list())
}

// blesses blesses what runs, twice.
func (p *property) blesses(path string) {
	p.t.Helper()
	o := p.trial
	if _, err := p.bless(); err != nil {
		p.t.Errorf("bless: %v", err)
	}
	newly := o.tried == path || !slices.Contains(o.proven, path)
	o.proven = append([]string{path}, slices.DeleteFunc(o.proven, func(q string) bool { return q == path })...)
	if o.tried == path {
		o.tried = ""
	}
	if newly {
		o.path, o.xen = path, true
	}
	p.note("bless %s, newly %v", path, newly)
	after := p.files()
	if again, err := p.bless(); err != nil || again.Changed {
		p.t.Errorf("the second blessing: %+v, %v", again, err)
	}
	if diff := diffTrees(after, p.files()); diff != "" {
		p.t.Errorf("the second blessing changed something:\n%s", diff)
	}
}

func (p *property) bless() (r *bootbuilder.BlessReport, err error) {
	p.t.Helper()
	p.open(func(target bootbuilder.Target) {
		m := bootbuilder.Machine{Root: p.options.Root, EFIVars: p.trial.efivars, Sys: p.trial.sys, Today: p.options.Today}
		r, err = bootbuilder.Bless(ctx, target, m)
	})
	return r, err
}

// TestTrialOfNumberAgain: what is armed has the name of a generation that was deleted, and whose number was given out again. The
// new one is on trial, then.
func TestTrialOfNumberAgain(t *testing.T) {
	t.Parallel()
	p := &property{machine: newMachine(t)}
	p.putOnTrial()
	p.options.Default, p.options.EFIVars, p.options.Sys = bootbuilder.DefaultTry, p.trial.efivars, p.trial.sys
	p.addXen(1)
	old := p.add(fixtures.Generation{Number: 2, System: fixtures.System{Xen: &fixtures.Xen{}, Params: []string{"old"}}})
	p.rebuild()
	p.install()
	p.must(p.root.Delete(old))
	again := p.add(fixtures.Generation{Number: 2, System: fixtures.System{Xen: &fixtures.Xen{}, Params: []string{"new"}}})
	p.must(p.root.SetDefault(again))
	p.rebuild()
	p.install()
	if got := p.shotValue(); got != "xen-generation-2.conf" {
		t.Errorf("the shot is at %q", got)
	}
	p.open(func(target bootbuilder.Target) {
		status, err := bootbuilder.Status(ctx, target, bootbuilder.StatusOptions{Root: p.options.Root, EFIVars: p.trial.efivars, Sys: p.trial.sys})
		p.must(err)
		if status.Trial == nil || status.Trial.Toplevel != again.Path || !status.Trial.Armed {
			t.Errorf("on trial is %+v, want %s", status.Trial, again.Path)
		}
	})
	if p.install().Changed {
		t.Error("a second run changed something")
	}
}
