package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// testSizes runs it on an ESP of every size, from too small to ample: either all is done, or nothing
// is touched and the error says what is needed.
func testSizes(t *testing.T, b binary) {
	for _, layout := range []string{"shared", "unified"} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			l := newFaultLab(t, b, layout)
			mount := filepath.Join(t.TempDir(), "esp")
			if err := os.Mkdir(mount, 0o755); err != nil {
				t.Fatal(err)
			}
			// On a NixOS the hint is on its options.
			if err := errors.Join(os.MkdirAll(filepath.Join(l.root, "etc"), 0o755), os.WriteFile(filepath.Join(l.root, "etc/NIXOS"), nil, 0o644)); err != nil {
				t.Fatal(err)
			}
			inNamespace(t, func() error { return l.allSizes(t, mount) })
		})
	}
}

func (l *faultLab) allSizes(t *testing.T, mount string) error {
	page := int64(os.Getpagesize())
	outcomes := make(map[int]int)
	// What stands takes a page for each small file at least; from there on to where a run fitted three times in a row.
	for size := page; outcomes[exitDone] < 3; size += page {
		if size > 4<<20 {
			return errors.New("4 MiB are not enough")
		}
		if err := mountTmpfs(mount, size, 0); err != nil {
			return err
		}
		err := copyTree(l.before, mount)
		if err == nil {
			err = l.oneSize(mount, outcomes)
		} else if errors.Is(err, unix.ENOSPC) {
			err = nil // not even what stands fits
		}
		// A process that is just being forked elsewhere may hold a file of it for a moment.
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount: %w", err)
		}
		if err != nil {
			return fmt.Errorf("with %d bytes: %w", size, err)
		}
	}
	t.Logf("exit codes: %v", outcomes)
	if outcomes[exitFailed] == 0 {
		return errors.New("no size was too small")
	}
	return nil
}

func (l *faultLab) oneSize(mount string, outcomes map[int]int) error {
	r, err := runProcess(l.b.command(l.args(mount)...))
	if err != nil {
		return err
	}
	left, err := fixtures.Snapshot(mount)
	if err != nil {
		return err
	}
	outcomes[r.code]++
	want := l.end
	if r.code != exitDone {
		want = l.start
		if !strings.Contains(r.stderr, "error: no room on "+mount) || !strings.Contains(r.stderr, "\n"+program+": hint: ") ||
			!strings.Contains(r.stderr, "boot.loader.systemd-boot.configurationLimit") || !strings.Contains(r.stderr, "nixos-rebuild boot") {
			return fmt.Errorf("exit code %d: %s", r.code, r.stderr)
		}
	}
	if d := cmp.Diff(want, left); d != "" {
		return fmt.Errorf("exit code %d, and the ESP is in between:\n%s", r.code, d)
	}
	return nil
}

// testReadOnly runs it on an ESP that Linux has mounted read-only, as it does with a damaged one.
func testReadOnly(t *testing.T, b binary) {
	m := mustLayOut(t, "demo")
	full := mustLayOut(t, "demo")
	b.mustInstall(t, full, "quiet")
	inNamespace(t, func() error {
		for _, esp := range []string{m.esp, full.esp} {
			if err := readOnly(esp); err != nil {
				return err
			}
		}
		// A removal says so, too, and what only looks fails as what writes would.
		for _, flags := range [][]string{{"remove"}, {"remove", "--dry-run"}, {"remove", "--dry-run", "--json"}} {
			r, err := runProcess(b.command(append(flags, "--esp", full.esp)...))
			if err != nil {
				return err
			}
			if r.code != exitFailed || !strings.Contains(r.stderr, "read-only file system") {
				t.Errorf("%v: exit code %d: %s", flags, r.code, r.stderr)
			}
			wantComplaint(t, r.stderr)
		}
		return m.readOnlyRuns(t, b)
	})
}

// readOnly makes a directory a mount point of its own, that can't be written to.
func readOnly(dir string) error {
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

func (m machine) readOnlyRuns(t *testing.T, b binary) error {
	for _, flags := range [][]string{{"quiet"}, {"info"}, {"--dry-run", "info"}} {
		r, err := runProcess(b.command(m.flags(flags...)...))
		if err != nil {
			return err
		}
		if r.code != exitFailed || !strings.Contains(r.stderr, "read-only file system") {
			t.Errorf("%v: exit code %d", flags, r.code)
		}
		wantComplaint(t, r.stderr)
	}
	return nil
}

// testDropIn runs the very command line of nixpkgs' hook, with nothing but the verbosity and the mount
// point in the environment: below a chroot, so that / is a machine's root.
func testDropIn(t *testing.T, b binary) {
	for _, verbosity := range []string{"quiet", "default", "info", "debug"} {
		t.Run(verbosity, func(t *testing.T) {
			t.Parallel()
			m := mustLayOut(t, "golden:v2-only")
			if err := os.WriteFile(filepath.Join(m.root, program), mustRead(t, string(b)), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := cleanCommand("/"+program, verbosity)
			cmd.Dir = "/"
			cmd.Env = []string{"efiMountPoint=" + strings.TrimPrefix(m.esp, m.root)}
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.root}
			r, err := runProcess(cmd)
			if errors.Is(err, os.ErrPermission) && os.Getenv("CI") != "true" {
				t.Skipf("not run: %v", err)
			}
			if err != nil || r.code != exitDone || r.stderr != "" {
				t.Fatalf("exit code %d, %v: %s", r.code, err, r.stderr)
			}
			if err := boots(m.esp); err != nil {
				t.Error(err)
			}
			if says := strings.Contains(r.stdout, headline+"done."); says != (verbosity != "quiet") {
				t.Errorf("stdout: %q", r.stdout)
			}
			if found, _ := filepath.Glob(filepath.Join(m.esp, "loader/entries/xen-*.conf")); len(found) == 0 {
				t.Error("there is no Xen entry")
			}
		})
	}
}
