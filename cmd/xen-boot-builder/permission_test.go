package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user who owns nothing.
const nobody = 65534

// testPermissions runs it as a user who may read the ESP but not write to it, and as one who may
// not even read it.
func testPermissions(t *testing.T, b binary) {
	if os.Getuid() != 0 {
		t.Skip("not run: only root can become another user")
	}
	for _, c := range []struct {
		name string
		mode os.FileMode
	}{
		{"not writable", 0o755},
		{"not readable", 0o700},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := mustLayOut(t, "demo")
			letThrough(t, m.esp, m.root, string(b))
			if err := os.Chmod(m.esp, c.mode); err != nil {
				t.Fatal(err)
			}
			before := mustSnapshot(t, m.esp)
			cmd := b.command(m.flags("info")...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			r, err := runProcess(cmd)
			if err != nil {
				t.Fatal(err)
			}
			if r.code != exitFailed || !strings.Contains(r.stderr, "permission denied") || !strings.Contains(r.stderr, "hint: run as root") {
				t.Errorf("exit code %d", r.code)
			}
			wantComplaint(t, r.stderr)
			wantSame(t, "the ESP changed", before, mustSnapshot(t, m.esp))
		})
	}
}

// letThrough lets everybody reach these, which lie in a test's private directories.
func letThrough(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		for dir := filepath.Dir(name); strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}
