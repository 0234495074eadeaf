package bootbuilder_test

import (
	"errors"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// pcrRig is a machine with signed, unified images and a directory of components.
type pcrRig struct {
	*rig
	dir      string
	warnings []string // of the last sweep
}

const kernels = "650-kernel.pcrlock.d"

func newPCRRig(t *testing.T) *pcrRig {
	t.Helper()
	r := &pcrRig{rig: newRig(t), dir: t.TempDir()}
	r.options.Signer = fixtureSigner(t, t.TempDir())
	return r
}

func fixtureSigner(t *testing.T, dir string) bootbuilder.Signer {
	t.Helper()
	if err := fixtures.LayOutKeys(dir, "db"); err != nil {
		t.Fatal(err)
	}
	signer, _, err := bootbuilder.LoadSignerBundle(dir)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// lock brings the components in line after a run on each ESP, as the command does.
func (r *pcrRig) lock(run func(bootbuilder.Target) (*bootbuilder.Plan, error), esps ...string) (plans []*bootbuilder.Plan, failed error) {
	r.t.Helper()
	dir, err := esp.OpenDir(r.dir)
	r.must(err)
	defer dir.Close()
	lock, err := bootbuilder.OpenPCRLock(ctx, dir)
	r.must(err)
	defer lock.Close()
	for _, one := range esps {
		r.esp = one
		r.open(func(target bootbuilder.Target) {
			plan, err := run(target)
			r.must(err)
			failed = errors.Join(failed, lock.Add(ctx, plan), plan.Close())
			plans = append(plans, plan)
		})
	}
	if failed == nil {
		r.warnings, failed = lock.Sweep()
	}
	return plans, failed
}

func (r *pcrRig) installLocked() *bootbuilder.Plan {
	r.t.Helper()
	plans, err := r.lock(func(target bootbuilder.Target) (*bootbuilder.Plan, error) {
		return bootbuilder.Install(ctx, target, r.options, bootbuilder.Observer{})
	}, r.esp)
	r.must(err)
	return plans[0]
}

func (r *pcrRig) removeLocked() {
	r.t.Helper()
	_, err := r.lock(func(target bootbuilder.Target) (*bootbuilder.Plan, error) {
		return bootbuilder.Remove(ctx, target, bootbuilder.Observer{})
	}, r.esp)
	r.must(err)
}

// components are the files below the directory, by name.
func (r *pcrRig) components() map[string]string {
	r.t.Helper()
	return snapshot(r.t, r.dir)
}

// images are the names of the Xen images on the ESP.
func (r *pcrRig) images() []string {
	r.t.Helper()
	list, err := filepath.Glob(filepath.Join(r.esp, "EFI/Linux/xen-*.efi"))
	r.must(err)
	return list
}

// wanted are the names that there should be for the images on the ESP.
func (r *pcrRig) wanted() []string {
	list := []string{kernels + "/"}
	for _, image := range r.images() {
		list = append(list, path.Join(kernels, strings.TrimSuffix(filepath.Base(image), ".efi")+".pcrlock"))
	}
	return list
}

func (r *pcrRig) asWanted() {
	r.t.Helper()
	if diff := cmp.Diff(r.wanted(), slices.Sorted(maps.Keys(r.components()))); diff != "" {
		r.t.Errorf("components (-want +got):\n%s", diff)
	}
}
