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
)

// pcrRig is a machine with signed, unified images and a directory of components.
type pcrRig struct {
	*machine
	dir      string
	warnings []string // of the last sweep
	advice   []string // of the last plan
}

const kernels = "650-kernel.pcrlock.d"

func newPCRRig(t *testing.T) *pcrRig {
	t.Helper()
	r := &pcrRig{machine: newMachine(t), dir: t.TempDir()}
	r.sign(testSigner(t, "db"))
	return r
}

// lock brings the components in line after a run on each ESP, as the command does.
func (r *pcrRig) lock(plan func(bootbuilder.Target) (*bootbuilder.Plan, error), esps ...string) (reports []*bootbuilder.Report, failed error) {
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
			p, err := plan(target)
			r.must(err)
			record, err := p.Apply(ctx, r.signer, bootbuilder.Observer{})
			r.must(err)
			failed = errors.Join(failed, lock.Add(ctx, p, record))
			r.advice = messages(lock.Advice(p))
			reports = append(reports, p.Report(record))
			r.must(p.Close())
		})
	}
	if failed == nil {
		var list []bootbuilder.Warning
		list, failed = lock.Sweep()
		r.warnings = messages(list)
	}
	return reports, failed
}

func messages(list []bootbuilder.Warning) (texts []string) {
	for _, w := range list {
		texts = append(texts, w.Message)
	}
	return texts
}

// toInstall is the plan of a run of install.
func (r *pcrRig) toInstall(target bootbuilder.Target) (*bootbuilder.Plan, error) {
	return bootbuilder.NewPlan(ctx, target, r.options)
}

// toRemove is that of remove.
func (r *pcrRig) toRemove(target bootbuilder.Target) (*bootbuilder.Plan, error) {
	return bootbuilder.NewRemoval(ctx, target, "")
}

func (r *pcrRig) installLocked() *bootbuilder.Report {
	r.t.Helper()
	reports, err := r.lock(r.toInstall, r.esp)
	r.must(err)
	return reports[0]
}

func (r *pcrRig) removeLocked() {
	r.t.Helper()
	_, err := r.lock(r.toRemove, r.esp)
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
