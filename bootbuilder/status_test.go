package bootbuilder_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// statusLab is the demo machine with directories for its EFI variables and sysfs.
type statusLab struct {
	*testing.T
	root, vars, sys string
	target          bootbuilder.Target
}

func newStatusLab(t *testing.T) *statusLab {
	t.Helper()
	dir := t.TempDir()
	l := &statusLab{T: t, root: filepath.Join(dir, "root"), vars: filepath.Join(dir, "vars"), sys: filepath.Join(dir, "sys")}
	l.must(fixtures.Demo(dir))
	l.must(os.Mkdir(l.vars, 0o755))
	boot, err := esp.OpenDir(filepath.Join(dir, "esp"))
	l.must(err)
	t.Cleanup(func() { boot.Close() })
	l.target = bootbuilder.NewTarget(boot, nil)
	return l
}

func (l *statusLab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *statusLab) install(options bootbuilder.Options) {
	l.Helper()
	options.Root = l.root
	p, err := bootbuilder.NewPlan(l.Context(), l.target, options)
	l.must(err)
	defer p.Close()
	_, err = p.Apply(l.Context(), nil, bootbuilder.Observer{})
	l.must(err)
}

// variable sets one of systemd-boot's, as efivarfs shows it.
func (l *statusLab) variable(name, text string) {
	l.Helper()
	b := []byte{7, 0, 0, 0}
	for _, u := range append(utf16.Encode([]rune(text)), 0) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	l.must(os.WriteFile(filepath.Join(l.vars, name+"-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"), b, 0o644))
}

func (l *statusLab) secureBoot(on byte) {
	l.Helper()
	l.must(os.WriteFile(filepath.Join(l.vars, "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"), []byte{6, 0, 0, 0, on}, 0o644))
}

// xen says in sysfs that Xen runs below.
func (l *statusLab) xen(uuid string) {
	l.Helper()
	for name, text := range map[string]string{
		"type": "xen\n", "uuid": uuid + "\n", "version/major": "4\n", "version/minor": "20\n", "version/extra": ".2\n",
	} {
		file := filepath.Join(l.sys, "hypervisor", name)
		l.must(os.MkdirAll(filepath.Dir(file), 0o755))
		l.must(os.WriteFile(file, []byte(text), 0o644))
	}
}

func (l *statusLab) status() *bootbuilder.StatusReport {
	l.Helper()
	r, err := bootbuilder.Status(l.Context(), l.target, bootbuilder.StatusOptions{Root: l.root, EFIVars: l.vars, Sys: l.sys})
	l.must(err)
	return r
}

func (l *statusLab) wantTodo(r *bootbuilder.StatusReport, want ...bootbuilder.Todo) {
	l.Helper()
	if !slices.Equal(r.Todo, want) {
		l.Errorf("to do: %v, want %v", r.Todo, want)
	}
}

const (
	dom0  = "00000000-0000-0000-0000-000000000000"
	guest = "5e4b2c9d-1f7a-4e0c-8b3d-6a9f0e1c2d3b"
)

func TestStatusWithoutXen(t *testing.T) {
	t.Parallel()
	l := newStatusLab(t)
	r := l.status()
	if r.Running == nil || r.Running.Xen || r.Running.Guest || r.Entries != 0 || r.LastRun != "" || r.Trial != nil || r.SecureBoot != bootbuilder.SecureBootUnknown {
		t.Errorf("%+v", r)
	}
	if r.Newest == nil || r.Newest.Number != 3 || r.Newest.Entry != "" || r.Newest.Reason != bootbuilder.NotInstalled {
		t.Errorf("newest: %+v", r.Newest)
	}
	if r.Next == nil || r.Next.Entry != "nixos-generation-3.conf" || r.Next.Xen || r.Next.Number != 3 || r.Next.Reason == "" {
		t.Errorf("next: %+v", r.Next)
	}
	l.wantTodo(r, bootbuilder.TodoInstall)
}

func TestStatusInstalled(t *testing.T) {
	t.Parallel()
	l := newStatusLab(t)
	before := time.Now().Add(-3 * time.Second) // FAT counts by two
	l.install(bootbuilder.Options{})
	l.variable("LoaderEntrySelected", "nixos-generation-3.conf")
	l.variable("LoaderInfo", "systemd-boot 257.9")
	r := l.status()
	if r.Next == nil || !r.Next.Xen || r.Next.Number != 3 || r.Next.XenVersion != "4.20.2" || r.Entries != 5 || r.Broken != 0 ||
		!slices.Equal(r.Layouts, []bootbuilder.Layout{bootbuilder.LayoutShared}) || r.Loader != "systemd-boot 257.9" {
		t.Errorf("%+v, next %+v", r, r.Next)
	}
	if last, err := time.Parse(time.RFC3339, r.LastRun); err != nil || last.Before(before) || last.After(time.Now()) {
		t.Errorf("last run: %s, %v", r.LastRun, err)
	}
	// It runs without Xen, and the next start has it.
	l.wantTodo(r, bootbuilder.TodoReboot)

	l.variable("LoaderEntrySelected", "xen-generation-3.conf")
	l.xen(dom0)
	r = l.status()
	if !r.Running.Xen || r.Running.Version != "4.20.2" || r.Started == nil || r.Started.Number != 3 || !r.Started.Xen {
		t.Errorf("running %+v, started %+v", r.Running, r.Started)
	}
	l.wantTodo(r)

	l.xen(guest)
	if r = l.status(); r.Running.Xen || !r.Running.Guest {
		t.Errorf("running %+v", r.Running)
	}
	l.secureBoot(1)
	if r = l.status(); r.SecureBoot != bootbuilder.SecureBootOn {
		t.Errorf("Secure Boot is %s", r.SecureBoot)
	}
	l.wantTodo(r, bootbuilder.TodoSign)
	l.secureBoot(0)
	if r = l.status(); r.SecureBoot != bootbuilder.SecureBootOff {
		t.Errorf("Secure Boot is %s", r.SecureBoot)
	}
}

func TestStatusVariables(t *testing.T) {
	t.Parallel()
	l := newStatusLab(t)
	l.install(bootbuilder.Options{})
	l.variable("LoaderEntryDefault", "nixos-generation-2.conf")
	r := l.status()
	if r.Next == nil || r.Next.Number != 2 || r.Next.Xen {
		t.Errorf("next %+v", r.Next)
	}
	l.wantTodo(r, bootbuilder.TodoFirmware)
	l.variable("LoaderEntryOneShot", "xen-generation-1.conf")
	r = l.status()
	if r.Next == nil || r.Next.Number != 1 || r.Next.XenVersion != "4.19.3" || r.Then == nil || r.Then.Number != 2 {
		t.Errorf("next %+v, then %+v", r.Next, r.Then)
	}
}

func TestStatusTrial(t *testing.T) {
	t.Parallel()
	l := newStatusLab(t)
	l.install(bootbuilder.Options{Default: bootbuilder.DefaultNixOS})
	m := bootbuilder.Machine{Root: l.root, EFIVars: l.vars, Sys: l.sys, Today: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)}
	if _, err := bootbuilder.Try(t.Context(), l.target, m, "3"); err != nil {
		t.Fatal(err)
	}
	r := l.status()
	if r.Trial == nil || r.Trial.Number != 3 || r.Trial.Since != "2026-11-24" || !r.Trial.Armed || r.Trial.Running ||
		r.Next == nil || !r.Next.Xen || r.Then == nil || r.Then.Xen {
		t.Errorf("trial %+v, next %+v, then %+v", r.Trial, r.Next, r.Then)
	}
	// systemd-boot started it, and forgot the variable.
	l.must(os.Remove(filepath.Join(l.vars, "LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")))
	l.variable("LoaderEntrySelected", "xen-generation-3.conf")
	l.xen(dom0)
	r = l.status()
	if r.Trial == nil || r.Trial.Armed || !r.Trial.Running {
		t.Errorf("trial %+v", r.Trial)
	}
	l.wantTodo(r, bootbuilder.TodoBless)
	if _, err := bootbuilder.Bless(t.Context(), l.target, m); err != nil {
		t.Fatal(err)
	}
	r = l.status()
	if r.Trial != nil || len(r.Proven) != 1 || r.Proven[0].Number != 3 || r.Proven[0].Date != "2026-11-24" {
		t.Errorf("trial %+v, proven %+v", r.Trial, r.Proven)
	}
	l.wantTodo(r)
}

// TestStatusWithoutRoot: the system may be out of reach; the partition says something all the same.
func TestStatusWithoutRoot(t *testing.T) {
	t.Parallel()
	l := newStatusLab(t)
	l.install(bootbuilder.Options{})
	r, err := bootbuilder.Status(t.Context(), l.target, bootbuilder.StatusOptions{Root: filepath.Join(l.root, "missing")})
	l.must(err)
	if r.Running != nil || r.Next == nil || r.Next.Number != 3 || r.Next.XenVersion != "4.20.2" || r.Newest != nil || len(r.Notes) != 1 {
		t.Errorf("%+v, next %+v", r, r.Next)
	}
	l.wantTodo(r)
}
