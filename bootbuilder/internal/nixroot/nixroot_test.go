package nixroot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// newRoot lays out a root and a directory beside it that holds a file of the same name.
func newRoot(t *testing.T) (r *Root, dir, outside string) {
	t.Helper()
	top := t.TempDir()
	dir, outside = filepath.Join(top, "root"), filepath.Join(top, "outside")
	for _, d := range []string{dir, outside} {
		write(t, filepath.Join(d, "store/a/boot.json"), d)
		write(t, filepath.Join(d, "etc/shadow"), d)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, dir, outside
}

func write(t *testing.T, name, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name, []byte(text), 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(r *Root, name string) (string, error) {
	f, err := r.OpenFile(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}

// TestLinks follows links as the system below the root would. A wanted name of "" is an error.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, target, want string }{
		{"absolute", "/store/a", "/store/a"},
		{"relative", "store/a", "/store/a"},
		{"up and down", "etc/../store/a", "/store/a"},
		{"climbing", strings.Repeat("../", 30) + "store/a", "/store/a"},
		{"absolute and climbing", "/../../../store/a", "/store/a"},
		{"through another", "second", "/store/a"},
		{"to itself", "link", ""},
		{"to nothing", "/store/b", ""},
		{"outside", "OUTSIDE/store/a", ""},
		{"outside, climbing", "../outside/store/a", ""},
		{"through a file", "etc/shadow/..", ""},
		{"too long", strings.Repeat("x", 300), ""},
		{"through magic", "/proc/self/root/OUTSIDE/store/a", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, dir, outside := newRoot(t)
			must(t, os.Symlink("/store/a", filepath.Join(dir, "second")))
			must(t, os.Symlink(strings.ReplaceAll(c.target, "OUTSIDE", outside), filepath.Join(dir, "link")))
			got, err := read(r, "/link/boot.json")
			if c.want == "" {
				if err == nil {
					t.Fatalf("read %q", got)
				}
				if !strings.Contains(err.Error(), filepath.Join(dir, "link/boot.json")) {
					t.Errorf("the error does not name the file: %v", err)
				}
				return
			}
			if err != nil || got != dir {
				t.Errorf("read %q, %v; want %q", got, err, dir)
			}
			if info, err := r.Stat("/link"); err != nil || !info.IsDir() {
				t.Errorf("stat: %v, %v", info, err)
			}
			if names, err := r.ReadDir("/link"); err != nil || !slices.Equal(names, []string{"boot.json"}) {
				t.Errorf("list: %q, %v", names, err)
			}
			if resolved, err := r.Resolve("/link/boot.json"); err != nil || resolved != c.want+"/boot.json" {
				t.Errorf("resolved to %q, %v; want %s/boot.json", resolved, err, c.want)
			}
		})
	}
}

// TestNames takes names that climb as if the root were all there is.
func TestNames(t *testing.T) {
	t.Parallel()
	r, dir, outside := newRoot(t)
	for _, name := range []string{"/store/a/boot.json", "store/a/boot.json", "/../store/a/boot.json", "../../../../store/a/boot.json", "/store//a/./boot.json", "/etc/../store/a/boot.json"} {
		if got, err := read(r, name); err != nil || got != dir {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if got, err := r.Resolve(name); err != nil || got != "/store/a/boot.json" {
			t.Errorf("%s resolves to %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "/", ".", "..", "/store", outside + "/store/a/boot.json", "../outside/store/a/boot.json", "/store/a/boot.json/", "/etc/shadow/x", "a\x00b", strings.Repeat("/x", 5000)} {
		if got, err := read(r, name); err == nil {
			t.Errorf("%.60q: read %q", name, got)
		}
	}
	if _, err := r.OpenFile("/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if got := r.Path("/store/a"); got != filepath.Join(dir, "store/a") {
		t.Errorf("Path is %q", got)
	}
	if r.Dir() != dir {
		t.Errorf("Dir is %q", r.Dir())
	}
}

// TestResolveRoots has roots that are given in other words, and the running system's.
func TestResolveRoots(t *testing.T) {
	t.Parallel()
	_, dir, _ := newRoot(t)
	must(t, os.Symlink("/store/a", filepath.Join(dir, "link")))
	must(t, os.Symlink(dir, dir+"-link"))
	for _, given := range []string{dir, dir + "/", dir + "/.", dir + "/../root", dir + "-link"} {
		r, err := Open(given)
		must(t, err)
		defer r.Close()
		if got, err := r.Resolve("/link/boot.json"); err != nil || got != "/store/a/boot.json" {
			t.Errorf("below %s: %q, %v", given, got, err)
		}
		if got, err := read(r, "/link/boot.json"); err != nil || got != dir {
			t.Errorf("below %s: read %q, %v", given, got, err)
		}
	}
	r, err := Open("/")
	must(t, err)
	defer r.Close()
	want, err := filepath.EvalSymlinks(dir)
	must(t, err)
	if got, err := r.Resolve(dir); err != nil || got != want {
		t.Errorf("below /: %q, %v", got, err)
	}
}

// TestMagicLinks has the running system as the root: the way through /proc leads nowhere.
func TestMagicLinks(t *testing.T) {
	t.Parallel()
	_, dir, _ := newRoot(t)
	f, err := os.Open(filepath.Join(dir, "etc/shadow"))
	must(t, err)
	defer f.Close()
	r, err := Open("/")
	must(t, err)
	defer r.Close()
	for _, name := range []string{fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), "/proc/self/root/etc/passwd", "/proc/self/cwd", "/proc/self/exe"} {
		if got, err := r.OpenFile(name); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("%s: %v, %v; want ELOOP", name, got, err)
		}
	}
	if got, err := read(r, filepath.Join(dir, "etc/shadow")); err != nil || got != dir {
		t.Errorf("an ordinary file: %q, %v", got, err)
	}
}

// TestNotRegular opens nothing but files, and waits for nothing.
func TestNotRegular(t *testing.T) {
	t.Parallel()
	r, dir, _ := newRoot(t)
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o666))
	names := []string{"/fifo", "/store"}
	if os.Getuid() == 0 {
		must(t, syscall.Mknod(filepath.Join(dir, "zero"), syscall.S_IFCHR|0o666, 1<<8|5))
		must(t, syscall.Mknod(filepath.Join(dir, "tty"), syscall.S_IFCHR|0o666, 5<<8))
		names = append(names, "/zero")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, name := range names {
			if _, err := r.OpenFile(name); !errors.Is(err, ErrNotRegular) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, name := range []string{"/tty", "/socket"} {
			if f, err := r.OpenFile(name); err == nil {
				t.Errorf("%s: %v", name, f)
			}
		}
		if info, err := r.Stat("/fifo"); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
			t.Errorf("stat: %v, %v", info, err)
		}
		if _, err := r.ReadDir("/fifo"); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("list a FIFO: %v", err)
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for something")
	}
}

// TestOpen wants a directory.
func TestOpen(t *testing.T) {
	t.Parallel()
	_, dir, _ := newRoot(t)
	for _, name := range []string{"", filepath.Join(dir, "none"), filepath.Join(dir, "etc/shadow")} {
		if r, err := Open(name); err == nil {
			r.Close()
			t.Errorf("%q is taken for a root", name)
		}
	}
}

// TestRace exchanges a directory for a link that leads out, while it is read.
func TestRace(t *testing.T) {
	t.Parallel()
	r, dir, outside := newRoot(t)
	must(t, os.Symlink(outside+"/store/a", filepath.Join(dir, "store/evil")))
	must(t, os.Symlink("../../outside/store/a", filepath.Join(dir, "store/worse")))
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		at := func(name string) string { return filepath.Join(dir, "store", name) }
		for i := 0; !stop.Load(); i++ {
			other := at([]string{"evil", "worse"}[i%2])
			_ = os.Rename(at("a"), at("kept"))
			_ = os.Rename(other, at("a"))
			_ = os.Rename(at("a"), other)
			_ = os.Rename(at("kept"), at("a"))
		}
	}()
	read1, failed := 0, 0
	for range 3000 {
		got, err := read(r, "/store/a/boot.json")
		switch {
		case err != nil:
			failed++
		case got != dir:
			t.Fatalf("read %q", got)
		default:
			read1++
		}
	}
	stop.Store(true)
	<-done
	if read1 == 0 || failed == 0 {
		t.Logf("%d reads, %d failures: the race was not met", read1, failed)
	}
}

// TestResolveLink finds what Resolve finds: a link to where none is on the way, and everything else.
func TestResolveLink(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, target string }{
		{"absolute", "/store/a"}, {"relative", "store/a"}, {"climbing", "../../store/a"}, {"through another", "second"},
		{"outside, climbing", "../outside/store/a"}, {"to nothing", "/store/b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, dir, _ := newRoot(t)
			again, err := Open(dir) // which remembers nothing
			must(t, err)
			defer again.Close()
			must(t, os.Symlink("/store/a", filepath.Join(dir, "second")))
			must(t, os.Symlink(c.target, filepath.Join(dir, "link")))
			for _, name := range []string{"/link", "/store/a", "/none"} {
				want, wantErr := r.Resolve(name)
				if got, err := again.ResolveLink(name); got != want || (err == nil) != (wantErr == nil) {
					t.Errorf("%s: %q, %v; want %q, %v", name, got, err, want, wantErr)
				}
			}
		})
	}
}

// TestReadPlainFile reads nothing behind a link, wherever on the way that is.
func TestReadPlainFile(t *testing.T) {
	t.Parallel()
	r, dir, outside := newRoot(t)
	must(t, os.Symlink("a", filepath.Join(dir, "store/b")))
	must(t, os.Symlink("boot.json", filepath.Join(dir, "store/a/link")))
	must(t, os.Symlink(outside+"/store/a/boot.json", filepath.Join(dir, "store/a/out")))
	if got, err := r.ReadPlainFile("/store/a/boot.json", 1<<10); err != nil || string(got) != dir {
		t.Errorf("%q, %v", got, err)
	}
	for _, name := range []string{"/store/b/boot.json", "/store/a/link", "/store/a/out"} {
		if got, err := r.ReadPlainFile(name, 1<<10); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("%s: %q, %v; want ELOOP", name, got, err)
		}
	}
	if got, err := r.ReadFile("/store/b/boot.json", 1<<10); err != nil || string(got) != dir {
		t.Errorf("with links: %q, %v", got, err)
	}
	if got, err := r.ReadFile("/store/a/boot.json", 2); err != nil || string(got) != dir[:3] {
		t.Errorf("at most two bytes and one more: %q, %v", got, err)
	}
}

// TestSize asks for the size and the time of what a name leads to, inside the root, and waits for no FIFO.
func TestSize(t *testing.T) {
	t.Parallel()
	r, dir, outside := newRoot(t)
	must(t, os.Symlink("/store/a/boot.json", filepath.Join(dir, "link")))
	must(t, os.Symlink(outside+"/store/a/boot.json", filepath.Join(dir, "out")))
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o666))
	for _, name := range []string{"/store/a/boot.json", "/link"} {
		if n, err := r.Size(name); err != nil || n != int64(len(dir)) {
			t.Errorf("%s: %d, %v; want %d", name, n, err, len(dir))
		}
	}
	for _, name := range []string{"/fifo", "/store"} {
		if n, err := r.Size(name); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if n, err := r.Size("/out"); err == nil {
		t.Errorf("outside: %d", n)
	}
	if at, err := r.ChangeTime("/link"); err != nil || time.Since(at) < 0 || time.Since(at) > time.Hour {
		t.Errorf("changed at %v, %v", at, err)
	}
	if at, err := r.ChangeTime("/none"); err == nil {
		t.Errorf("changed at %v", at)
	}
}
