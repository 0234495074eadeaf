package attack_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// attack is one thing to try.
type attack struct {
	id   string
	name string
	on   []peer             // nil: all
	from bootbuilder.Source // "": all that the peer has
	more []fixtures.Generation
	do   func(m *machine)
	// lost are generations that can't have an entry, in any layout; may those that may have none without a key.
	lost, may []string
	// mayCopy says that the bytes lie on the ESP by definition, so that layouts without a signature copy them.
	mayCopy bool
	shell   bool               // programs can run, and are allowed to
	reason  bootbuilder.Reason // that is given for what is lost
	check   func(m *machine, r *bootbuilder.Report)
}

// setting is how the program is called.
type setting struct {
	layout bootbuilder.Layout
	signed bool
}

var settings = []setting{
	{bootbuilder.LayoutShared, false}, {bootbuilder.LayoutEmbedded, false},
	{bootbuilder.LayoutUnified, false}, {bootbuilder.LayoutUnified, true},
}

func (s setting) String() string {
	if s.signed {
		return "signed"
	}
	return string(s.layout)
}

// sources are where a peer's generations can be had from.
func sources(p peer) []bootbuilder.Source {
	if p == stubs {
		return []bootbuilder.Source{bootbuilder.FromAuto, bootbuilder.FromProfiles, bootbuilder.FromLanzaboote}
	}
	return []bootbuilder.Source{bootbuilder.FromAuto, bootbuilder.FromProfiles, bootbuilder.FromEntries}
}

// TestAttacks tries everything on every peer, from every source, in every layout, with and without a key: nothing of
// the attacker's is signed, copied or run; the genuine generations are installed.
func TestAttacks(t *testing.T) {
	t.Parallel()
	ids := make(map[string]bool)
	for n, a := range attacks() {
		if testing.Short() && ids[a.id] && n%5 > 0 && os.Getenv("XBB_ATTACKS") != "all" {
			continue // a sample, with each attack in it
		}
		ids[a.id] = true
		t.Run(a.id+" "+a.name, func(t *testing.T) {
			t.Parallel()
			calls := a.calls(n)
			for i, c := range calls {
				if testing.Short() && i%12 != n%min(12, len(calls)) {
					continue // each attack in some of the ways
				}
				t.Run(fmt.Sprintf("%s/%s/%v", c.peer, c.from, c.setting), func(t *testing.T) { a.try(t, c) })
			}
		})
	}
	for _, id := range strings.Fields("S1 S2 S3 S3b S4 S5 S6 S7 S8 S9 S10 S11 S13 S15 S16") {
		if !ids[id] {
			t.Errorf("attack %s is not tried", id)
		}
	}
}

// call is one way in which an attack meets the program.
type call struct {
	peer
	from bootbuilder.Source
	setting
}

// calls are the ways in which an attack is tried. With a key: every peer, and one in turn with the other sources.
// Without: one peer in turn, in every layout. With XBB_ATTACKS=all it is everything, which takes minutes; with -short
// one peer in turn is all, and a fifth of the variants.
func (a attack) calls(n int) (list []call) {
	peers := a.on
	if peers == nil {
		peers = allPeers
	}
	all := os.Getenv("XBB_ATTACKS") == "all"
	short := testing.Short() && !all
	for i, p := range peers {
		turn := all || i == n%len(peers)
		if short && !turn {
			continue
		}
		for j, from := range sources(p) {
			if a.from != "" && from != a.from {
				continue
			}
			for _, s := range settings {
				if short && (j > 0 || !s.signed && s.layout != bootbuilder.LayoutShared) {
					continue
				}
				if all || s.signed && (turn || j == 0) || turn && (j == 0 || j == 1 && s.layout == bootbuilder.LayoutShared) {
					list = append(list, call{p, from, s})
				}
			}
		}
	}
	return list
}

func (a attack) machine(t *testing.T, c call) *machine {
	t.Helper()
	m := newMachine(t, c.peer, a.more...)
	m.options.From, m.options.Layout, m.signed = c.from, c.layout, c.signed
	if a.shell {
		m.withShell()
		m.options.Secrets = bootbuilder.SecretsRun
	}
	m.install()
	a.do(m)
	return m
}

func (a attack) try(t *testing.T, c call) {
	m := a.machine(t, c)
	before := m.snapshot()
	r, err := m.run()
	if err != nil && !a.mayFail(m, r) {
		t.Fatalf("the run failed: %v", err)
	}
	var may []string
	for _, gen := range a.may {
		if gen, always := strings.CutSuffix(gen, "!"); always || !c.signed {
			may = append(may, gen)
		}
	}
	m.judge(before, m.but(a.lost...), may, a.mayCopy)
	if a.reason != "" {
		for _, g := range r.Generations {
			if slices.Contains(a.lost, m.nameOf(g.Toplevel)) && g.Reason != a.reason {
				t.Errorf("%s is left out for %q, want %q (%s)", g.ID, g.Reason, a.reason, g.Detail)
			}
		}
	}
	if a.check != nil {
		a.check(m, r)
	}
	if c.from != bootbuilder.FromAuto {
		return
	}
	// What the run left is what the next one leaves: nothing of it is taken for the attacker's, or the other way round.
	first := m.snapshot()
	if r, err := m.run(); err != nil && !a.mayFail(m, r) {
		t.Fatalf("the second run failed: %v", err)
	}
	m.judge(before, m.but(a.lost...), may, a.mayCopy)
	if changed := written(first, m.snapshot()); len(changed) > 0 {
		for name := range changed {
			t.Errorf("the second run wrote %s", name)
		}
	}
	if c.signed {
		m.wantVerified(before)
	}
}

// mayFail reports whether the default is a generation that can't be had: a run that leaves it out says so by an error.
func (a attack) mayFail(m *machine, r *bootbuilder.Report) bool {
	for _, g := range orEmpty(r).Generations {
		name := m.nameOf(g.Toplevel)
		if g.Default && (slices.Contains(a.lost, name) || slices.Contains(a.may, name) || slices.Contains(a.may, name+"!")) {
			return true
		}
	}
	return false
}

func orEmpty(r *bootbuilder.Report) *bootbuilder.Report {
	if r == nil {
		return &bootbuilder.Report{}
	}
	return r
}

// nameOf is a generation by its toplevel, "" for none.
func (m *machine) nameOf(toplevel string) string {
	for name, top := range m.tops {
		if top.Path == toplevel {
			return name
		}
	}
	return ""
}

// wantVerified wants verify to find no fault with any image that the run made.
func (m *machine) wantVerified(before map[string]string) {
	m.t.Helper()
	fresh := written(before, m.snapshot())
	for _, e := range m.verify(signer(m.t).Certificate()).Entries {
		name := relative(m.boot, e.Image)
		if _, made := fresh[name]; made && e.Health != bootbuilder.OK {
			m.t.Errorf("verify says %s of %s: %q", e.Health, name, e.Problems)
		}
	}
}
