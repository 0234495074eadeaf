package bootbuilder_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

func TestFormatSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 2_827_721: "2.7 MiB",
		1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB", 3 << 40: "3.0 TiB", 5000 << 40: "5000.0 TiB",
	} {
		if got := bootbuilder.FormatSize(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestSpaceErrorText: the error names the three largest things.
func TestSpaceErrorText(t *testing.T) {
	t.Parallel()
	items := []bootbuilder.SpaceItem{{Name: "EFI/xen/a.efi", Size: 30 << 20}, {Name: "EFI/xen/b.img", Size: 20 << 20}, {Name: "EFI/xen/c.efi", Size: 1 << 20}, {Name: "d.cfg", Size: 300}, {Name: "e.conf", Size: 200}}
	for n, tail := range []string{
		"", ": a.efi (30.0 MiB)", ": a.efi (30.0 MiB), b.img (20.0 MiB)", ": a.efi (30.0 MiB), b.img (20.0 MiB), c.efi (1.0 MiB)",
		": a.efi (30.0 MiB), b.img (20.0 MiB), c.efi (1.0 MiB), and 1 more", ": a.efi (30.0 MiB), b.img (20.0 MiB), c.efi (1.0 MiB), and 2 more",
	} {
		err := fmt.Errorf("install: %w", &bootbuilder.SpaceError{Where: "/boot", Needed: 51 << 20, Free: 5 << 20, Items: items[:n]})
		if got, want := err.Error(), "install: no room on /boot: 51.0 MiB needed, 5.0 MiB free"+tail; got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EROFS) {
			t.Error("it is no ENOSPC")
		}
	}
}

// cluster is that of a large FAT32.
const cluster = 4096

// tight is a file system that says it has so much room, in clusters. It notes writes.
type tight struct {
	esp.FS
	free    int64
	changes *int
}

func (f tight) Space() (esp.Space, error) {
	return esp.Space{Free: f.free * cluster, Total: 1 << 30, Cluster: cluster}, nil
}

func (f tight) Create(name string) (esp.Writer, error) {
	*f.changes++
	return f.FS.Create(name)
}

func (f tight) Remove(name string) error {
	*f.changes++
	return f.FS.Remove(name)
}

// installOn installs where so many clusters are free.
func (r *rig) installOn(free int64) (plan *bootbuilder.Plan, changes int, err error) {
	r.t.Helper()
	r.open(func(target bootbuilder.Target) {
		small := tight{target.Boot, free, &changes}
		plan, err = bootbuilder.Install(ctx, bootbuilder.NewTarget(small, nil), r.options, bootbuilder.Observer{})
		if plan == nil {
			r.t.Fatal(err)
		}
		r.must(plan.Close())
	})
	return plan, changes, err
}

// sized is a system with a Xen image of so many clusters.
func sized(version string, clusters int) fixtures.System {
	padding := fixtures.Section{Name: ".fill", Data: make([]byte, clusters*cluster-2000), Characteristics: fixtures.SectionData}
	return fixtures.System{Xen: &fixtures.Xen{Version: version, Image: fixtures.XenImage(fixtures.XenOptions{Version: version, Extra: []fixtures.Section{padding}})}}
}

// TestNoRoom: what doesn't fit is refused before anything is written, and says what is large.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.add(fixtures.Generation{Number: 1, System: sized("4.20.2", 10)})
	r.add(fixtures.Generation{Number: 2, System: sized("4.21.0", 20)})
	r.rebuild()
	before := r.files()
	plan, changes, err := r.installOn(29)
	var space *bootbuilder.SpaceError
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
	for _, g := range plan.Report().Generations {
		if g.Reason != bootbuilder.NoSpace {
			t.Errorf("%s: reason %q", g.ID, g.Reason)
		}
	}
	if diff := cmp.Diff(before, r.files()); diff != "" || changes != 0 {
		t.Errorf("%d changes:\n%s", changes, diff)
	}

	// The hint helps.
	r.options.Limit = 1
	plan, _, err = r.installOn(29)
	if got := ids(plan, bootbuilder.Added); err != nil || len(got) != 1 || got[0] != "xen-generation-2" {
		t.Errorf("with a limit: %q, %v", got, err)
	}
}

// TestRoomIsExact: what is asked for is enough, and a cluster less is refused.
func TestRoomIsExact(t *testing.T) {
	t.Parallel()
	for _, layout := range bootbuilder.Layouts() {
		r := newRig(t)
		r.add(fixtures.Generation{Number: 1, System: sized("4.20.2", 10)})
		r.rebuild()
		r.options.Layout = layout
		_, _, err := r.installOn(0)
		var space *bootbuilder.SpaceError
		if !errors.As(err, &space) {
			t.Fatalf("%s: error %v", layout, err)
		}
		if space.Needed%cluster != 0 {
			t.Errorf("%s: %d bytes are no whole clusters", layout, space.Needed)
		}
		if _, _, err := r.installOn(space.Needed/cluster - 1); !errors.As(err, &space) {
			t.Errorf("%s: with a cluster less: %v", layout, err)
		}
		if _, _, err := r.installOn(space.Needed / cluster); err != nil {
			t.Errorf("%s: with exactly that much: %v", layout, err)
		}
		// Nothing to do takes no room, and asks for none.
		if plan, changes, err := r.installOn(0); err != nil || plan.Changes() || changes != 0 {
			t.Errorf("%s: again, with no room: %d changes, %v", layout, changes, err)
		}
	}
}

// TestStaleMakesRoom: what goes anyway goes first, where that is what it takes.
func TestStaleMakesRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	old := r.add(fixtures.Generation{Number: 1, System: sized("4.20.2", 20)})
	r.rebuild()
	r.install()
	r.must(r.root.Delete(old))
	r.add(fixtures.Generation{Number: 2, System: sized("4.21.0", 20)})
	r.rebuild()
	_, _, err := r.installOn(0)
	var space *bootbuilder.SpaceError
	if !errors.As(err, &space) || space.Free <= 20*cluster || space.Free > 25*cluster {
		t.Fatalf("error %v", err)
	}
	short := (space.Needed - space.Free) / cluster
	if _, _, err := r.installOn(short - 1); !errors.As(err, &space) {
		t.Errorf("with a cluster too little: %v", err)
	}
	if !r.exists("loader/entries/xen-generation-1.conf") {
		t.Error("the old entry is gone")
	}
	plan, _, err := r.installOn(short)
	if got := ids(plan, bootbuilder.Added); err != nil || len(got) != 1 {
		t.Errorf("installed %q: %v", got, err)
	}
	if !r.verify().OK() {
		t.Errorf("verify: %+v", r.verify())
	}
}
