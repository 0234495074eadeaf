package bootbuilder_test

import (
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestAdministrations is the life of random machines: after each thing that people do, NixOS' installer and this program
// run, and the default has to be what a simple model says. XBB_ADMINISTRATIONS is how many there are in all (400; 40 with
// -short), 20 on each machine. Every second machine puts what is new on trial (--default try), boots, and blesses or not.
func TestAdministrations(t *testing.T) {
	t.Parallel()
	all := 400
	if testing.Short() {
		all = 40
	}
	all, first := envNumber(t, "XBB_ADMINISTRATIONS", all), envNumber(t, "XBB_SEED", 1)
	var judged, toXen atomic.Int64
	t.Cleanup(func() { t.Logf("%d administrations, Xen started by default after %d", judged.Load(), toXen.Load()) })
	for seed := first; seed < first+(all+19)/20; seed++ {
		t.Run(fmt.Sprintf("XBB_SEED=%d", seed), func(t *testing.T) {
			t.Parallel()
			p := &property{machine: newMachine(t), rand: rand.New(rand.NewPCG(uint64(seed), 1))}
			p.wrong, p.counters = make(map[*fixtures.Toplevel]string), make(map[string]string)
			p.configure()
			if seed%2 == 0 {
				p.putOnTrial()
			}
			p.addSome(2)
			for n := range min(20, all) {
				p.note("-- %d", n)
				if p.administer() {
					toXen.Add(1)
				}
				judged.Add(1)
				if t.Failed() {
					t.Fatalf("what was done:\n%s", strings.Join(p.log, "\n"))
				}
			}
		})
	}
}

// administer is one thing that people do, and what follows of it. It reports whether Xen starts by default then.
func (p *property) administer() bool {
	p.t.Helper()
	p.change()
	p.renumber()
	if p.root.Default() == nil {
		p.must(p.root.SetDefault(choose(p.rand, p.root.Toplevels()...)))
	}
	p.randomOptions()
	p.sign(nil)
	p.options.Limit = choose(p.rand, 0, 0, 1, 2, 4)
	if p.trial != nil {
		p.tries()
	}
	want := p.root.Default()
	if newest := p.newestOfSystem(); p.chance(25) && p.xboot == "" && newest != nil {
		p.note("lzbt")
		p.lanzaboote(fixtures.Lanzaboote{})
		p.entries, want = nil, newest
	} else {
		p.rebuild()
		p.count()
	}
	p.note("install: layout %s, default %s, limit %d; wanted is %d of %q (%s)",
		p.options.Layout, p.options.Default, p.options.Limit, want.Number, want.Profile, want.Specialisation)
	r := p.tryInstall()
	if r.Report == nil {
		p.t.Fatal(r.Err)
	}
	for _, g := range r.Report.Generations {
		p.note("   %s: %s %s %s", g.ID, g.State, g.Reason, g.Detail)
	}
	p.note("   ended with %v", r.Err)
	judge := func() bool {
		if p.trial != nil {
			return p.judgeTrial(want, r.Report)
		}
		return p.judge(want)
	}
	started := judge()
	after := p.files()
	if again := p.tryInstall(); again.Report == nil || again.Report.Changed {
		p.t.Error("a second run has changes to make")
	}
	if diff := diffTrees(after, p.files()); diff != "" {
		p.t.Errorf("a second run changed something:\n%s", diff)
	}
	judge()
	if p.trial != nil && p.chance(70) {
		p.boots()
	}
	return started
}

// judge holds what starts against the model, and wants no Xen entry of a generation that is gone. It reports whether Xen starts.
func (p *property) judge(want *fixtures.Toplevel) bool {
	p.t.Helper()
	inspection := p.list()
	there := make(map[string]bool)
	for _, top := range p.root.Toplevels() {
		there[top.Path] = true
		for _, s := range top.Specialisations {
			there[s.Path] = true
		}
	}
	starts := inspection.Starts
	toplevel, marks := "", 0
	for _, e := range inspection.Entries {
		if !there[e.Toplevel] {
			p.t.Errorf("%s is of %s, which is gone", e.ID, e.Toplevel)
		}
		if e.Default {
			marks++
			toplevel = e.Toplevel
		}
	}
	if starts == nil || marks > 1 || starts.Xen != (marks == 1) {
		p.t.Errorf("%d entries are marked, %+v starts", marks, starts)
		return false
	}
	bad := false
	for _, e := range p.entries {
		if e.Toplevel == want {
			bad = p.counters[e.ID] == "0-3"
		}
	}
	xen := p.options.Default == bootbuilder.DefaultXen && p.fine(want) && !bad
	switch {
	case xen && (!starts.Xen || toplevel != want.Path):
		p.t.Errorf("%+v (%s) starts, want Xen with %s", starts, toplevel, want.Path)
	case !xen && starts.Xen:
		p.t.Errorf("Xen starts (%+v), want NixOS", starts)
	case !xen && !bad && p.nixosToplevel(starts.Entry) != want.Path:
		p.t.Errorf("%+v (%s) starts, want NixOS with %s", starts, p.nixosToplevel(starts.Entry), want.Path)
	}
	return starts.Xen
}

// nixosToplevel is what the file of a NixOS entry or stub says that it starts.
func (p *property) nixosToplevel(id string) string {
	init := regexp.MustCompile(`init=(\S+)/init`)
	plain := func(name string) string {
		return regexp.MustCompile(`\+[0-9]+(-[0-9]+)?(\.\w+)$`).ReplaceAllString(strings.ToLower(name), "$2")
	}
	for name, content := range p.files() {
		if plain(path.Base(name)) == plain(id) {
			if m := init.FindStringSubmatch(content); m != nil {
				return m[1]
			}
		}
	}
	return ""
}

// newestOfSystem is what Lanzaboote's `nixos-*` means, or nil where there is nothing that lzbt can install.
func (p *property) newestOfSystem() *fixtures.Toplevel {
	var newest *fixtures.Toplevel
	for _, top := range p.root.Toplevels() {
		for _, t := range append([]*fixtures.Toplevel{top}, top.Specialisations...) {
			if t.System.NoInitrd || t.System.Secrets != nil || len(t.System.ExtraInitrds) > 0 {
				return nil // lzbt refuses the first, and the fixture does neither of the others
			}
		}
		if top.Profile == "" && (newest == nil || top.Number > newest.Number) {
			newest = top
		}
	}
	return newest
}

// renumber gives the number of a deleted generation to a new one.
func (p *property) renumber() {
	all := p.root.Toplevels()
	if !p.chance(20) || len(all) == 0 {
		return
	}
	top := choose(p.rand, all...)
	g := fixtures.Generation{Profile: top.Profile, Number: top.Number}
	g.System, _ = p.system()
	g.Params = []string{fmt.Sprintf("again=%d", p.rand.IntN(1000))}
	p.note("the number %d of %q is given out again: Xen %v", top.Number, top.Profile, g.Xen != nil)
	p.must(p.root.Delete(top))
	if g.Xen != nil && len(g.Xen.Params) > 0 {
		g.Xen.Params = nil
	}
	g.Extra = nil
	p.add(g)
}
