package bootbuilder_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// rig is a NixOS root with its partitions in directories.
type rig struct {
	t       *testing.T
	root    *fixtures.Root
	esp     string
	nixos   fixtures.SystemdBoot // Boot is $BOOT where that is XBOOTLDR
	options bootbuilder.Options
	entries []fixtures.Entry // what the last rebuild wrote
	// unsynced leaves out fsync, which is most of what a run takes.
	unsynced bool
}

// unsynced is a file system that syncs nothing.
type unsynced struct{ esp.FS }

type unsyncedWriter struct{ esp.Writer }

func (unsynced) SyncDir(string) error { return nil }
func (unsynced) Sync() error          { return nil }
func (unsyncedWriter) Sync() error    { return nil }

func (u unsynced) Create(name string) (esp.Writer, error) {
	w, err := u.FS.Create(name)
	return unsyncedWriter{w}, err
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, root: fixtures.NewRoot(t.TempDir()), esp: t.TempDir()}
	r.options.Root = r.root.Dir()
	return r
}

// boot is the directory that $BOOT is mounted on.
func (r *rig) boot() string {
	if r.nixos.Boot != "" {
		return r.nixos.Boot
	}
	return r.esp
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) add(g fixtures.Generation) *fixtures.Toplevel {
	r.t.Helper()
	top, err := r.root.Add(g)
	r.must(err)
	return top
}

// addXen adds generations of the system profile with Xen.
func (r *rig) addXen(numbers ...int) {
	r.t.Helper()
	for _, n := range numbers {
		r.add(fixtures.Generation{Number: n, System: fixtures.System{Xen: &fixtures.Xen{}}})
	}
}

// rebuild is NixOS' own boot loader installer.
func (r *rig) rebuild() {
	r.t.Helper()
	var err error
	r.entries, err = r.root.InstallSystemdBoot(r.esp, r.nixos)
	r.must(err)
}

func (r *rig) script() {
	r.t.Helper()
	r.must(r.root.InstallScript(r.esp, r.entries, r.nixos))
}

// open calls use with the partitions.
func (r *rig) open(use func(bootbuilder.Target)) {
	r.t.Helper()
	dir, err := esp.OpenDir(r.esp)
	r.must(err)
	defer dir.Close()
	target := bootbuilder.NewTarget(dir, nil)
	if r.nixos.Boot != "" {
		boot, err := esp.OpenDir(r.nixos.Boot)
		r.must(err)
		defer boot.Close()
		target.Boot = boot
	}
	if r.unsynced {
		target = bootbuilder.Target{ESP: unsynced{target.ESP}, Boot: unsynced{target.Boot}}
	}
	use(target)
}

func (r *rig) tryInstall() (plan *bootbuilder.Plan, err error) {
	r.t.Helper()
	r.open(func(target bootbuilder.Target) {
		plan, err = bootbuilder.Install(ctx, target, r.options, bootbuilder.Observer{})
		if plan != nil {
			r.must(plan.Close())
		}
	})
	return plan, err
}

func (r *rig) install() *bootbuilder.Plan {
	r.t.Helper()
	plan, err := r.tryInstall()
	r.must(err)
	return plan
}

func (r *rig) verify() (seen *bootbuilder.Inspection) {
	r.t.Helper()
	r.open(func(target bootbuilder.Target) {
		var err error
		seen, err = bootbuilder.Verify(ctx, target, bootbuilder.InspectOptions{Root: r.root.Dir()})
		r.must(err)
	})
	return seen
}

// remove takes all of ours away.
func (r *rig) remove() {
	r.t.Helper()
	r.open(func(target bootbuilder.Target) {
		plan, err := bootbuilder.Remove(ctx, target, bootbuilder.Observer{})
		r.must(err)
		r.must(plan.Close())
	})
}

// write puts a file on $BOOT.
func (r *rig) write(name, text string) {
	r.t.Helper()
	writeTo(r.t, filepath.Join(r.boot(), name), text)
}

func writeTo(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes a file on $BOOT.
func (r *rig) rewrite(name string, change func(string) string) {
	r.t.Helper()
	r.write(name, change(r.read(name)))
}

func (r *rig) read(name string) string {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.boot(), name))
	r.must(err)
	return string(b)
}

func (r *rig) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(r.boot(), name))
	return !errors.Is(err, fs.ErrNotExist)
}

// files are both partitions' files, without directories: "esp/loader/loader.conf".
func (r *rig) files() map[string]string {
	r.t.Helper()
	all := make(map[string]string)
	for prefix, dir := range map[string]string{"esp/": r.esp, "boot/": r.nixos.Boot} {
		if dir == "" {
			continue
		}
		s, err := fixtures.Snapshot(dir)
		r.must(err)
		for name, content := range s {
			if !strings.HasSuffix(name, "/") {
				all[prefix+name] = content
			}
		}
	}
	return all
}

// ids are the Xen entries that a plan leaves on $BOOT in one of these states.
func ids(p *bootbuilder.Plan, states ...bootbuilder.State) []string {
	set := make(map[string]bool)
	for _, g := range p.Report().Generations {
		if slices.Contains(states, g.State) {
			set[g.ID] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// installedNow are the states of a generation whose entry is right after a run.
var installedNow = []bootbuilder.State{bootbuilder.Added, bootbuilder.Changed, bootbuilder.Unchanged}

// failures are the warnings of what went wrong.
func failures(p *bootbuilder.Plan) []string {
	var texts []string
	for _, w := range p.Warnings {
		if !w.Advice {
			texts = append(texts, w.Message)
		}
	}
	return texts
}

// advice is the rest of the warnings.
func advice(p *bootbuilder.Plan) []string {
	var texts []string
	for _, w := range p.Warnings {
		if w.Advice {
			texts = append(texts, w.Message)
		}
	}
	return texts
}
