package bootbuilder_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// Each of these is a defect of the first version.

// TestCheckLeavesThePlan: that a dry run finds the partition full says nothing of what the plan does later.
func TestCheckLeavesThePlan(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.addXen(1)
	m.rebuild()
	fsys := crashfs.NewMachine().Mount("/boot", crashfs.Geometry{})
	fsys.Fill(snapshot(t, m.esp))
	fsys.Resize(crashfs.Geometry{Capacity: fsys.Used() + 1})
	plan, err := bootbuilder.NewPlan(ctx, bootbuilder.NewTarget(fsys, nil), m.options)
	m.must(err)
	defer plan.Close()
	if err := plan.Check(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full partition: %v", err)
	}
	if g := reported(t, plan.Report(nil), "xen-generation-1"); g.Reason != bootbuilder.NoSpace {
		t.Errorf("a full partition: %s %s", g.State, g.Reason)
	}
	fsys.Resize(crashfs.Geometry{}) // somebody made disk space
	record, err := plan.Apply(ctx, nil, bootbuilder.Observer{})
	if err != nil {
		t.Errorf("with disk space: %v", err)
	}
	if g := reported(t, plan.Report(record), "xen-generation-1"); g.State != bootbuilder.Added || g.Reason != "" {
		t.Errorf("with disk space: %s %s", g.State, g.Reason)
	}
}

// TestRenamedInLetterCase: FAT tells no letter cases apart, and nor does a report.
func TestRenamedInLetterCase(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.addXen(1)
	m.rebuild()
	m.install()
	fsys := crashfs.NewMachine().Mount("/boot", crashfs.Geometry{})
	tree := make(map[string]string)
	for name, text := range snapshot(t, m.esp) {
		tree[strings.Replace(name, "entries/xen-generation-1.conf", "entries/XEN-Generation-1.CONF", 1)] = text
	}
	fsys.Fill(tree)
	for _, signer := range []bootbuilder.Signer{nil, testSigner(t, "db")} { // unchanged, and another layout
		m.options.Layout = bootbuilder.LayoutAuto
		m.sign(signer)
		r := m.installOn(bootbuilder.NewTarget(fsys, nil))
		m.must(r.Err)
		g := reported(t, r.Report, "xen-generation-1")
		if signer == nil && (g.State != bootbuilder.Unchanged || g.EntryDiff != "" || r.Report.Changed) {
			t.Errorf("%s, changed %v, diff\n%s", g.State, r.Report.Changed, g.EntryDiff)
		}
		if signer != nil && (g.State != bootbuilder.Changed || strings.Contains(g.EntryDiff, "--- /dev/null")) {
			t.Errorf("%s, diff\n%s", g.State, g.EntryDiff)
		}
	}
}

// TestTitleAsItIs: a title with quotes and dollar signs is the same in the menu of an entry, of an image, and in a list.
func TestTitleAsItIs(t *testing.T) {
	t.Parallel()
	const profile = `a'b$5`
	for _, layout := range allLayouts {
		m := newMachine(t).withLayout(layout)
		m.add(fixtures.Generation{Profile: profile, Number: 1, System: xenSystem("4.20.2")})
		m.rebuild()
		m.install()
		want := "NixOS [" + profile + "] (with Xen Hypervisor)"
		if e := m.list().Entries; len(e) != 1 || e[0].Title != want {
			t.Errorf("%s: listed as %+v, want %q", layout, e, want)
		}
		if layout == bootbuilder.LayoutUnified {
			if release := m.section(m.one("EFI/Linux/xen-*.efi"), ".osrel"); !strings.Contains(release, want) || strings.Contains(release, `\`) {
				t.Errorf(".osrel is %q", release)
			}
		}
	}
}

// TestApplyOnce: a plan that was applied has nothing left to do.
func TestApplyOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.addXen(1)
	m.rebuild()
	m.open(func(target bootbuilder.Target) {
		plan, err := bootbuilder.NewPlan(ctx, target, m.options)
		m.must(err)
		defer plan.Close()
		if !plan.Changes() || len(plan.Steps()) == 0 {
			t.Error("a first install changes nothing")
		}
		_, err = plan.Apply(ctx, nil, bootbuilder.Observer{})
		m.must(err)
		if plan.Changes() || len(plan.Steps()) != 0 {
			t.Error("once applied, it has changes to make")
		}
		steps := 0
		record, err := plan.Apply(ctx, nil, bootbuilder.Observer{Step: func(string) { steps++ }})
		m.must(err)
		if written := plan.Report(record).Written; written != 0 || steps != 0 {
			t.Errorf("the second time: %d bytes, %d steps", written, steps)
		}
	})
}

// TestWrongRoot: a root of another system is one error with one cause, whether or not Xen entries are there.
func TestWrongRoot(t *testing.T) {
	t.Parallel()
	for name, installed := range map[string]bool{"fresh": false, "with Xen entries": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.addXen(1, 2, 3)
			m.rebuild()
			if installed {
				m.install()
			}
			other := fixtures.NewRoot(t.TempDir())
			_, err := other.Add(fixtures.Generation{Number: 9, System: fixtures.System{Xen: &fixtures.Xen{}}, Built: today()})
			m.must(err)
			before := m.trees()
			for _, root := range []string{other.Dir(), t.TempDir()} {
				m.options.Root = root
				r := m.tryInstall()
				if r.Err == nil || r.Report != nil || !strings.Contains(bootbuilder.Hint(r.Err), "--root") {
					t.Errorf("error %v, hint %q", r.Err, bootbuilder.Hint(r.Err))
				} else if n := strings.Count(r.Err.Error(), root); n == 0 || n > 2 {
					t.Errorf("the cause is said %d times: %v", n, r.Err)
				}
				m.wantTrees(before)
			}
		})
	}
}

// TestKeptIsSaid: where the default can't be rebuilt and its entry stays, the error doesn't say that there is none.
func TestKeptIsSaid(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.addXen(1, 2)
	m.rebuild()
	top := m.root.Default()
	for installed, says := range map[bool]string{true: "is kept as it was", false: "no Xen entry for the default, generation 2"} {
		if installed {
			m.install()
		}
		xen := m.root.Path(top.XenEFI)
		text, err := os.ReadFile(xen)
		m.must(err)
		m.must(os.WriteFile(xen, []byte("no image"), 0o644))
		if !installed {
			m.remove()
		}
		r := m.tryInstall()
		if r.Err == nil || !strings.Contains(r.Err.Error(), says) || r.Check == nil || r.Check.Error() != r.Err.Error() {
			t.Errorf("installed %v: %v, a dry run %v; want %q", installed, r.Err, r.Check, says)
		}
		m.must(os.WriteFile(xen, text, 0o644))
	}
}

// readOnly is a file system that is mounted so.
type readOnly struct{ esp.FS }

func (f readOnly) Space() (esp.Space, error) {
	return esp.Space{}, &fs.PathError{Op: "write to", Path: f.Path("."), Err: syscall.EROFS}
}

// TestReadOnlyIsSeen: a dry run of install and of remove says what the real one says.
func TestReadOnlyIsSeen(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.addXen(1)
	m.rebuild()
	m.install()
	m.addXen(2)
	m.rebuild()
	before := m.trees()
	m.open(func(target bootbuilder.Target) {
		target = bootbuilder.NewTarget(readOnly{target.ESP}, nil)
		for name, make := range map[string]func() (*bootbuilder.Plan, error){
			"install": func() (*bootbuilder.Plan, error) { return bootbuilder.NewPlan(ctx, target, m.options) },
			"remove":  func() (*bootbuilder.Plan, error) { return bootbuilder.NewRemoval(ctx, target, "") },
		} {
			plan, err := make()
			if err == nil {
				err = plan.Check()
				if _, applied := plan.Apply(ctx, nil, bootbuilder.Observer{}); !errors.Is(applied, syscall.EROFS) {
					t.Errorf("%s: %v", name, applied)
				}
				m.must(plan.Close())
			}
			if !errors.Is(err, syscall.EROFS) || bootbuilder.Hint(err) == "" {
				t.Errorf("%s, a dry run: %v, hint %q", name, err, bootbuilder.Hint(err))
			}
		}
	})
	m.wantTrees(before)
}

// TestUmlaut: FAT can hold it, and one name that it can't hold is one generation's.
func TestUmlaut(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		m := newMachine(t).withLayout(layout)
		m.add(fixtures.Generation{Number: 1, System: xenSystem("4.20.2"), Specialisations: []fixtures.Specialisation{
			{Name: "büro", System: xenSystem("4.20.2")}, {Name: "a:b", System: xenSystem("4.20.2")},
		}})
		m.options.From = bootbuilder.FromProfiles
		r := m.installTwice()
		if g := reported(t, r, "xen-generation-1-specialisation-büro"); g.State != bootbuilder.Added {
			t.Errorf("%s: %s %s", layout, g.State, g.Detail)
		}
		wantOut(t, r, "xen-generation-1-specialisation-a:b", bootbuilder.BadParameter)
		m.wantVerified()
	}
}

// TestFailedRunIsReported: what a run didn't reach was not done.
func TestFailedRunIsReported(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.addXen(1, 2)
	m.rebuild()
	whole := crashfs.NewMachine()
	whole.Mount("/boot", crashfs.Geometry{}).Fill(snapshot(t, m.esp))
	probe := whole.Clone()
	m.must(m.installOn(bootbuilder.NewTarget(probe.FS(0), nil)).Err)
	added, failed := 0, 0
	for n, op := range probe.Log() {
		if !op.Kind.Writes() {
			continue
		}
		c := whole.Clone()
		c.FailWritesFrom(n, syscall.EROFS)
		r := m.installOn(bootbuilder.NewTarget(c.FS(0), nil))
		if r.Err == nil || r.Report == nil {
			continue
		}
		failed++
		tree := c.FS(0).Tree()
		changed := diffTrees(withoutDirectories(whole.FS(0).Tree()), withoutDirectories(tree)) != ""
		for _, g := range r.Report.Generations {
			entry := tree["loader/entries/"+g.ID+".conf"]
			complete := strings.Contains(entry, "efi /EFI/xen/")
			if (g.State == bootbuilder.Added) != complete {
				t.Errorf("%s %s fails: %s is %s (%s), its entry is %q", op.Kind, op.Path, g.ID, g.State, g.Reason, unpadded(entry))
			}
			if g.State == bootbuilder.Added {
				added++
			} else if g.Reason != bootbuilder.NotReached {
				t.Errorf("%s %s fails: %s is %s for %q", op.Kind, op.Path, g.ID, g.State, g.Reason)
			}
		}
		if conf := r.Report.LoaderConf; (conf != nil) != (tree["loader/loader.conf"] != whole.FS(0).Tree()["loader/loader.conf"] &&
			strings.Contains(tree["loader/loader.conf"], "default xen-")) {
			t.Errorf("%s %s fails: loader.conf is %q, reported %+v", op.Kind, op.Path, tree["loader/loader.conf"], conf)
		}
		if !changed && r.Report.Changed {
			t.Errorf("%s %s fails: nothing changed, but it is reported so", op.Kind, op.Path)
		}
	}
	if added == 0 || failed == 0 {
		t.Errorf("%d runs failed, %d entries were added by them", failed, added)
	}
}

// TestInterrupted ends at a safe point, and reports what was done until then.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.addXen(1)
	m.rebuild()
	before := m.files()
	m.open(func(target bootbuilder.Target) {
		plan, err := bootbuilder.NewPlan(ctx, target, m.options)
		m.must(err)
		defer plan.Close()
		ended, cancel := context.WithCancel(ctx)
		record, err := plan.Apply(ended, nil, bootbuilder.Observer{Progress: func(int64, int64, string) { cancel() }})
		if !errors.Is(err, context.Canceled) || bootbuilder.Hint(err) == "" {
			t.Errorf("error %v", err)
		}
		r := plan.Report(record)
		if g := reported(t, r, "xen-generation-1"); g.State != bootbuilder.LeftOut || g.Reason != bootbuilder.NotReached || r.LoaderConf != nil {
			t.Errorf("%s %s, loader.conf %+v", g.State, g.Reason, r.LoaderConf)
		}
	})
	if d := diffTrees(before, m.files()); d != "" {
		t.Errorf("something is left:\n%s", d)
	}
	m.install()
	m.wantHealthy()
}

// TestSteps: what a dry run lists is what a run does, step by step.
func TestSteps(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		m := newMachine(t).withLayout(layout)
		m.addXen(1, 2)
		m.rebuild()
		m.open(func(target bootbuilder.Target) {
			plan, err := bootbuilder.NewPlan(ctx, target, m.options)
			m.must(err)
			defer plan.Close()
			planned := plan.Steps()
			var done []string
			_, err = plan.Apply(ctx, m.signer, bootbuilder.Observer{Step: func(text string) { done = append(done, text) }})
			m.must(err)
			if got, want := strings.Join(done, "\n"), strings.Join(planned, "\n"); got != want || len(done) == 0 {
				t.Errorf("%s: planned\n%s\n\ndone\n%s", layout, want, got)
			}
		})
	}
}

// TestZeroValues: no zero value panics.
func TestZeroValues(t *testing.T) {
	t.Parallel()
	if _, err := bootbuilder.NewPlan(ctx, bootbuilder.Target{}, bootbuilder.Options{}); err == nil {
		t.Error("a plan without a target")
	}
	if _, err := bootbuilder.NewRemoval(ctx, bootbuilder.Target{}, ""); err == nil {
		t.Error("a removal without a target")
	}
	if _, err := bootbuilder.List(ctx, bootbuilder.Target{}, bootbuilder.InspectOptions{}); err == nil {
		t.Error("a list without a target")
	}
	if _, err := bootbuilder.Verify(ctx, bootbuilder.NewTarget(nil, nil), bootbuilder.InspectOptions{}); err == nil {
		t.Error("a verify without a target")
	}
	if bootbuilder.WithHint(nil, "x") != nil || bootbuilder.Hint(nil) != "" {
		t.Error("a hint without an error")
	}
	dir, err := esp.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := bootbuilder.NewPlan(ctx, bootbuilder.NewTarget(dir, nil), bootbuilder.Options{}); err == nil {
		t.Error("a plan without a root")
	}
	if _, err := bootbuilder.NewPlan(ctx, bootbuilder.NewTarget(dir, nil), bootbuilder.Options{Root: filepath.Join(t.TempDir(), "missing")}); err == nil || bootbuilder.Hint(err) == "" {
		t.Errorf("a root that is missing: %v", err)
	}
}

// TestFailedRunSaysWhatStarts: wherever a run ends, the report and a list made after it name the same entry. Rooms are so that
// what is stale goes first, or stays.
func TestFailedRunSaysWhatStarts(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		for _, mode := range []bootbuilder.DefaultMode{bootbuilder.DefaultXen, bootbuilder.DefaultKeep} {
			m := newMachine(t).withLayout(layout)
			old := m.add(fixtures.Generation{Number: 1, System: sized("4.20.2", 10)})
			m.rebuild()
			m.install()
			m.must(m.root.Delete(old))
			m.add(fixtures.Generation{Number: 2, System: sized("4.21.0", 10)})
			m.rebuild()
			m.write("loader/loader.conf", "default xen-*\n")
			m.options.Default = mode
			whole := crashfs.NewMachine()
			whole.Mount("/boot", crashfs.Geometry{Cluster: cluster}).Fill(snapshot(t, m.esp))
			failed := 0
			wantSame := func(c *crashfs.Machine, when string) (ok bool) {
				r := m.installOn(bootbuilder.NewTarget(c.FS(0), nil))
				if r.Err != nil {
					failed++
				}
				list, err := bootbuilder.List(ctx, bootbuilder.NewTarget(c.FS(0), nil), bootbuilder.InspectOptions{})
				m.must(err)
				if r.Report == nil || r.Report.Next == nil || list.Starts == nil || r.Report.Next.Now.Entry != list.Starts.Entry {
					t.Errorf("%s, %s, %s (%v): the report says %+v, the list %+v", layout, mode, when, r.Err, r.Report.Next.Now, list.Starts)
				}
				return r.Err == nil
			}
			var probe *crashfs.Machine
			for capacity := whole.FS(0).Used(); ; capacity++ {
				probe = whole.Clone()
				probe.FS(0).Resize(crashfs.Geometry{Cluster: cluster, Capacity: capacity})
				start := probe.Clone()
				if wantSame(probe, fmt.Sprintf("%d clusters", capacity)) {
					whole = start
					break
				}
			}
			for n, op := range probe.Log() {
				if op.Kind.Writes() {
					c := whole.Clone()
					c.FailWritesFrom(n, syscall.EROFS)
					wantSame(c, fmt.Sprintf("%s %s fails", op.Kind, op.Path))
				}
			}
			if failed < 10 {
				t.Errorf("%s, %s: only %d runs failed", layout, mode, failed)
			}
		}
	}
}
