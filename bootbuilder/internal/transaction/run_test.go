package transaction_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
)

// TestFaults lets every operation fail, once and from there on. What starts is complete then, also after a power cut; what the
// record says is so; and as long as no entry was changed, everything is as it was before.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		if s.name == "first, many names" {
			continue // as the first, and long
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			g := crashfs.Geometry{}
			start := machine(s.before, g)
			if s.tight {
				g.Capacity = s.capacity(t, g)
				start.FS(0).Resize(g)
			}
			m := start.Clone()
			_, _, err := install(m, s.after)
			must(t, err)
			rng := rand.New(rand.NewPCG(7, 8))
			for n, op := range m.Log() {
				for _, fault := range []func(m *crashfs.Machine){
					func(m *crashfs.Machine) { m.FailAt(n, syscall.EIO) },
					func(m *crashfs.Machine) { m.FailAt(n, syscall.ENOSPC) },
					func(m *crashfs.Machine) { m.FailWritesFrom(n, syscall.EROFS) },
				} {
					m := start.Clone()
					fault(m)
					first, r, err := install(m, s.after)
					when := fmt.Sprintf("%v %s fails (%d, %v)", op.Kind, op.Path, n, err)
					s.afterFailure(t, start, m, r, first, err, when)
					for found := range m.CrashStates(3, rng) {
						s.survives(t, found, first, when)
					}
					if t.Failed() {
						return
					}
				}
			}
		})
	}
}

func (s scenario) afterFailure(t *testing.T, start, m *crashfs.Machine, r transaction.Record, first bool, err error, when string) {
	t.Helper()
	f := m.FS(0)
	if wrong := check(s.before, s.after, f, first || s.tight); len(wrong) > 0 {
		t.Errorf("%s:\n%s", when, strings.Join(wrong, "\n"))
		for name, text := range f.Tree() {
			t.Logf("%s %.100q", name, text)
		}
		for _, s := range r.Steps {
			t.Log(s.Step, s.Err)
		}
	}
	tree := f.Tree()
	for _, w := range r.Written {
		if _, ok := tree[w.Name]; !ok {
			t.Errorf("%s: the record says that %s was written", when, w.Name)
		}
	}
	for _, gone := range r.Removed {
		if _, ok := tree[gone.Name]; ok && !r.HasWritten(gone) && err == nil {
			t.Errorf("%s: the record says that %s was removed", when, gone.Name)
		}
	}
	for name := range start.FS(0).Tree() {
		if _, ok := tree[name]; !ok && !r.HasRemoved(transaction.Place{FS: f, Name: name}) {
			t.Errorf("%s: the record does not say that %s was removed", when, name)
		}
	}
}

// TestUndo: a failure before the first entry leaves the files that there were, but for newlines at the end of loader.conf.
func TestUndo(t *testing.T) {
	t.Parallel()
	for _, s := range []scenario{named("first"), named("new Xen")} {
		start := machine(s.before, crashfs.Geometry{})
		m := start.Clone()
		_, _, err := install(m, s.after)
		must(t, err)
		undone := 0
		for n, op := range m.Log() {
			m := start.Clone()
			m.FailAt(n, syscall.ENOSPC)
			_, r, err := install(m, s.after)
			if err == nil {
				continue
			}
			// Whether a write that failed has changed an entry can't be told.
			if i := len(r.Steps) - 1; i >= 0 && r.Steps[i].Op == transaction.OpPatch {
				continue
			}
			if slices.ContainsFunc(r.Written, func(p transaction.Place) bool { return strings.HasPrefix(p.Name, "loader/") }) || len(r.Removed) > 0 {
				continue
			}
			undone++
			tree := m.FS(0).Tree()
			for _, d := range r.Directories { // they stay
				delete(tree, d.Name+"/")
			}
			tree[confName] = trim(tree[confName]) + "\n" // newlines at its end stay, too
			if d := cmp.Diff(start.FS(0).Tree(), tree); d != "" {
				t.Errorf("%v %s fails: %v\n%s", op.Kind, op.Path, err, d)
			}
			if len(r.Written) > 0 {
				t.Errorf("%v %s fails, and the record says that there is %v", op.Kind, op.Path, r.Written)
			}
		}
		if undone < 20 {
			t.Errorf("only %d failures came before the first entry", undone)
		}
	}
}

// TestInterrupted ends the context at every step.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		if s.name == "first, many names" {
			continue
		}
		start := machine(s.before, crashfs.Geometry{})
		stopped := 0
		for at := 0; ; at++ {
			m := start.Clone()
			c, err := s.after.change(m.FS(0))
			must(t, err)
			steps, err := transaction.Plan(c)
			must(t, err)
			if at == steps.Len() {
				break
			}
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			r, err := steps.Run(ctx, transaction.Observer{Step: func(transaction.Step) {
				if n++; n > at {
					cancel()
				}
			}})
			cancel()
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", s.name, err)
			}
			if err != nil {
				stopped++
			}
			s.afterFailure(t, start, m, r, false, err, fmt.Sprintf("%s: stopped at step %d", s.name, at))
			for found := range m.CrashStates(3, rand.New(rand.NewPCG(9, 9))) {
				s.survives(t, found, false, fmt.Sprintf("%s: stopped at step %d", s.name, at))
			}
		}
		if stopped == 0 {
			t.Errorf("%s: nothing stops it", s.name)
		}
	}
}

// TestSpace: one cluster too few is an error that changes nothing; the error names what fsck.vfat left.
func TestSpace(t *testing.T) {
	t.Parallel()
	s := named("first")
	for _, cluster := range []int64{512, 4096} {
		g := crashfs.Geometry{Cluster: cluster}
		m := machine(s.before, g)
		used := m.FS(0).Used()
		_, _, err := install(m, s.after)
		must(t, err)
		took := m.FS(0).Used() - used
		var smallest int64
		for capacity := used; smallest == 0; capacity++ {
			m := machine(s.before, crashfs.Geometry{Cluster: cluster, Capacity: capacity})
			before := m.FS(0).Tree()
			_, _, err := install(m, s.after)
			var space *transaction.SpaceError
			switch {
			case err == nil:
				smallest = capacity
			case !errors.As(err, &space) || !errors.Is(err, syscall.ENOSPC):
				t.Fatalf("%d clusters: %v", capacity, err)
			case space.Needed <= space.Free || len(space.Items) == 0 || space.Hint() == "":
				t.Errorf("%d clusters: %+v", capacity, space)
			default:
				if d := cmp.Diff(before, m.FS(0).Tree()); d != "" {
					t.Errorf("%d clusters: an error, and\n%s", capacity, d)
				}
			}
		}
		if over := smallest - used - took; over < 0 || over > 4 {
			t.Errorf("clusters of %d: it took %d, and %d more were asked for", cluster, took, over)
		}
	}
}

func TestRecovered(t *testing.T) {
	t.Parallel()
	s := named("first")
	m := machine(s.before, crashfs.Geometry{})
	m.FS(0).Fill(map[string]string{"FSCK0000.REC": strings.Repeat("x", 5000), "FSCK.REC": "mine"})
	m.FS(0).Resize(crashfs.Geometry{Capacity: m.FS(0).Used()})
	_, _, err := install(m, s.after)
	var space *transaction.SpaceError
	if !errors.As(err, &space) || len(space.Recovered) != 1 || !strings.Contains(space.Hint(), "delete FSCK0000.REC (4.9 KiB)") {
		t.Errorf("got %v", err)
	}
}

// TestHiddenClusters: what a dead run left may have far more clusters than its length says. That shows only once it is gone.
func TestHiddenClusters(t *testing.T) {
	t.Parallel()
	s := named("first")
	big := strings.Repeat("Xen", 20000)
	s.after.payload["EFI/xen/xen-a.efi"] = big
	m := machine(s.before, crashfs.Geometry{})
	f := m.FS(0)
	f.Fill(map[string]string{"EFI/xen/": ""})
	w, err := f.Create("EFI/xen/xen-a.efi")
	must(t, err)
	must(t, w.Allocate(int64(len(big))))
	must(t, f.Flush())
	must(t, w.Close())
	for found := range m.CrashStates(1, nil) {
		f := found.FS(0)
		f.Resize(crashfs.Geometry{Capacity: f.Used() + 40})
		if _, _, err := install(found, s.after); err != nil {
			t.Errorf("with the clusters of the leftover it fits, but: %v", err)
		}
	}
	for found := range m.CrashStates(1, nil) {
		f := found.FS(0)
		f.Resize(crashfs.Geometry{Capacity: f.Used() + 5})
		_, _, err := install(found, s.after)
		var space *transaction.SpaceError
		if !errors.As(err, &space) {
			t.Errorf("it does not fit, but: %v", err)
		}
		if wrong := check(s.before, s.after, f, false); len(wrong) > 0 {
			t.Error(wrong)
		}
	}
}

// TestReadOnly: a file system that turns read-only on the way is an error, although every operation said that all is well.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := named("remove")
	m := machine(s.before, crashfs.Geometry{})
	f := m.FS(0)
	must(t, f.Remove("EFI/xen/xen-a.efi"))
	for found := range m.CrashStates(100, rand.New(rand.NewPCG(1, 1))) {
		if !strings.HasPrefix(found.FS(0).Tree()["EFI/xen/xen-a.efi"], crashfs.Damaged) {
			continue
		}
		_, _, err := install(found, s.after)
		var hint interface{ Hint() string }
		if !errors.Is(err, syscall.EROFS) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "fsck.vfat") {
			t.Errorf("got %v", err)
		}
		return
	}
	t.Error("no state has a file on free clusters")
}

// TestTwoFileSystems: loader.conf on the ESP, everything else on XBOOTLDR.
func TestTwoFileSystems(t *testing.T) {
	t.Parallel()
	s := named("first")
	start := crashfs.NewMachine()
	files := s.before.files()
	start.Mount("/efi", crashfs.Geometry{}).Fill(map[string]string{confName: files[confName]})
	delete(files, confName)
	start.Mount("/boot", crashfs.Geometry{}).Fill(files)
	run := func(m *crashfs.Machine) error {
		c, err := s.after.change(m.FS(1))
		if err != nil {
			return err
		}
		before := m.FS(0).Tree()[confName]
		c.ESP = m.FS(0)
		c.LoaderConf = &transaction.ConfChange{
			Place:  transaction.Place{FS: m.FS(0), Name: confName},
			Before: []byte(before), After: confDefault.ReplaceAll([]byte(before), []byte("default "+s.after.conf)),
		}
		steps, err := transaction.Plan(c)
		if err != nil {
			return err
		}
		_, err = steps.Run(t.Context(), transaction.Observer{})
		return err
	}
	m := start.Clone()
	must(t, run(m))
	rng := rand.New(rand.NewPCG(1, 2))
	for n, op := range m.Log() {
		if !op.Kind.Writes() {
			continue
		}
		m := start.Clone()
		m.CutAt(n, false)
		_ = run(m)
		for found := range m.CrashStates(20, rng) {
			conf := found.FS(0).Tree()[confName]
			boot := found.Clone()
			boot.FS(1).Fill(map[string]string{confName: conf}) // as one partition, to be judged
			one := crashfs.NewMachine()
			one.Mount("/", crashfs.Geometry{}).Fill(boot.FS(1).Tree())
			if wrong := check(s.before, s.after, one.FS(0), false); len(wrong) > 0 {
				t.Fatalf("cut at %v: %s", op, strings.Join(wrong, "\n"))
			}
			must(t, run(found))
		}
	}
}

// TestNames are what a power cut may leave, by its name.
func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"XENBB000.TMP": true, "EFI/xenbb017.tmp": true, "XENBB.TMP": false, "XENBB0000.TMP": false, "xen": false} {
		if got := transaction.IsUnfinished(name); got != want {
			t.Errorf("unfinished %s: %v", name, got)
		}
	}
	for name, want := range map[string]bool{"FSCK0000.REC": true, "fsck0123.rec": true, "FSCK000.REC": false, "FSCK0000.RECX": false} {
		if got := transaction.IsRecovered(name); got != want {
			t.Errorf("recovered %s: %v", name, got)
		}
	}
}
