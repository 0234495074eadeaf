package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/scratch"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secrets"
)

const initrd = "an initrd\n"

// newRoot is a root in which shell scripts can run.
func newRoot(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can run programs inside another root")
	}
	if _, err := os.Stat("/bin/busybox"); err != nil {
		t.Skip("no /bin/busybox, which can run without libraries: ", err)
	}
	root := t.TempDir()
	for _, dir := range []string{"bin", "tmp", "nix/store"} {
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	copyFile(t, "/bin/busybox", filepath.Join(root, "bin/sh"))
	for _, name := range strings.Fields("cat cp env ln ls mkdir mkfifo mv rm sleep setsid stat touch") {
		must(t, os.Symlink("sh", filepath.Join(root, "bin", name)))
	}
	return root
}

// copyFile has another process do it: a program that this one has open for writing, or a child that
// another test forked meanwhile, can't be run (ETXTBSY).
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// script puts a program into a root.
func script(t *testing.T, root, text string) secrets.Request {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script")
	must(t, os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755))
	copyFile(t, file, filepath.Join(root, "nix/store/append"))
	return secrets.Request{Root: root, Program: "/nix/store/append", Initrd: strings.NewReader(initrd)}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantNothingLeft(t *testing.T, root string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(root, "tmp"))
	must(t, err)
	for _, e := range list {
		t.Errorf("%s is left", e.Name())
	}
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestAppends(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	t.Run("in place", func(t *testing.T) {
		wantInitrd(t, root, script(t, root, `echo secret >> "$1"`), initrd+"secret\n")
	})
	t.Run("by another file", func(t *testing.T) {
		wantInitrd(t, root, script(t, root, `cat "$1" > "$1.new"; echo secret >> "$1.new"; mv "$1.new" "$1"`), initrd+"secret\n")
	})
	t.Run("with a temporary file left behind", func(t *testing.T) {
		wantInitrd(t, root, script(t, root, `echo secret > "$TMPDIR/aside"; cat "$TMPDIR/aside" >> "$1"`), initrd+"secret\n")
	})
	t.Run("private", func(t *testing.T) {
		wantInitrd(t, root, script(t, root, `stat -c '%a' "$1" "${1%/*}" "$TMPDIR" >> "$1"`), initrd+"600\n700\n700\n")
	})
	t.Run("inside the root", func(t *testing.T) {
		wantInitrd(t, root, script(t, root, `[ -e /nix/store/append ] && ! [ -e /proc/self ] && echo yes >> "$1"`), initrd+"yes\n")
	})
	t.Run("/tmp is a link", func(t *testing.T) {
		root := newRoot(t)
		must(t, os.Remove(root+"/tmp"))
		must(t, os.MkdirAll(root+"/var/tmp", 0o755))
		must(t, os.Symlink("/var/tmp", root+"/tmp"))
		wantInitrd(t, root, script(t, root, `echo secret >> "$1"`), initrd+"secret\n")
	})
}

func wantInitrd(t *testing.T, root string, r secrets.Request, want string) {
	t.Helper()
	res, err := secrets.Run(limited(t), r)
	must(t, err)
	defer res.Close()
	b, err := io.ReadAll(io.NewSectionReader(res, 0, res.Size()))
	if err != nil || string(b) != want {
		t.Errorf("initrd is %q, %v", b, err)
	}
	if list, err := os.ReadDir(root + "/tmp"); err != nil || len(list) > 0 { // while it is read
		t.Errorf("left: %v, %v", list, err)
	}
}

// TestRunningSystem runs without a chroot, which takes no root.
func TestRunningSystem(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "script")
	must(t, os.WriteFile(file+".in", []byte("#!/bin/sh\necho secret >> \"$1\"\n"), 0o755))
	copyFile(t, file+".in", file)
	res, err := secrets.Run(limited(t), secrets.Request{Root: "/", Program: file, Initrd: strings.NewReader(initrd)})
	must(t, err)
	defer res.Close()
	b := make([]byte, res.Size())
	if _, err := res.ReadAt(b, 0); err != nil || string(b) != initrd+"secret\n" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestEnvironment(t *testing.T) {
	root := newRoot(t)
	t.Setenv("XBB_TOKEN", "of the caller")
	t.Setenv("LD_PRELOAD", "")
	res, err := secrets.Run(limited(t), script(t, root, `env > "$1"`))
	must(t, err)
	defer res.Close()
	b := make([]byte, res.Size())
	_, err = res.ReadAt(b, 0)
	must(t, err)
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, "=")
		switch name {
		case "PATH", "LC_ALL", "TMPDIR":
		case "SHLVL", "PWD", "_", "OLDPWD": // the shell's own
		default:
			t.Errorf("%q is in the environment", line)
		}
	}
}

// TestHostile: programs that leave something else than an initrd, and what they say.
func TestHostile(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can run programs inside another root")
	}
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.MkdirAll(outside, 0o700))
	must(t, os.WriteFile(outside+"/initrd", []byte("of the host"), 0o600))
	for name, c := range map[string]struct {
		script string
		want   string
		is     error
	}{
		"fails":                {"echo no such secret >&2; exit 3", "no such secret", nil},
		"fails with much said": {"for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6 7 8 9; do echo 12345678901234567890123456789012345; done; done; echo the end; exit 1", "the end", nil},
		"removes it":           {`rm "$1"; echo sorry`, "sorry", os.ErrNotExist},
		"empties it":           {`: > "$1"`, "empty", nil},
		"a directory":          {`rm "$1"; mkdir "$1"`, "", scratch.ErrNotRegular},
		"a FIFO":               {`rm "$1"; mkfifo "$1"`, "", scratch.ErrNotRegular},
		"a link":               {`rm "$1"; ln -s ` + outside + `/initrd "$1"`, "", scratch.ErrNotRegular},
		"a link beside":        {`mv "$1" "$1.x"; ln -s initrd.x "$1"`, "", scratch.ErrNotRegular},
		"a second name":        {`echo of the root > /secret; rm "$1"; ln /secret "$1"`, "", scratch.ErrNotRegular},
		"directory is a link":  {`d="${1%/*}"; mv "$d" "$d.away"; ln -s ` + outside + ` "$d"`, "", scratch.ErrMoved},
		"directory is another": {`d="${1%/*}"; mv "$d" "$d.away"; mkdir "$d"; echo another > "$1"`, "", scratch.ErrMoved},
		"directory is gone":    {`rm -r "${1%/*}"`, "", scratch.ErrMoved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newRoot(t)
			res, err := secrets.Run(limited(t), script(t, root, c.script))
			if err == nil {
				res.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) || len(err.Error()) > 3000 {
				t.Errorf("error is %v", err)
			}
			if b, err := os.ReadFile(outside + "/initrd"); err != nil || string(b) != "of the host" {
				t.Errorf("outside: %q, %v", b, err)
			}
			// What was made by the program itself, under names of its own, is its own.
			_ = filepath.WalkDir(root+"/tmp", func(file string, _ os.DirEntry, _ error) error {
				if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte(initrd)) {
					t.Errorf("%s holds the initrd", file)
				}
				return nil
			})
		})
	}
}

// TestBackground: a child that holds the output open does not keep the run, and does not write on.
func TestBackground(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	start := time.Now()
	wantInitrd(t, root, script(t, root, `echo secret >> "$1"; (sleep 2; while :; do echo more >> "$1"; done) &`), initrd+"secret\n")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := secrets.Run(ctx, script(t, root, "sleep 30 &\nsleep 30")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	wantNothingLeft(t, root)
	if _, err := secrets.Run(ctx, script(t, root, "true")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after its end: %v", err)
	}
	wantNothingLeft(t, root)
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	r := script(t, root, "true")
	r.Program = "nix/store/append"
	if _, err := secrets.Run(limited(t), r); err == nil {
		t.Error("a relative program: no error")
	}
	r.Program = "/nix/store/missing"
	if _, err := secrets.Run(limited(t), r); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing program: %v", err)
	}
	broken := script(t, root, "true")
	broken.Initrd = io.MultiReader(strings.NewReader("some"), failing{})
	if _, err := secrets.Run(limited(t), broken); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("an initrd that can't be read: %v", err)
	}
	wantNothingLeft(t, root)

	outside := t.TempDir()
	must(t, os.Remove(root+"/tmp"))
	if _, err := secrets.Run(limited(t), script(t, root, "true")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without /tmp: %v", err)
	}
	must(t, os.Symlink(outside, root+"/tmp"))
	if _, err := secrets.Run(limited(t), script(t, root, "true")); err == nil {
		t.Error("a /tmp that leads outside: no error")
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
		t.Errorf("outside: %v, %v", list, err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestKilled kills a run: the next one's sweep removes what it left, and nothing before.
func TestKilled(t *testing.T) {
	t.Parallel()
	root := os.Getenv("XBB_KILLED_ROOT")
	if root != "" { // the process that is killed
		_, _ = secrets.Run(t.Context(), secrets.Request{Root: root, Program: "/nix/store/append", Initrd: strings.NewReader(initrd)})
		return
	}
	root = newRoot(t)
	script(t, root, `echo secret > "$TMPDIR/aside"; touch /started; exec sleep 300`)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), "XBB_KILLED_ROOT="+root)
	must(t, cmd.Start())
	for range 1000 {
		if _, err := os.Stat(root + "/started"); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if removed, err := secrets.Sweep(root); err != nil || len(removed) > 0 {
		t.Errorf("swept while it runs: %q, %v", removed, err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	if removed, err := secrets.Sweep(root); err != nil || len(removed) != 1 {
		t.Errorf("swept %q, %v", removed, err)
	}
	wantNothingLeft(t, root)
}
