package transaction_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
)

// scenario is a partition that is brought from one world to another.
type scenario struct {
	name          string
	before, after *world
	tight         bool // there is disk space for the new only without the old
}

func scenarios() []scenario {
	const started = "xen-generation-3.conf"
	long := "title " + strings.Repeat("a long title ", 45) + "\nefi EFI/xen/xen-a.efi\noptions EFI/xen/xen-generation-2-%[1]s.cfg\nversion %[1]s\n"
	shared := func(xen, parameters string) func(w *world) {
		return func(w *world) {
			for n := 1; n <= 3; n++ {
				w.generation(n, xen, parameters)
			}
		}
	}
	unified := func(hash string) func(w *world) {
		return func(w *world) {
			for n := 1; n <= 3; n++ {
				w.unified(n, hash)
			}
		}
	}
	none := newWorld("nixos-1.conf", nil)
	return []scenario{
		{"first", none, newWorld(started, shared("a", "x")), false},
		{"first, many names", none, newWorld(started, func(w *world) {
			shared("a", "x")(w)
			for n := range 40 {
				w.payload[fmt.Sprintf("EFI/xen/a-name-that-takes-several-slots-%d.img", n)] = "x"
			}
		}), false},
		{"first unified", none, newWorld("xen-generation-3-aaaa.efi", unified("aaaa")), false},
		{"new generation", newWorld(started, shared("a", "x")), newWorld("xen-generation-4.conf", func(w *world) {
			shared("a", "x")(w)
			w.generation(4, "a", "x")
		}), false},
		{"new Xen", newWorld(started, shared("a", "x")), newWorld(started, shared("b", "x")), false},
		{"new parameters", newWorld(started, shared("a", "x")), newWorld(started, shared("a", "y")), false},
		{"new images", newWorld("xen-generation-3-aaaa.efi", unified("aaaa")), newWorld("xen-generation-3-bbbb.efi", unified("bbbb")), false},
		{"shared to unified", newWorld(started, shared("a", "x")), newWorld("xen-generation-3-aaaa.efi", unified("aaaa")), false},
		{"unified to shared", newWorld("xen-generation-3-aaaa.efi", unified("aaaa")), newWorld(started, shared("a", "x")), false},
		{"remove", newWorld(started, shared("a", "x")), none, false},
		{"remove unified", newWorld("xen-generation-3-aaaa.efi", unified("aaaa")), none, false},
		{"no loader.conf", newWorld("", nil), newWorld(started, shared("a", "x")), false},
		{"new Xen, full", newWorld(started, shared("a", "x")), newWorld(started, shared("b", "y")), true},
		{"new images, full", newWorld("xen-generation-3-aaaa.efi", unified("aaaa")), newWorld("xen-generation-3-bbbb.efi", unified("bbbb")), true},
		{"entries without padding", newWorld(started, func(w *world) {
			shared("a", "x")(w)
			for name, text := range w.entries {
				w.entries[name] = trim(text) + "\n"
			}
		}), newWorld(started, shared("a", "y")), false},
		{"a long entry, new", newWorld(started, func(w *world) { w.generation(3, "a", "x") }), newWorld(started, func(w *world) {
			shared("a", "x")(w)
			w.entry(2, fmt.Sprintf(long, "x"))
		}), false},
		{"a long entry, changed", newWorld(started, func(w *world) {
			shared("a", "x")(w)
			w.entry(2, fmt.Sprintf(long, "x"))
		}), newWorld(started, func(w *world) {
			shared("a", "y")(w)
			w.entry(2, fmt.Sprintf(long, "y"))
		}), false},
		{"a shorter entry", newWorld(started, func(w *world) {
			shared("a", "x")(w)
			w.entry(2, fmt.Sprintf(long, "x"))
		}), newWorld(started, shared("a", "x")), false},
	}
}

// named is one of the scenarios.
func named(name string) scenario {
	list := scenarios()
	return list[slices.IndexFunc(list, func(s scenario) bool { return s.name == name })]
}

// TestCrash cuts the power at every operation of a run. In each state in which the disk may then be found, what starts is
// complete, and the next run ends as one that nobody disturbed.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		for _, cluster := range []int64{512, 4096} {
			t.Run(fmt.Sprintf("%s %d", s.name, cluster), func(t *testing.T) {
				t.Parallel()
				s.crash(t, crashfs.Geometry{Cluster: cluster})
			})
		}
	}
}

func (s scenario) crash(t *testing.T, g crashfs.Geometry) {
	start := machine(s.before, g)
	if s.tight {
		g.Capacity = s.capacity(t, g)
		start.FS(0).Resize(g)
	}
	m := start.Clone()
	first, _, err := install(m, s.after)
	must(t, err)
	if first != s.tight {
		t.Errorf("what is stale goes first: %v", first)
	}
	for _, wrong := range same(s.after, m.FS(0)) {
		t.Error(wrong)
	}
	log := m.Log()
	states, rng := 0, rand.New(rand.NewPCG(3, 4))
	limit, every := 30, 1
	if testing.Short() {
		limit = 5
	}
	if len(log) > 250 { // most of them make one more name
		limit, every = 3, 15
		if testing.Short() {
			every = 150
		}
	}
	for n, op := range log {
		if n%every != 0 && (op.Kind == crashfs.OpCreate || op.Kind == crashfs.OpAllocate || op.Kind == crashfs.OpWrite || op.Kind == crashfs.OpClose) {
			continue
		}
		if !sampled(n, s.name) {
			continue
		}
		for _, halfway := range []bool{false, true} {
			if !op.Kind.Writes() && op.Kind != crashfs.OpClose || halfway && op.Kind != crashfs.OpWrite {
				continue
			}
			m := start.Clone()
			m.CutAt(n, halfway)
			if _, _, err := install(m, s.after); err == nil && op.Kind != crashfs.OpClose {
				t.Fatalf("the power was cut at %v, but the run saw no error", op)
			}
			for found := range m.CrashStates(limit, rng) {
				states++
				if !s.survives(t, found, first, fmt.Sprintf("cut at %d: %v %s (halfway: %v)", n, op.Kind, op.Path, halfway)) {
					return
				}
			}
		}
	}
	t.Logf("%d operations, %d states", len(log), states)
}

// sampled reports whether operation n of a scenario is looked at: with -short it is one of four, others in each scenario.
func sampled(n int, scenario string) bool { return !testing.Short() || n%12 == len(scenario)%12 }

// survives judges a state, and what the next run makes of it.
func (s scenario) survives(t *testing.T, m *crashfs.Machine, first bool, when string) bool {
	t.Helper()
	f := m.FS(0)
	if wrong := check(s.before, s.after, f, first); len(wrong) > 0 {
		t.Errorf("%s:\n%s", when, strings.Join(wrong, "\n"))
		return false
	}
	if _, _, err := install(m, s.after); err != nil {
		t.Errorf("%s: the next run: %v", when, err)
		return false
	}
	if wrong := same(s.after, f); len(wrong) > 0 {
		t.Errorf("%s: the next run ends with\n%s", when, strings.Join(wrong, "\n"))
		return false
	}
	return true
}

// capacity is the smallest that the run ends on, and a bit more: a directory that was left halfway stays.
func (s scenario) capacity(t *testing.T, g crashfs.Geometry) int64 {
	t.Helper()
	for g.Capacity = 1; g.Capacity < 1000; g.Capacity++ {
		m := machine(s.before, g)
		if _, _, err := install(m, s.after); err == nil {
			return g.Capacity + 2
		}
	}
	t.Fatal("no partition is large enough")
	return 0
}

// TestOrderBefore is the order of the first version: staged, synced, renamed, the directory synced. Under what vfat does it
// breaks, so that the model would find it.
func TestOrderBefore(t *testing.T) {
	t.Parallel()
	s := named("new Xen")
	start := machine(s.before, crashfs.Geometry{})
	run := func(m *crashfs.Machine) error {
		f := m.FS(0)
		for _, files := range []map[string]string{s.after.payload, s.after.entries} {
			for name, text := range files {
				if err := esp.WriteBytes(f, name, []byte(text)); err != nil {
					return err
				}
			}
			if err := f.SyncDir(xenDir); err != nil {
				return err
			}
			if err := f.SyncDir("loader/entries"); err != nil {
				return err
			}
		}
		return f.Sync()
	}
	m := start.Clone()
	must(t, run(m))
	broken, total, kinds := 0, 0, make(map[string]bool)
	rng := rand.New(rand.NewPCG(5, 6))
	for n := range len(m.Log()) + 1 {
		m := start.Clone()
		m.CutAt(n, false)
		_ = run(m)
		for found := range m.CrashStates(30, rng) {
			total++
			wrong := check(s.before, s.after, found.FS(0), false)
			if len(wrong) > 0 {
				broken++
			}
			for _, w := range wrong {
				for _, kind := range []string{"marked free", `""`} {
					kinds[kind] = kinds[kind] || strings.Contains(w, kind)
				}
			}
		}
	}
	if broken == 0 || !kinds["marked free"] || !kinds[`""`] {
		t.Errorf("%d of %d states are broken, kinds %v: the model does not find what vfat does", broken, total, kinds)
	}
	t.Logf("%d of %d states are broken", broken, total)
}
