package bootbuilder_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestProperties holds what is true of every run against random machines: sets of
// generations, with what can be wrong with them, on partitions with random pasts. XBB_CASES is how
// many (200, in short 10), XBB_SEED the first seed (1); a failure names its seed.
func TestProperties(t *testing.T) {
	t.Parallel()
	cases, first := 200, envNumber(t, "XBB_SEED", 1)
	if testing.Short() {
		cases = 10
	}
	cases = envNumber(t, "XBB_CASES", cases)
	signer := testSigner(t, "db")
	for seed := first; seed < first+cases; seed++ {
		t.Run(fmt.Sprintf("XBB_SEED=%d", seed), func(t *testing.T) {
			t.Parallel()
			p := &property{machine: newMachine(t), rand: rand.New(rand.NewPCG(uint64(seed), 0)), key: signer}
			p.run()
		})
	}
}

func envNumber(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// property is one random machine.
type property struct {
	*machine
	rand *rand.Rand
	key  bootbuilder.Signer // of those that sign
	// wrong is what is wrong with a toplevel.
	wrong map[*fixtures.Toplevel]string
	// counters are those that systemd-boot has been counting, by entry id.
	counters map[string]string
	last     int      // the number of the newest generation
	trial    *onTrial // nil where nothing is put on trial
	log      []string
}

func (p *property) chance(percent int) bool { return p.rand.IntN(100) < percent }

func choose[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func (p *property) note(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf(format, args...))
}

func (p *property) run() {
	t := p.t
	defer func() {
		if t.Failed() {
			t.Logf("what was done:\n%s", strings.Join(p.log, "\n"))
		}
	}()
	p.wrong, p.counters = make(map[*fixtures.Toplevel]string), make(map[string]string)
	p.configure()
	p.past()
	p.change()
	p.rebuild()
	p.count()
	scripted := p.chance(20)
	if scripted {
		p.note("the script")
		p.script()
	}
	foreign := p.foreign()
	p.randomOptions()
	if scripted && p.options.Default == bootbuilder.DefaultKeep {
		p.options.Default = bootbuilder.DefaultXen // what is kept would be the script's choice
	}
	p.note("install: layout %s, default %s, signed %v", p.options.Layout, p.options.Default, p.signer != nil)

	fresh := *p.machine
	fresh.esp = t.TempDir()
	if fresh.xboot != "" {
		fresh.xboot = t.TempDir()
	}
	fresh.rebuild()
	for _, e := range fresh.entries {
		_, err := fixtures.SetCounter(fresh.boot(), e.ID, p.counters[e.ID])
		p.must(err)
	}
	for name, text := range foreign {
		fresh.write(name, text)
	}
	nixos := withoutExtras(fresh.files())

	for _, e := range p.entries {
		p.note("%s is of %d of %q (%s)", idOf(e), e.Toplevel.Number, e.Toplevel.Profile, e.Toplevel.Specialisation)
	}
	before, past, earlier := p.files(), p.withoutPast(p.machine), p.list()
	report := p.installs(p.machine)
	p.keeps(earlier)
	if !scripted {
		p.starts(report)
	}
	p.sameAsFresh(report, &fresh, past)
	p.untouched(before, foreign)
	p.verifies(report)
	p.removes(nixos)
}

// installs brings up what is expected, and nothing more the second time.
func (p *property) installs(m *machine) *bootbuilder.Report {
	t := p.t
	t.Helper()
	r := m.tryInstall()
	if r.Report == nil {
		t.Fatal(r.Err)
	}
	if (r.Err == nil) != (r.Check == nil) {
		t.Errorf("install says %v, but a dry run %v", r.Err, r.Check)
	}
	if diff := cmp.Diff(p.expected(), ids(r.Report, installedNow...)); diff != "" {
		t.Errorf("entries (-want +got):\n%s\n%q", diff, warnings(r.Report))
	}
	after := m.files()
	again := m.tryInstall()
	if again.Report == nil || again.Report.Changed {
		t.Error("a second run has changes to make")
	}
	if diff := diffTrees(after, m.files()); diff != "" {
		t.Errorf("a second run changed something:\n%s", diff)
	}
	return r.Report
}

// starts wants loader.conf to name the entry that the options say. Where NixOS' own loader.conf has a glob, it is
// for nextboot's tests what that means.
func (p *property) starts(report *bootbuilder.Report) {
	p.t.Helper()
	i := slices.IndexFunc(p.entries, func(e fixtures.Entry) bool { return e.Toplevel == p.root.Default() })
	if i < 0 {
		return
	}
	e := p.entries[i]
	bad := p.counters[e.ID] == "0-3"
	want := e.ID
	for _, g := range report.Generations {
		if g.ID == idOf(e) && slices.Contains(installedNow, g.State) && p.options.Default == bootbuilder.DefaultXen && !bad {
			want = g.Entry
		}
	}
	conf := esp.ParseLoaderConf([]byte(p.loaderConf()))
	value, ok := conf.Get("preferred")
	if ok { // default is what systemd-boot falls back to, or what starts where it knows no preferred
		def, _ := conf.Get("default")
		if !esp.MatchPattern(def, want) && !strings.HasPrefix(def, "nixos-") {
			p.t.Errorf("loader.conf: default beside preferred is %q", def)
		}
	} else {
		value, _ = conf.Get("default")
	}
	if !esp.MatchPattern(value, want) && !(bad && strings.HasPrefix(value, "nixos-")) {
		p.t.Errorf("loader.conf starts %q, want %q", value, want)
	}
}

// keeps wants whole entries of generations that can't be rebuilt as they were.
func (p *property) keeps(earlier *bootbuilder.Inspection) {
	p.t.Helper()
	fine := p.expected()
	for _, e := range p.entries {
		if p.wrong[e.Toplevel] == "" || slices.Contains(fine, idOf(e)) {
			continue
		}
		form := regexp.MustCompile("^" + regexp.QuoteMeta(idOf(e)) + `(\.conf|-[0-9a-f]{16}\.efi)$`)
		for _, old := range earlier.Entries {
			if form.MatchString(old.ID) && len(old.Problems) == 0 && !slices.ContainsFunc(p.list().Entries, func(now bootbuilder.EntryStatus) bool { return cmp.Equal(now, old, ignoreDefault) }) {
				p.t.Errorf("%s was complete and is not kept: %+v, now %+v", old.ID, old, p.list().Entries)
			}
		}
	}
}

var ignoreDefault = cmpopts.IgnoreFields(bootbuilder.EntryStatus{}, "Default", "OwnSize")

// idOf is the id of the Xen sibling of an entry.
func idOf(e fixtures.Entry) string {
	return "xen-" + strings.TrimSuffix(strings.TrimPrefix(e.ID, "nixos-"), ".conf")
}

// expected are the ids of the entries of all generations that are as they should be.
func (p *property) expected() []string {
	set := make(map[string]bool)
	for _, e := range p.entries {
		if p.fine(e.Toplevel) {
			set[idOf(e)] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// fine reports whether a generation gets a Xen entry.
func (p *property) fine(top *fixtures.Toplevel) bool {
	fine := top.System.Xen != nil && p.wrong[top] == ""
	if wrong := p.wrong[p.parent(top)]; top.Specialisation != "" && p.wrong[top] == collected && wrong != collected && wrong != malformed {
		fine = top.System.Xen != nil // its parent's boot.json has it
		for _, s := range p.parent(top).Specialisations {
			fine = fine && p.wrong[s] != malformed
		}
	}
	for _, s := range top.Specialisations {
		fine = fine && p.wrong[s] != malformed // a document counts as one
	}
	if p.signer != nil && len(top.System.ExtraInitrds) > 0 && !p.options.SignUnverifiedInitrds {
		fine = false
	}
	if p.signer != nil && len(top.System.ExtraInitrds) > 0 && p.nixos.Names == fixtures.GenerationNames {
		fine = false // that installer doesn't copy them
	}
	return fine
}

// parent is the generation that a specialisation belongs to.
func (p *property) parent(special *fixtures.Toplevel) *fixtures.Toplevel {
	for _, top := range p.root.Toplevels() {
		if slices.Contains(top.Specialisations, special) {
			return top
		}
	}
	return nil
}

// sameAsFresh compares with an install on partitions without a past. Only what is kept of
// generations that can't be rebuilt may stand there beside.
func (p *property) sameAsFresh(report *bootbuilder.Report, fresh *machine, before map[string]string) {
	p.t.Helper()
	p.installs(fresh)
	want, got := p.withoutPast(fresh), p.withoutPast(p.machine)
	if len(ids(report, bootbuilder.Kept)) > 0 {
		for name, content := range got {
			if _, ok := want[name]; !ok && before[name] == content {
				delete(got, name)
			}
		}
		// A glob in loader.conf may find what is kept.
		delete(want, "loader/loader.conf")
		delete(got, "loader/loader.conf")
	}
	if diff := diffTrees(want, got); diff != "" {
		p.t.Errorf("not as on fresh partitions (-fresh +this):\n%s", diff)
	}
}

// withoutPast are a machine's files by what they are for: boot counters go on counting, and images of the embedded
// layout are called by the past.
func (p *property) withoutPast(m *machine) map[string]string {
	p.t.Helper()
	all := withScriptNames(withoutTries(withoutExtras(m.files())))
	all["loader/loader.conf"] = withoutPatterns(all["loader/loader.conf"])
	return all
}

// withoutPatterns is loader.conf with small letters for those that stand for any.
func withoutPatterns(conf string) string {
	return regexp.MustCompile(`(?m)^(default|preferred) .*$`).ReplaceAllStringFunc(conf, func(line string) string {
		return strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return '?'
			}
			return r
		}, line)
	})
}

// withoutExtras leaves out initrds that no installer sweeps.
func withoutExtras(files map[string]string) map[string]string {
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.Contains(name, "EFI/extra/") })
	return files
}

// untouched wants everything that is not ours as it was. loader.conf is held against the fresh one.
func (p *property) untouched(before, foreign map[string]string) {
	p.t.Helper()
	after := p.files()
	prefix := ""
	if p.xboot != "" {
		prefix = onXBOOTLDR
	}
	for name, content := range before {
		_, isForeign := foreign[strings.TrimPrefix(name, prefix)]
		ours := strings.HasPrefix(path.Base(name), "xen-") || strings.Contains(name, "EFI/xen/") || strings.Contains(name, ".xen-boot-builder-")
		if ours && !isForeign || name == "loader/loader.conf" {
			continue
		}
		if now, ok := after[name]; !ok || now != content {
			p.t.Errorf("%s was not ours, and changed (is there: %v)", name, ok)
		}
	}
}

// verifies wants every entry clean, and every payload used.
func (p *property) verifies(report *bootbuilder.Report) {
	p.t.Helper()
	seen := p.verify()
	in := make(map[string]bool)
	for _, g := range report.Generations {
		if slices.Contains(installedNow, g.State) {
			in[g.Entry] = true
		}
	}
	for _, e := range seen.Entries {
		if len(e.Problems) > 0 && in[e.ID] {
			p.t.Errorf("verify %s: %q", e.ID, e.Problems)
		}
		delete(in, e.ID)
	}
	if len(in) > 0 {
		p.t.Errorf("verify does not see %v", slices.Sorted(maps.Keys(in)))
	}
	for _, problem := range seen.Problems {
		p.t.Errorf("verify: %s", problem)
	}
	for _, note := range seen.Notes {
		// Of a generation that can't be rebuilt everything whole is kept, twice if need be.
		kept := slices.ContainsFunc(ids(report, bootbuilder.Kept), func(id string) bool { return strings.HasPrefix(note, id) })
		if !kept || !strings.HasSuffix(note, "are entries of the same generation") {
			p.t.Errorf("verify notes %s", note)
		}
	}
}

// removes wants NixOS' part back, and what is foreign. loader.conf names NixOS' entries, globs or not.
func (p *property) removes(nixos map[string]string) {
	p.t.Helper()
	p.remove()
	after := withoutExtras(p.files())
	const conf = "loader/loader.conf"
	if d := diffTrees(map[string]string{conf: otherLines(nixos[conf])}, map[string]string{conf: otherLines(after[conf])}); d != "" {
		p.t.Errorf("after remove:\n%s", d)
	}
	for line := range strings.Lines(after[conf]) {
		if key, value, _ := strings.Cut(line, " "); (key == "default" || key == "preferred") && !strings.HasPrefix(value, "nixos-") {
			p.t.Errorf("after remove loader.conf says %q", line)
		}
	}
	delete(nixos, conf)
	delete(after, conf)
	if diff := diffTrees(nixos, after); diff != "" {
		p.t.Errorf("after remove (-NixOS' part +this):\n%s", diff)
	}
}
