package bootbuilder_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
)

// spaceScenarios are those of crashScenarios that differ in what takes room and what fails.
func spaceScenarios() []crashScenario {
	names := []string{
		"fresh-shared", "fresh-unified", "upgrade-shared", "upgrade-embedded", "upgrade-unified",
		"upgrade-xbootldr-shared", "take-over-shared", "xen-gone-shared", "from-store",
		"kept-shared", "kept-embedded", "kept-unified",
	}
	if testing.Short() {
		names = []string{"fresh-unified", "upgrade-shared"}
	}
	return slices.DeleteFunc(crashScenarios(), func(s crashScenario) bool { return !slices.Contains(names, s.name) })
}

// TestEveryCapacity runs on partitions of each size, from one that is full to one with ample room.
// The new state comes whole, or the old one stays byte for byte.
func TestEveryCapacity(t *testing.T) {
	t.Parallel()
	for _, s := range spaceScenarios() {
		for _, cluster := range []int64{512, 4096} {
			t.Run(fmt.Sprintf("%s-%d", s.name, cluster), func(t *testing.T) {
				t.Parallel()
				r := s.run(t)
				boot := r.bootIndex()
				before := worldOf(r.start, r.xbootldr)
				r.start.FS(boot).Resize(crashfs.Geometry{Cluster: cluster})
				full, done, refused, dropped := r.start.FS(boot).Used(), 0, 0, 0
				// Some sizes on, all of them have room: then it is enough.
				for capacity := full; done < 20; capacity++ {
					m := r.start.Clone()
					m.FS(boot).Resize(crashfs.Geometry{Cluster: cluster, Capacity: capacity})
					err := r.runOn(m)
					w := worldOf(m, r.xbootldr)
					switch {
					case err == nil && diffWorlds(r.after, w) == "":
						done++
						if r.dropsFirst(m.Log()) {
							dropped++
						}
						continue
					case err == nil:
						t.Errorf("%d clusters more: success, but the outcome is another:\n%s", capacity-full, diffWorlds(r.after, w))
					case !errors.Is(err, syscall.ENOSPC):
						t.Errorf("%d clusters more: %v, want ENOSPC", capacity-full, err)
					case diffWorlds(before, w) != "":
						t.Errorf("%d clusters more: %v, but this changed:\n%s", capacity-full, err, diffWorlds(before, w))
					case done > 0:
						t.Errorf("%d clusters more: %v, with one less there was room", capacity-full, err)
					}
					refused++
				}
				t.Logf("refused %d sizes, dropped what is stale first on %d", refused, dropped)
			})
		}
	}
}

// TestSpaceThatIsNotThere runs where the file system claims room that somebody else takes
// meanwhile. While content is being written, the old state stays byte for byte. Once all is
// written, only a directory may still lack room for a name: then what has its name stays,
// and the next run goes on from there.
func TestSpaceThatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, s := range spaceScenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := s.run(t)
			boot := r.bootIndex()
			before := worldOf(r.start, r.xbootldr)
			const room = 400 // clusters free, of which more and more are there
			capacity := r.start.FS(boot).Used() + room
			failed, renaming := 0, 0
			for hidden := int64(room); hidden >= 0; hidden-- {
				m := r.start.Clone()
				m.FS(boot).Resize(crashfs.Geometry{Capacity: capacity, Hidden: hidden})
				err := r.runOn(m)
				w := worldOf(m, r.xbootldr)
				if err == nil {
					if d := diffWorlds(r.after, w); d != "" {
						t.Errorf("%d clusters are not there: success, but the outcome is another:\n%s", hidden, d)
					}
					break
				}
				failed++
				if !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("%d clusters are not there: %v, want ENOSPC", hidden, err)
				}
				if slices.ContainsFunc(m.Log(), func(op crashfs.Op) bool { return op.Kind == crashfs.OpRename }) {
					renaming++
					r.halfNamed(t, m, w)
				} else if d := diffWorlds(before, w); d != "" {
					t.Errorf("%d clusters are not there: %v, but this changed:\n%s", hidden, err, d)
				}
			}
			if failed == 0 && len(r.after.boot) > len(before.boot) {
				t.Error("no run ran out of space")
			}
			t.Logf("%d runs ran out of space, %d of them while renaming", failed, renaming)
		})
	}
}

// halfNamed looks at a state in which some of what is new has its name. The next run has room.
func (r *crashRun) halfNamed(t *testing.T, m *crashfs.Machine, w world) {
	t.Helper()
	if wrong := r.checker.check(w); len(wrong) > 0 {
		t.Errorf("out of space while renaming:\n%s", strings.Join(wrong, "\n"))
	}
	for name := range w.boot {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("out of space while renaming: %s is left", name)
		}
	}
	next := m.Clone()
	next.FS(r.bootIndex()).Resize(crashfs.Geometry{})
	if err := r.runOn(next); err != nil {
		t.Errorf("the next run: %v", err)
	} else if d := diffWorlds(r.after, worldOf(next, r.xbootldr)); d != "" {
		t.Errorf("the next run ends differently (-undisturbed +repaired):\n%s", d)
	}
}

// TestEveryFault lets each single operation fail, and each one with all writing after it. What
// boots stays whole, also after a reset, and the next run repairs it.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	for _, s := range spaceScenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := s.run(t)
			for n, op := range r.log {
				if !r.sampled(n) {
					continue
				}
				for _, errno := range faultsOf(op.Kind) {
					m := r.start.Clone()
					m.FailAt(n, errno)
					r.afterFault(t, m, op, fmt.Sprintf("operation %d, %s %s, fails: %v", n, op.Kind, op.Path, errno))
				}
				if op.Kind.Writes() {
					m := r.start.Clone()
					m.FailWritesFrom(n, syscall.EROFS)
					r.afterFault(t, m, op, fmt.Sprintf("read-only from operation %d on, %s %s", n, op.Kind, op.Path))
				}
				if t.Failed() {
					return
				}
			}
			t.Logf("%d distinct states after a fault", len(r.seen))
		})
	}
}

// faultsOf are the errors that an operation may come to.
func faultsOf(kind crashfs.OpKind) []syscall.Errno {
	switch kind {
	case crashfs.OpCreate, crashfs.OpWrite, crashfs.OpMkdir, crashfs.OpRename:
		return []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS}
	case crashfs.OpRemove:
		return []syscall.Errno{syscall.EIO, syscall.EROFS}
	}
	return []syscall.Errno{syscall.EIO}
}

func (r *crashRun) afterFault(t *testing.T, m *crashfs.Machine, op crashfs.Op, when string) {
	t.Helper()
	err := r.runOn(m)
	w := worldOf(m, r.xbootldr)
	if err == nil && op.Kind.Writes() && !isTidying(op) {
		t.Errorf("%s, but the run succeeded", when)
	}
	c := r.checker
	if err == nil {
		c = c.orAs(w) // what could not be read may have been made in another way
	}
	if wrong := c.check(w); len(wrong) > 0 {
		t.Errorf("%s (%v):\n%s\n%s", when, err, strings.Join(wrong, "\n"), r.describe(w))
	}
	r.afterCut(t, m, c, 3, when) // a reset of the machine
	next := m.Clone()
	if err := r.runOn(next); err != nil {
		t.Errorf("%s: the next run: %v", when, err)
	} else if d := c.diff(r.after, worldOf(next, r.xbootldr)); d != "" {
		t.Errorf("%s: the next run ends differently (-undisturbed +repaired):\n%s", when, d)
	}
}

// isTidying tells the one operation that may fail: our own directory stays where it isn't empty.
func isTidying(op crashfs.Op) bool {
	return op.Kind == crashfs.OpRemove && strings.HasSuffix(op.Path, "/EFI/xen")
}
