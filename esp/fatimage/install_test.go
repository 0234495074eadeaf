package fatimage_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// machine is a NixOS of n generations, with an ESP as systemd-boot-builder leaves it.
func machine(t *testing.T, n int) (root, espDir string) {
	t.Helper()
	dir := t.TempDir()
	espDir = filepath.Join(dir, "esp")
	r := fixtures.NewRoot(filepath.Join(dir, "root"))
	for i := range n {
		g := fixtures.Generation{Number: i + 1, System: fixtures.System{Xen: &fixtures.Xen{}}}
		if i == 0 {
			g.Specialisations = []fixtures.Specialisation{{Name: "trace", System: g.System}}
		}
		if _, err := r.Add(g); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.InstallSystemdBoot(espDir, fixtures.SystemdBoot{}); err != nil {
		t.Fatal(err)
	}
	return r.Dir(), espDir
}

func install(t *testing.T, target bootbuilder.Target, options bootbuilder.Options) *bootbuilder.Report {
	t.Helper()
	plan, err := bootbuilder.NewPlan(context.Background(), target, options)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	done, err := plan.Apply(context.Background(), nil, bootbuilder.Observer{})
	if err != nil {
		t.Fatal(err)
	}
	return plan.Report(done)
}

// TestInstall: an install into an image ends as one into a directory does, and is stable.
func TestInstall(t *testing.T) {
	t.Parallel()
	for _, layout := range []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutEmbedded, bootbuilder.LayoutUnified} {
		for _, n := range []int{3, 200} {
			if n == 200 && (layout != bootbuilder.LayoutShared || testing.Short()) {
				continue // it takes seconds
			}
			root, espDir := machine(t, n)
			image := mkfs(t, 128<<20, "-F", "32", "-s", "1")
			tool(t, "", "mcopy", "-i", image, "-s", "-n", "-Q", filepath.Join(espDir, "EFI"), filepath.Join(espDir, "loader"), "::/")
			options := bootbuilder.Options{Root: root, Layout: layout}

			boot := open(t, image).ESP()
			start := time.Now()
			if !install(t, bootbuilder.NewTarget(boot, nil), options).Changed {
				t.Error("nothing was installed")
			}
			t.Logf("%v, %d generations: %v", layout, n, time.Since(start))
			dir, err := esp.OpenDir(espDir)
			check(t, err)
			defer dir.Close()
			install(t, bootbuilder.NewTarget(dir, nil), options)
			want := tree(t, dir)
			if d := cmp.Diff(want, unpack(t, image)); d != "" {
				t.Errorf("%v, %d generations (-directory +image):\n%.2000s", layout, n, d)
			}
			fsck(t, image)

			before, err := os.Stat(image)
			check(t, err)
			start = time.Now()
			if install(t, bootbuilder.NewTarget(open(t, image).ESP(), nil), options).Changed {
				t.Error("a second install has changes to make")
			}
			t.Logf("again: %v", time.Since(start))
			after, err := os.Stat(image)
			check(t, err)
			if !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
				t.Error("a second install wrote to the image")
			}
		}
	}
}
