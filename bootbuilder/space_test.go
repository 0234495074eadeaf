package bootbuilder_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// cluster is that of a large FAT32.
const cluster = 4096

// tight is a file system that says it has so much disk space, in clusters, and what is removed
// meanwhile. It notes writes.
type tight struct {
	esp.FS
	free    int64
	changes *int
}

func (f *tight) Space() (esp.Space, error) {
	return esp.Space{Free: f.free * cluster, Total: 1 << 30, Cluster: cluster}, nil
}

func (f *tight) Create(name string) (esp.Writer, error) {
	*f.changes++
	return f.FS.Create(name)
}

func (f *tight) Remove(name string) error {
	f.gone(name)
	return f.FS.Remove(name)
}

func (f *tight) Drop(name string) (esp.Held, error) {
	f.gone(name)
	return f.FS.Drop(name)
}

func (f *tight) gone(name string) {
	*f.changes++
	if info, err := f.FS.Stat(name); err == nil {
		f.free += (info.Size() + cluster - 1) / cluster
	}
}

// installWith installs where so many clusters are free.
func (m *machine) installWith(free int64) (r run, changes int) {
	m.t.Helper()
	m.open(func(target bootbuilder.Target) {
		r = m.installOn(bootbuilder.NewTarget(&tight{target.ESP, free, &changes}, nil))
	})
	if r.Report == nil {
		m.t.Fatal(r.Err)
	}
	return r, changes
}

// sized is a system with a Xen image of so many clusters.
func sized(version string, clusters int) fixtures.System {
	padding := fixtures.Section{Name: ".fill", Data: make([]byte, clusters*cluster-2000), Characteristics: fixtures.SectionData}
	return fixtures.System{Xen: &fixtures.Xen{Version: version, Image: fixtures.XenImage(fixtures.XenOptions{Version: version, Extra: []fixtures.Section{padding}})}}
}

// TestNoRoom: what doesn't fit is refused before anything is written, and says what is large.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	r := newMachine(t)
	r.add(fixtures.Generation{Number: 1, System: sized("4.20.2", 10)})
	r.add(fixtures.Generation{Number: 2, System: sized("4.21.0", 20)})
	r.rebuild()
	before := r.files()
	done, changes := r.installWith(29)
	err := done.Err
	var space *transaction.SpaceError
	if !errors.As(err, &space) {
		t.Fatalf("error %v", err)
	}
	if space.Free != 29*cluster || space.Needed <= 34*cluster || space.Needed > 45*cluster || len(space.Items) != 6 {
		t.Errorf("%+v", space)
	}
	if want := "no room on " + r.esp + ": "; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%q does not start with %q", err, want)
	}
	if first, second := space.Items[0].Name, space.Items[1].Name; !strings.Contains(first, "xen-4.21.0") || !strings.Contains(second, "xen-4.20.2") {
		t.Errorf("the largest are %s and %s", first, second)
	}
	if hint := bootbuilder.Hint(err); !strings.Contains(hint, "nothing was changed") || !strings.Contains(hint, "--limit") {
		t.Errorf("hint %q", hint)
	}
	for _, g := range done.Planned.Generations {
		if g.Reason != bootbuilder.NoSpace {
			t.Errorf("%s: reason %q", g.ID, g.Reason)
		}
	}
	if diff := diffTrees(before, r.files()); diff != "" || changes != 0 {
		t.Errorf("%d changes:\n%s", changes, diff)
	}

	// The hint helps.
	r.options.Limit = 1
	done, _ = r.installWith(29)
	if got := ids(done.Report, bootbuilder.Added); done.Err != nil || len(got) != 1 || got[0] != "xen-generation-2" {
		t.Errorf("with a limit: %q, %v", got, done.Err)
	}
}

// TestRoomIsExact: what is asked for is enough, and a cluster less is refused.
func TestRoomIsExact(t *testing.T) {
	t.Parallel()
	for _, layout := range bootbuilder.Layouts() {
		r := newMachine(t)
		r.add(fixtures.Generation{Number: 1, System: sized("4.20.2", 10)})
		r.rebuild()
		r.options.Layout = layout
		done, _ := r.installWith(0)
		var space *transaction.SpaceError
		if !errors.As(done.Err, &space) {
			t.Fatalf("%s: error %v", layout, done.Err)
		}
		if space.Needed%cluster != 0 {
			t.Errorf("%s: %d bytes are no whole clusters", layout, space.Needed)
		}
		if less, _ := r.installWith(space.Needed/cluster - 1); !errors.As(less.Err, &space) {
			t.Errorf("%s: with a cluster less: %v", layout, less.Err)
		}
		if enough, _ := r.installWith(space.Needed / cluster); enough.Err != nil {
			t.Errorf("%s: with exactly that much: %v", layout, enough.Err)
		}
		// Nothing to do takes no room, and asks for none.
		if again, changes := r.installWith(0); again.Err != nil || again.Report.Changed || changes != 0 {
			t.Errorf("%s: again, with no room: %d changes, %v", layout, changes, again.Err)
		}
	}
}

// TestStaleMakesRoom: what goes anyway goes first, where that is what it takes.
func TestStaleMakesRoom(t *testing.T) {
	t.Parallel()
	r := newMachine(t)
	old := r.add(fixtures.Generation{Number: 1, System: sized("4.20.2", 20)})
	r.rebuild()
	r.install()
	r.must(r.root.Delete(old))
	r.add(fixtures.Generation{Number: 2, System: sized("4.21.0", 20)})
	r.rebuild()
	done, _ := r.installWith(0)
	var space *transaction.SpaceError
	if !errors.As(done.Err, &space) || space.Free <= 20*cluster || space.Free > 25*cluster {
		t.Fatalf("error %v", done.Err)
	}
	short := (space.Needed - space.Free) / cluster
	if less, _ := r.installWith(short - 1); !errors.As(less.Err, &space) {
		t.Errorf("with a cluster too little: %v", less.Err)
	}
	if !r.exists("loader/entries/xen-generation-1.conf") {
		t.Error("the old entry is gone")
	}
	done, _ = r.installWith(short)
	if got := ids(done.Report, bootbuilder.Added); done.Err != nil || len(got) != 1 {
		t.Errorf("installed %q: %v", got, done.Err)
	}
	if !r.verify().OK() {
		t.Errorf("verify: %+v", r.verify())
	}
}

// TestEmptyStale: a stale file without content may have all the clusters that a run needs, and mostly has none. Nothing but it goes
// before that shows.
func TestEmptyStale(t *testing.T) {
	t.Parallel()
	for _, layout := range bootbuilder.Layouts() {
		for _, empty := range []string{
			"EFI/xen/xen-generation-9-0123456789abcdef.cfg", "EFI/Linux/xen-generation-9-0123456789abcdef.efi", "EFI/nixos/xen-generation-9.efi",
			"loader/entries/xen-generation-9.conf", // it names nothing
		} {
			r := newMachine(t)
			old := r.add(fixtures.Generation{Number: 1, System: sized("4.20.2", 10)})
			r.rebuild()
			r.options.Layout = layout
			r.install()
			r.must(r.root.Delete(old))
			r.add(fixtures.Generation{Number: 2, System: sized("4.21.0", 20)})
			r.add(fixtures.Generation{Number: 3, System: sized("4.21.1", 20)})
			r.rebuild()
			r.write(empty, "")
			before := r.files()
			done, _ := r.installWith(5)
			var full *transaction.SpaceError
			if !errors.As(done.Err, &full) || full.Changed || !strings.Contains(bootbuilder.Hint(done.Err), "nothing was changed") {
				t.Errorf("%s, %s: error %v", layout, empty, done.Err)
			}
			delete(before, empty)
			after := r.files()
			delete(after, empty)
			if diff := diffTrees(before, after); diff != "" {
				t.Errorf("%s, %s: it had changes:\n%s", layout, empty, diff)
			}
			if next := done.Report.Next; next == nil || next.Now != next.Before {
				t.Errorf("%s, %s: what starts next changed: %+v", layout, empty, next)
			}
		}
	}
}
