package esp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newDir is a directory with these files, opened.
func newDir(t *testing.T, files map[string]string) (*Dir, string) {
	t.Helper()
	directory := t.TempDir()
	for name, text := range files {
		name = filepath.Join(directory, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := OpenDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, directory
}

// tree lists all below a directory, links as "-> target".
func tree(t *testing.T, directory string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(directory, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(directory, name)
		switch {
		case e.Type().IsRegular():
			b, err := os.ReadFile(name)
			all[rel] = string(b)
			return err
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			all[rel] = "-> " + target
			return err
		case e.IsDir() && rel != ".":
			all[rel] = "/"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDirFolds: a directory that tells letter cases apart behaves like FAT.
func TestDirFolds(t *testing.T) {
	t.Parallel()
	files := map[string]string{"efi/Nixos/Kernel.EFI": "kernel", "Loader/loader.conf": "timeout 5\n"}
	for name, do := range map[string]struct {
		op   func(*Dir) error
		want map[string]string // nil: as before
	}{
		"open":    {op: func(d *Dir) error { _, err := ReadFile(d, "EFI/nixos/kernel.efi", 10); return err }},
		"stat":    {op: func(d *Dir) error { _, err := d.Stat("EFI/NIXOS/KERNEL.efi"); return err }},
		"list":    {op: func(d *Dir) error { _, err := d.ReadDir("EFI/NIXOS"); return err }},
		"syncdir": {op: func(d *Dir) error { return d.SyncDir("EFI/nixos") }},
		"create": {
			op: func(d *Dir) error {
				w, err := d.Create("EFI/NIXOS/New.efi")
				if err != nil {
					return err
				}
				return w.Close()
			},
			want: map[string]string{"efi": "/", "efi/Nixos": "/", "efi/Nixos/Kernel.EFI": "kernel", "efi/Nixos/New.efi": "", "Loader": "/", "Loader/loader.conf": "timeout 5\n"},
		},
		"rename over": {
			op:   func(d *Dir) error { return d.Rename("loader/LOADER.conf", "EFI/nixos/KERNEL.efi") },
			want: map[string]string{"efi": "/", "efi/Nixos": "/", "efi/Nixos/Kernel.EFI": "timeout 5\n", "Loader": "/"},
		},
		"remove": {
			op:   func(d *Dir) error { return d.Remove("EFI/nixos/kernel.efi") },
			want: map[string]string{"efi": "/", "efi/Nixos": "/", "Loader": "/", "Loader/loader.conf": "timeout 5\n"},
		},
		"mkdir": {
			op:   func(d *Dir) error { return d.Mkdir("EFI/Xen") },
			want: map[string]string{"efi": "/", "efi/Nixos": "/", "efi/Xen": "/", "efi/Nixos/Kernel.EFI": "kernel", "Loader": "/", "Loader/loader.conf": "timeout 5\n"},
		},
		"mkdir all": {op: func(d *Dir) error { return MkdirAll(d, "EFI/NIXOS") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, directory := newDir(t, files)
			want := do.want
			if want == nil {
				want = tree(t, directory)
			}
			must(t, do.op(d))
			if diff := cmp.Diff(want, tree(t, directory)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDirCreateOfAnotherCase(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t, map[string]string{"EFI/a.efi": "a"})
	for _, name := range []string{"EFI/a.efi", "EFI/A.efi"} {
		if _, err := d.Create(name); !errors.Is(err, fs.ErrExist) {
			t.Errorf("create %s: %v, want that it exists", name, err)
		}
	}
}

func TestDirPrefersTheExactCase(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t, map[string]string{"A": "upper", "a": "lower"})
	for name, want := range map[string]string{"A": "upper", "a": "lower"} {
		if got, err := ReadFile(d, name, 10); err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", name, got, err, want)
		}
	}
}

// TestDirStaysInside tries every operation on names that lead out.
func TestDirStaysInside(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644))
	must(t, os.Mkdir(filepath.Join(outside, "sub"), 0o755))
	d, directory := newDir(t, map[string]string{"inside": "x"})
	up := strings.Repeat("../", 30) + strings.TrimPrefix(outside, "/")
	for name, target := range map[string]string{
		"absolute": outside, "up": up, "file": filepath.Join(outside, "secret"), "file-up": up + "/secret", "dangling": filepath.Join(outside, "new"),
	} {
		must(t, os.Symlink(target, filepath.Join(directory, name)))
	}
	before := tree(t, outside)
	for _, name := range []string{
		"absolute/secret", "up/secret", "file", "file-up", "dangling", "absolute/sub", "up/sub", "absolute/new", "up/new",
		"../" + filepath.Base(outside) + "/secret", up + "/secret", outside + "/secret",
	} {
		for op, do := range map[string]func() error{
			"open":        func() error { _, err := d.Open(name); return err },
			"stat":        func() error { _, err := d.Stat(name); return err },
			"list":        func() error { _, err := d.ReadDir(name); return err },
			"create":      func() error { _, err := d.Create(name); return err },
			"mkdir":       func() error { return d.Mkdir(name) },
			"sync":        func() error { return d.SyncDir(name) },
			"rename from": func() error { return renameAway(d, name) },
			"write":       func() error { return WriteBytes(d, name+"/x", []byte("x")) },
			"mkdir all":   func() error { return MkdirAll(d, name+"/a/b") },
		} {
			if err := do(); err == nil {
				t.Errorf("%s %s: no error", op, name)
			}
		}
		if strings.Contains(name, "/") {
			if d.Remove(name) == nil || d.Rename("inside", name) == nil {
				t.Errorf("remove or rename to %s: no error", name)
			}
		}
	}
	if diff := cmp.Diff(before, tree(t, outside)); diff != "" {
		t.Errorf("outside something changed:\n%s", diff)
	}
	// The link itself is inside, and may be replaced or removed.
	must(t, d.Remove("dangling"))
	must(t, WriteBytes(d, "file", []byte("mine")))
	if got := tree(t, directory)["file"]; got != "mine" {
		t.Errorf("file holds %q", got)
	}
	if diff := cmp.Diff(before, tree(t, outside)); diff != "" {
		t.Errorf("outside something changed:\n%s", diff)
	}
}

// renameAway fails for what is a link too, which it may well rename.
func renameAway(d *Dir, name string) error {
	if !strings.Contains(name, "/") {
		return errors.New("a link inside")
	}
	return d.Rename(name, "stolen")
}

func TestDirFollowsLinksInside(t *testing.T) {
	t.Parallel()
	d, directory := newDir(t, map[string]string{"EFI/a": "a"})
	must(t, os.Symlink("EFI/a", filepath.Join(directory, "link")))
	if got, err := ReadFile(d, "link", 10); err != nil || string(got) != "a" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestDirOpensFilesOnly: what is not a file is refused, and not waited for.
func TestDirOpensFilesOnly(t *testing.T) {
	t.Parallel()
	d, directory := newDir(t, map[string]string{"directory/file": ""})
	must(t, syscall.Mkfifo(filepath.Join(directory, "fifo"), 0o644))
	names := []string{"directory", "fifo", "."}
	// A socket's path is short; t.TempDir's may be too long for one.
	if l, err := net.Listen("unix", filepath.Join(directory, "socket")); err == nil {
		defer l.Close()
		if f, err := d.Open("socket"); err == nil {
			f.Close()
			t.Error("opened a socket")
		}
	}
	if err := syscall.Mknod(filepath.Join(directory, "zero"), syscall.S_IFCHR|0o644, 1<<8|5); err == nil {
		names = append(names, "zero")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, name := range names {
			if _, err := d.Open(name); !errors.Is(err, ErrNotRegular) {
				t.Errorf("open %s: %v, want %v", name, err, ErrNotRegular)
			}
			if _, err := ReadFile(d, name, 10); !errors.Is(err, ErrNotRegular) {
				t.Errorf("read %s: %v, want %v", name, err, ErrNotRegular)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("open hangs")
	}
}

// TestDirErrors: each names the whole path, once, and keeps its cause.
func TestDirErrors(t *testing.T) {
	t.Parallel()
	d, directory := newDir(t, map[string]string{"file": "x", "directory/file": "x"})
	for name, c := range map[string]struct {
		err   error
		path  string
		cause error
	}{
		"open":               {second(d.Open("a/b")), "a/b", fs.ErrNotExist},
		"stat":               {second(d.Stat("a/b")), "a/b", fs.ErrNotExist},
		"list":               {second(d.ReadDir("a")), "a", fs.ErrNotExist},
		"list a file":        {second(d.ReadDir("file")), "file", syscall.ENOTDIR},
		"below a file":       {second(d.Open("file/x")), "file/x", syscall.ENOTDIR},
		"create":             {second(d.Create("a/b")), "a/b", fs.ErrNotExist},
		"create again":       {second(d.Create("file")), "file", fs.ErrExist},
		"rename":             {d.Rename("a", "b"), "b", fs.ErrNotExist},
		"remove":             {d.Remove("a"), "a", fs.ErrNotExist},
		"remove a directory": {d.Remove("directory"), "directory", syscall.ENOTEMPTY},
		"mkdir":              {d.Mkdir("file"), "file", fs.ErrExist},
		"sync":               {d.SyncDir("a"), "a", fs.ErrNotExist},
		"too large":          {second(ReadFile(d, "directory/file", 0)), "directory/file", ErrTooLarge},
		"mkdir over a file":  {MkdirAll(d, "file/a"), "file/a", syscall.ENOTDIR},
	} {
		var pe *fs.PathError
		switch {
		case !errors.Is(c.err, c.cause):
			t.Errorf("%s: %v, want %v", name, c.err, c.cause)
		case !errors.As(c.err, &pe) || pe.Path != filepath.Join(directory, c.path):
			t.Errorf("%s: %v does not name %s", name, c.err, c.path)
		case strings.Count(c.err.Error(), directory) != 1:
			t.Errorf("%s: %v names the directory more than once", name, c.err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestOpenDirFails(t *testing.T) {
	t.Parallel()
	_, directory := newDir(t, map[string]string{"file": ""})
	for _, name := range []string{"missing", "file"} {
		if _, err := OpenDir(filepath.Join(directory, name)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("open %s: %v", name, err)
		}
	}
}

func TestDirReadDirIsSorted(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t, map[string]string{"c": "", "a/x": "", "b": ""})
	list, err := d.ReadDir(".")
	must(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("got %q", names)
	}
	must(t, d.Sync())
}

func TestDirLock(t *testing.T) {
	t.Parallel()
	d, directory := newDir(t, nil)
	other, err := OpenDir(directory)
	must(t, err)
	defer other.Close()
	unlock, err := d.Lock(t.Context())
	must(t, err)
	for name, same := range map[string]*Dir{"the same": d, "another": other} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := same.Lock(ctx); !errors.Is(err, ErrLocked) {
			t.Errorf("lock by %s: %v, want %v", name, err, ErrLocked)
		}
		cancel()
	}
	// One that waits gets it once it is free.
	got := make(chan error, 1)
	go func() {
		free, err := other.Lock(t.Context())
		if err == nil {
			free()
		}
		got <- err
	}()
	time.Sleep(50 * time.Millisecond)
	unlock()
	must(t, <-got)
	if left := tree(t, directory); len(left) > 0 {
		t.Errorf("the lock left %v", left)
	}
}

// lockedDir names the directory that a copy of this test locks until it is killed.
const lockedDir = "XBB_TEST_LOCK_DIR"

// TestDirLockBetweenProcesses: a lock dies with its process, even if that is killed.
func TestDirLockBetweenProcesses(t *testing.T) {
	t.Parallel()
	if directory := os.Getenv(lockedDir); directory != "" {
		d, err := OpenDir(directory)
		must(t, err)
		_, err = d.Lock(t.Context())
		must(t, err)
		os.Stdout.WriteString("locked\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
		return
	}
	d, directory := newDir(t, nil)
	child := exec.Command(os.Args[0], "-test.run=^TestDirLockBetweenProcesses$")
	child.Env = append(os.Environ(), lockedDir+"="+directory)
	in, err := child.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the child says %q: %v", line, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := d.Lock(ctx); !errors.Is(err, ErrLocked) {
		t.Errorf("lock: %v, want %v", err, ErrLocked)
	}
	must(t, child.Process.Kill())
	_ = child.Wait()
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	unlock, err := d.Lock(ctx)
	must(t, err)
	unlock()
}
