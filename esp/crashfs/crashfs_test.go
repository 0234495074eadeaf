package crashfs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
)

// disk is a machine with one file system that holds these files.
func disk(g crashfs.Geometry, files map[string]string) (*crashfs.Machine, *crashfs.FS) {
	m := crashfs.NewMachine()
	f := m.Mount("/boot", g)
	f.Fill(files)
	return m, f
}

// show writes a tree on one line: "a=old b=new dir/".
func show(tree map[string]string) string {
	var parts []string
	for name, content := range tree {
		if !strings.HasSuffix(name, "/") {
			name += "=" + content
		}
		parts = append(parts, strings.ReplaceAll(name, "\x00", "0"))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// states are all states after a crash, each once.
func states(m *crashfs.Machine) []string {
	var list []string
	for s := range m.CrashStates(1<<20, rand.New(rand.NewPCG(1, 1))) {
		list = append(list, show(s.FS(0).Tree()))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, f *crashfs.FS, name, text string, sync bool) {
	t.Helper()
	w, err := f.Create(name)
	must(t, err)
	_, err = w.Write([]byte(text))
	must(t, err)
	if sync {
		must(t, w.Sync())
	}
	must(t, w.Close())
}

// TestCrashStates spells out what may be found for each kind of change.
func TestCrashStates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(t *testing.T, f *crashfs.FS)
		want []string
	}{
		{"nothing", func(*testing.T, *crashfs.FS) {}, []string{"a=old"}},
		{"written, not synced", func(t *testing.T, f *crashfs.FS) {
			write(t, f, "b", "abcdef", false)
			must(t, f.SyncDir("."))
		}, []string{"a=old b=", "a=old b=000000", "a=old b=ab", "a=old b=abcdef"}},
		{"written, directory not synced", func(t *testing.T, f *crashfs.FS) {
			write(t, f, "b", "abcdef", true)
		}, []string{"a=old", "a=old b=abcdef"}},
		{"all synced", func(t *testing.T, f *crashfs.FS) {
			write(t, f, "b", "abcdef", false)
			must(t, f.Sync())
		}, []string{"a=old b=abcdef"}},
		{"renamed", func(t *testing.T, f *crashfs.FS) {
			must(t, f.Rename("a", "b"))
		}, []string{"", "a=old", "a=old b=old", "b=old"}},
		{"renamed over", func(t *testing.T, f *crashfs.FS) {
			write(t, f, "b", "new", true)
			must(t, f.SyncDir("."))
			must(t, f.Rename("b", "A"))
		}, []string{"a=new", "a=new b=new", "a=old", "a=old b=new"}},
		{"removed", func(t *testing.T, f *crashfs.FS) {
			must(t, f.Remove("a"))
		}, []string{"", "a=old"}},
		{"directory lost with what is in it", func(t *testing.T, f *crashfs.FS) {
			must(t, f.Mkdir("d"))
			write(t, f, "d/b", "new", true)
			must(t, f.SyncDir("d"))
		}, []string{"a=old", "a=old d/ d/b=new"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f := disk(crashfs.Geometry{Cluster: 2}, map[string]string{"a": "old"})
			c.do(t, f)
			if d := cmp.Diff(c.want, states(m)); d != "" {
				t.Errorf("states differ (-want +got):\n%s", d)
			}
		})
	}
}

// TestSampling wants the telling states, and no more than asked for, where there are too many.
func TestSampling(t *testing.T) {
	t.Parallel()
	m, f := disk(crashfs.Geometry{}, nil)
	for i := range 20 {
		write(t, f, fmt.Sprintf("f%02d", i), "x", true)
	}
	sizes := make(map[int]bool)
	n := 0
	for s := range m.CrashStates(100, rand.New(rand.NewPCG(1, 1))) {
		n++
		sizes[len(s.FS(0).Tree())] = true
	}
	for _, want := range []int{0, 1, 19, 20} {
		if !sizes[want] {
			t.Errorf("no state has %d of the 20 files", want)
		}
	}
	if n != 100 {
		t.Errorf("%d states, want 100", n)
	}
}

// TestTwoDisks crashes both at once, each with a state of its own.
func TestTwoDisks(t *testing.T) {
	t.Parallel()
	m := crashfs.NewMachine()
	for _, dir := range []string{"/efi", "/boot"} {
		write(t, m.Mount(dir, crashfs.Geometry{}), "a", "x", true)
	}
	seen := make(map[string]bool)
	for s := range m.CrashStates(100, nil) {
		seen[show(s.FS(0).Tree())+"|"+show(s.FS(1).Tree())] = true
	}
	if len(seen) != 4 {
		t.Errorf("states are %v, want the product of two and two", seen)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		at      int
		halfway bool
		want    string
	}{
		{"before create", 0, false, ""},
		{"in create", 0, true, "a="},
		{"before write", 1, false, "a="},
		{"in write", 1, true, "a=ab"},
		{"before close", 2, false, "a=abcd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f := disk(crashfs.Geometry{}, nil)
			m.CutAt(c.at, c.halfway)
			w, err := f.Create("a")
			if err == nil {
				if _, err = w.Write([]byte("abcd")); err == nil {
					err = w.Close()
				}
			}
			if !errors.Is(err, crashfs.ErrPowerCut) {
				t.Errorf("got %v, want a power cut", err)
			}
			if _, err := f.Stat("a"); !errors.Is(err, crashfs.ErrPowerCut) {
				t.Errorf("after the cut: got %v, want a power cut", err)
			}
			if got := show(f.Tree()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	m, f := disk(crashfs.Geometry{}, map[string]string{"a": "old"})
	m.FailAt(1, syscall.EIO)
	must(t, f.Mkdir("x"))
	if err := f.Mkdir("y"); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want EIO", err)
	}
	must(t, f.Mkdir("z"))
	c := m.Clone()
	c.FailWritesFrom(1, syscall.EROFS)
	if _, err := c.FS(0).Stat("a"); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := c.FS(0).Remove("a"); !errors.Is(err, syscall.EROFS) {
			t.Errorf("got %v, want EROFS", err)
		}
		if _, err := c.FS(0).Stat("a"); err != nil {
			t.Errorf("a read-only file system can't be read: %v", err)
		}
	}
	want := []crashfs.Op{{Kind: crashfs.OpMkdir, Path: "/boot/x"}, {Kind: crashfs.OpMkdir, Path: "/boot/y"}, {Kind: crashfs.OpMkdir, Path: "/boot/z"}}
	if d := cmp.Diff(want, m.Log()); d != "" {
		t.Error(d)
	}
}

// TestSpace fills a file system to the last cluster.
func TestSpace(t *testing.T) {
	t.Parallel()
	_, f := disk(crashfs.Geometry{Cluster: 512, Capacity: 4, Hidden: 1}, nil)
	s, err := f.Space()
	must(t, err)
	if want := (esp.Space{Free: 3 * 512, Total: 4 * 512, Cluster: 512}); s != want {
		t.Errorf("got %+v, want %+v: the root directory takes a cluster", s, want)
	}
	w, err := f.Create("a")
	must(t, err)
	n, err := w.Write(make([]byte, 1500))
	if n != 1024 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d bytes, %v; two clusters are there", n, err)
	}
	if err := f.Mkdir("d"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	must(t, f.Remove("a"))
	must(t, f.Mkdir("d"))
	must(t, f.Remove("d"))
	for i := range 7 { // of 64 bytes each, beside 64 for "." and ".."
		write(t, f, fmt.Sprint(i), "", false)
	}
	must(t, f.Mkdir("d")) // takes the second, its name the third
	if err := f.Mkdir("e"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
}

// TestAsDir does the same to a directory of the host, through esp.Dir: both have to agree.
func TestAsDir(t *testing.T) {
	t.Parallel()
	dir, err := esp.OpenDir(t.TempDir())
	must(t, err)
	defer dir.Close()
	_, mem := disk(crashfs.Geometry{}, nil)
	for _, step := range []struct {
		name string
		do   func(f esp.FS) error
	}{
		{"mkdir", func(f esp.FS) error { return f.Mkdir("D") }},
		{"mkdir again, other case", func(f esp.FS) error { return f.Mkdir("d") }},
		{"mkdir in nothing", func(f esp.FS) error { return f.Mkdir("x/y") }},
		{"write", func(f esp.FS) error { return esp.WriteBytes(f, "d/One", []byte("1")) }},
		{"write again, other case", func(f esp.FS) error { return esp.WriteBytes(f, "D/oNE", []byte("22")) }},
		{"create over", func(f esp.FS) error { _, err := f.Create("D/one"); return err }},
		{"open directory", func(f esp.FS) error { _, err := f.Open("d"); return err }},
		{"open nothing", func(f esp.FS) error { _, err := f.Open("d/nothing"); return err }},
		{"list nothing", func(f esp.FS) error { _, err := f.ReadDir("nothing"); return err }},
		{"remove directory that is not empty", func(f esp.FS) error { return f.Remove("d") }},
		{"rename nothing", func(f esp.FS) error { return f.Rename("d/nothing", "d/b") }},
		{"rename", func(f esp.FS) error { return f.Rename("d/one", "d/Two") }},
		{"sync", func(f esp.FS) error { return errors.Join(f.SyncDir("d"), f.Sync()) }},
		{"sync nothing", func(f esp.FS) error { return f.SyncDir("nothing") }},
		{"remove nothing", func(f esp.FS) error { return f.Remove("d/one") }},
		{"make directories", func(f esp.FS) error { return esp.MkdirAll(f, "a/b/c") }},
		{"remove", func(f esp.FS) error { return f.Remove("a/b/C") }},
		{"lock", func(f esp.FS) error {
			unlock, err := f.Lock(context.Background())
			if err == nil {
				unlock()
			}
			return err
		}},
	} {
		want, got := step.do(dir), step.do(mem)
		for _, is := range []error{nil, fs.ErrExist, fs.ErrNotExist, esp.ErrNotRegular, syscall.ENOTEMPTY} {
			if errors.Is(want, is) != errors.Is(got, is) {
				t.Errorf("%s: got %v, a directory gives %v", step.name, got, want)
			}
		}
		if a, b := list(t, dir, "."), list(t, mem, "."); a != b {
			t.Errorf("%s: got %s, a directory holds %s", step.name, b, a)
		}
	}
}

// list reads a whole file system through its operations.
func list(t *testing.T, f esp.FS, dir string) string {
	t.Helper()
	entries, err := f.ReadDir(dir)
	must(t, err)
	out := ""
	for _, e := range entries {
		name := dir + "/" + e.Name()
		name = strings.TrimPrefix(name, "./")
		if e.IsDir() {
			out += name + "/ " + list(t, f, name)
			continue
		}
		b, err := esp.ReadFile(f, name, 100)
		must(t, err)
		out += fmt.Sprintf("%s=%s ", name, b)
	}
	return out
}
