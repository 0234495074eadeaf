package transaction_test

import (
	"math/rand/v2"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
)

// TestEachStepIsNeeded leaves steps out, one kind at a time: then there are states that break the promise, or that the next run
// does not repair. So each step has its reason, and the tests here would notice that it is missing.
func TestEachStepIsNeeded(t *testing.T) {
	t.Parallel()
	in := func(phase int, ops ...transaction.Op) func(transaction.Step) bool {
		return func(s transaction.Step) bool {
			for _, op := range ops {
				if s.Op == op && s.Phase() == phase {
					return true
				}
			}
			return false
		}
	}
	const first, newGeneration, newXen, newImages = "first", "new generation", "new Xen", "new images"
	for _, c := range []struct {
		name     string
		scenario string
		without  func(transaction.Step) bool
		// eager lets go at once of what is dropped.
		eager bool
	}{
		{"the FAT before what points there", newXen, in(transaction.PhaseClusters, transaction.OpFlushTables), false},
		{"an entry's newlines before its length", newGeneration, in(transaction.PhaseClusters, transaction.OpSend), false},
		{"payload before entries", newXen, in(transaction.PhasePayload, transaction.OpFlush), false},
		{"entries before what is stale", newXen, in(transaction.PhaseEntries, transaction.OpFlush), false},
		{"stale names before their clusters", newXen, in(transaction.PhaseStale, transaction.OpFlush), false},
		{"an image's zeros before its length", newImages, in(transaction.PhaseClusters, transaction.OpSend), false},
		{"a stale image is zeroed", newImages, in(transaction.PhaseStale, transaction.OpBlank), false},
		{"a directory's clusters before its name", first, func(s transaction.Step) bool { return s.Op == transaction.OpSyncHeld }, false},
		{"held until the name is off the disk", newXen, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := named(c.scenario)
			start := machine(s.before, crashfs.Geometry{})
			run := func(m *crashfs.Machine) error {
				change, err := s.after.change(m.FS(0))
				if err != nil {
					return err
				}
				if c.eager {
					for _, list := range [][]transaction.Place{change.StaleEntries, change.StalePayload} {
						for i := range list {
							list[i].FS = eager{m.FS(0)}
						}
					}
				}
				steps, err := transaction.Plan(change)
				if err != nil {
					return err
				}
				if c.without != nil {
					all := steps.Len()
					if steps = steps.Without(c.without); steps.Len() == all {
						t.Fatal("there is no such step")
					}
				}
				_, err = steps.Run(t.Context(), transaction.Observer{})
				return err
			}
			m := start.Clone()
			must(t, run(m))
			broken, total := 0, 0
			rng := rand.New(rand.NewPCG(11, 12))
			for n := range len(m.Log()) + 1 {
				if testing.Short() && broken > 0 {
					break // one is enough to show it
				}
				m := start.Clone()
				m.CutAt(n, false)
				_ = run(m)
				for found := range m.CrashStates(40, rng) {
					if testing.Short() && broken > 0 {
						break
					}
					total++
					bad := len(check(s.before, s.after, found.FS(0), false)) > 0
					if !bad {
						_, _, err := install(found, s.after)
						bad = err != nil || len(same(s.after, found.FS(0))) > 0
					}
					if bad {
						broken++
					}
				}
			}
			if broken == 0 {
				t.Errorf("without it, none of %d states breaks", total)
			}
			t.Logf("without it, %d of %d states break", broken, total)
		})
	}
}

// eager is a file system that does not hold what is dropped.
type eager struct{ *crashfs.FS }

func (e eager) Drop(name string) (esp.Held, error) {
	held, err := e.FS.Drop(name)
	if err != nil {
		return nil, err
	}
	return released{}, held.Close()
}

type released struct{}

func (released) Sync() error  { return nil }
func (released) Close() error { return nil }
