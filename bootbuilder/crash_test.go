package bootbuilder_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
)

// TestCrash cuts the power before, in the middle of and after every operation of a run, for every
// scenario. In each state in which the disks may then be found, what boots is whole, and the
// next run brings the same bytes as one that nobody disturbed.
func TestCrash(t *testing.T) {
	t.Parallel()
	// A run streams through large buffers on a heap that is next to empty: without this, half of
	// the time goes into collecting them.
	percent := debug.SetGCPercent(1000)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	var states, found atomic.Int64
	t.Run("scenarios", func(t *testing.T) {
		for _, s := range crashScenarios() {
			if testing.Short() && !slices.Contains(shortScenarios, s.name) {
				continue
			}
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				r := s.run(t)
				r.crashEverywhere(t)
				states.Add(r.states)
				found.Add(int64(len(r.seen)))
				t.Logf("%d states after a crash, %d of them distinct, %d operations", r.states, len(r.seen), len(r.log))
			})
		}
	})
	t.Logf("%d states visited, %d of them distinct", states.Load(), found.Load())
	if want := int64(1500); found.Load() < want && !testing.Short() {
		t.Errorf("%d distinct states visited, want at least %d", found.Load(), want)
	}
}

// shortScenarios have each step of the order in which things are written, in some layout.
var shortScenarios = []string{
	"fresh-shared", "upgrade-xbootldr-unified", "tight-embedded", "take-over-shared", "xen-gone-unified", "kept-shared",
	"shared-to-embedded", "from-store", "joined-initrds", "lanzaboote", "tight-stale-default",
}

// crashRun is a scenario with the undisturbed run done.
type crashRun struct {
	*crashBench
	start   *crashfs.Machine // before the run
	log     []crashfs.Op
	after   world
	checker *checker
	seen    map[[sha256.Size]byte]bool
	states  int64
	rng     *rand.Rand
}

// run prepares a scenario and runs it undisturbed, twice: the second time changes nothing.
func (s crashScenario) run(t *testing.T) *crashRun {
	t.Helper()
	b := newCrashBench(t, s)
	r := &crashRun{crashBench: b, start: b.disks, seen: make(map[[sha256.Size]byte]bool), rng: rand.New(rand.NewPCG(1, 2))}
	m := r.start.Clone()
	if err := r.runOn(m); err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	r.log = m.Log()
	r.after = worldOf(m, r.xbootldr)
	again := m.Clone()
	if err := r.runOn(again); err != nil {
		t.Fatalf("second run: %v", err)
	}
	if d := diffWorlds(r.after, worldOf(again, r.xbootldr)); d != "" {
		t.Errorf("a second run changed something:\n%s", d)
	}
	before := worldOf(r.start, r.xbootldr)
	r.checker = newChecker(before, r.after)
	r.checker.blanks = s.tight
	if wrong := r.checker.check(r.after); len(wrong) > 0 {
		t.Errorf("undisturbed, this is wrong:\n%s", strings.Join(wrong, "\n"))
	}
	if diffTrees(before.boot, r.after.boot)+diffTrees(before.esp, r.after.esp) == "" {
		t.Error("the run changes nothing: there is nothing to cut")
	}
	if first := r.dropsFirst(r.log); first != s.tight {
		t.Errorf("what is stale goes first: %v; room is tight: %v", first, s.tight)
	}
	if s.verify != nil {
		s.verify(t, r)
	}
	return r
}

// diffWorlds compares files, padding aside. A directory left empty harms nobody.
func diffWorlds(want, got world) string {
	return diffFiles(want, got, func(files map[string]string) map[string]string { return files })
}

// diffFiles is diffWorlds of what comes of the files.
func diffFiles(want, got world, as func(map[string]string) map[string]string) string {
	files := func(t tree) map[string]string { return withoutPadding(as(withoutDirectories(t))) }
	return diffTrees(files(want.esp), files(got.esp)) + diffTrees(files(want.boot), files(got.boot))
}

// crashEverywhere cuts at each operation that writes. After one of them is before the next.
func (r *crashRun) crashEverywhere(t *testing.T) {
	limit := 24
	if testing.Short() {
		limit = 4
	}
	for n, op := range r.log {
		if !op.Kind.Writes() || !r.sampled(n) {
			continue
		}
		for _, halfway := range []bool{false, true} {
			if halfway && op.Kind != crashfs.OpWrite {
				continue // as good as before or after, see [crashfs.Machine.CutAt]
			}
			m := r.start.Clone()
			m.CutAt(n, halfway)
			if err := r.runOn(m); err == nil {
				t.Fatalf("the power was cut at %v %s, but the run saw no error", op.Kind, op.Path)
			}
			r.afterCut(t, m, r.checker, limit, fmt.Sprintf("cut at operation %d (halfway: %v), %s %s", n, halfway, op.Kind, op.Path))
			if t.Failed() {
				return
			}
		}
	}
	m := r.start.Clone()
	if err := r.runOn(m); err != nil {
		t.Fatal(err)
	}
	r.afterCut(t, m, r.checker, limit, "cut after the run")
}

// sampled reports whether operation n is looked at: with -short it is one of four, others in each scenario.
func (r *crashRun) sampled(n int) bool { return !testing.Short() || n%12 == len(r.name)%12 }

// afterCut checks and repairs all states that a cut may leave.
func (r *crashRun) afterCut(t *testing.T, m *crashfs.Machine, c *checker, limit int, when string) {
	t.Helper()
	for state := range m.CrashStates(limit, r.rng) {
		r.states++
		w := worldOf(state, r.xbootldr)
		sum := w.sum()
		if r.seen[sum] {
			continue
		}
		r.seen[sum] = true
		if wrong := c.check(w); len(wrong) > 0 {
			t.Errorf("%s:\n%s\n%s", when, strings.Join(wrong, "\n"), r.describe(w))
			return
		}
		if err := r.runOn(state); err != nil {
			t.Errorf("%s: the next run: %v", when, err)
			return
		}
		if d := c.diff(r.after, worldOf(state, r.xbootldr)); d != "" {
			t.Errorf("%s: the next run ends differently (-undisturbed +repaired):\n%s\n%s", when, d, r.describe(w))
			return
		}
	}
}

// describe lists what stands, with the size of each file.
func (r *crashRun) describe(w world) string {
	var b strings.Builder
	b.WriteString("after the cut there are:\n")
	for _, part := range []tree{w.esp, w.boot} {
		for _, name := range slices.Sorted(maps.Keys(part)) {
			fmt.Fprintf(&b, "  %s (%d)\n", name, len(part[name]))
		}
		if !r.xbootldr {
			break
		}
	}
	fmt.Fprintf(&b, "loader.conf: %q", w.esp["loader/loader.conf"])
	return b.String()
}

func (w world) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, part := range []tree{w.esp, w.boot} {
		for _, name := range slices.Sorted(maps.Keys(part)) {
			fmt.Fprintf(h, "%q %d\n%s", name, len(part[name]), part[name])
		}
		fmt.Fprintln(h, "end")
	}
	h.Sum(sum[:0])
	return sum
}

// install is one run on a machine.
func (b *crashBench) runOn(m *crashfs.Machine) error {
	target := bootbuilder.NewTarget(m.FS(0), nil)
	if b.xbootldr {
		target = bootbuilder.NewTarget(m.FS(0), m.FS(1))
	}
	return b.installOn(target).Err
}
