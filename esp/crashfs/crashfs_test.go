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

func create(t *testing.T, f *crashfs.FS, name string) esp.Writer {
	t.Helper()
	w, err := f.Create(name)
	must(t, err)
	return w
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
	const freed, cut = "0damaged: clusters marked free", "MZ\ntit"
	for _, c := range []struct {
		name string
		do   func(t *testing.T, f *crashfs.FS)
		want []string
	}{
		{"nothing", func(*testing.T, *crashfs.FS) {}, []string{"a=old"}},
		{"written, not synced", func(t *testing.T, f *crashfs.FS) {
			write(t, f, "b", "abcdef", false)
		}, []string{"a=old", "a=old b="}},
		{"written, directory synced", func(t *testing.T, f *crashfs.FS) {
			write(t, f, "b", "abcdef", false)
			must(t, f.SyncDir("."))
		}, []string{"a=old b="}},
		{"written, synced", func(t *testing.T, f *crashfs.FS) {
			write(t, f, "b", "abcdef", true)
		}, []string{"a=old b=abcdef"}},
		{"a long name, synced", func(t *testing.T, f *crashfs.FS) {
			write(t, f, "xen-generation-1.conf", "abcdef", true)
		}, []string{"XEN-GE~1.CON=abcdef a=old", "a=old xen-generation-1.conf=abcdef"}},
		{"file system synced", func(t *testing.T, f *crashfs.FS) { // nothing flushed the disk's cache
			write(t, f, "b", "abcdef", false)
			must(t, f.Sync())
		}, []string{"a=old", "a=old b=", "a=old b=" + freed, "a=old b=" + cut, "a=old b=abcdef"}},
		{"all flushed", func(t *testing.T, f *crashfs.FS) {
			write(t, f, "b", "abcdef", false)
			must(t, f.Flush())
		}, []string{"a=old b=abcdef"}},
		{"clusters before content", func(t *testing.T, f *crashfs.FS) {
			w := create(t, f, "b")
			must(t, f.SyncDir("."))
			must(t, w.Allocate(6))
			must(t, f.FlushTables())
			must(t, f.Flush())
			_, err := w.Write([]byte("abcdef"))
			must(t, err)
		}, []string{"a=old b="}},
		{"length before content", func(t *testing.T, f *crashfs.FS) {
			w := create(t, f, "b")
			_, err := w.Write([]byte("abcdef"))
			must(t, err)
			must(t, f.FlushTables())
			must(t, f.Sync())
		}, []string{"a=old b=", "a=old b=" + cut, "a=old b=abcdef"}},
		{"content before its length", func(t *testing.T, f *crashfs.FS) {
			w := create(t, f, "b")
			must(t, f.SyncDir("."))
			_, err := w.Write([]byte("abcdef"))
			must(t, err)
			must(t, w.Send())
			must(t, f.FlushTables())
			must(t, f.Sync())
		}, []string{"a=old b=", "a=old b=abcdef"}},
		{"overwritten in one sector", func(t *testing.T, f *crashfs.FS) {
			w, err := f.Update("a")
			must(t, err)
			_, err = w.WriteAt([]byte("n"), 0)
			must(t, err)
		}, []string{"a=nld", "a=old"}},
		{"removed", func(t *testing.T, f *crashfs.FS) {
			must(t, f.Remove("a"))
		}, []string{"", "a=" + freed, "a=old"}},
		{"dropped and held", func(t *testing.T, f *crashfs.FS) {
			_, err := f.Drop("a")
			must(t, err)
		}, []string{"", "a=old"}},
		{"dropped, flushed, released", func(t *testing.T, f *crashfs.FS) {
			held, err := f.Drop("a")
			must(t, err)
			must(t, f.Flush())
			must(t, held.Close())
		}, []string{""}},
		{"directory synced, but not the one above", func(t *testing.T, f *crashfs.FS) {
			must(t, f.Mkdir("d"))
			write(t, f, "d/b", "new", true)
			must(t, f.SyncDir("d"))
		}, []string{"a=old d/", "a=old d/ d/b=new"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f := disk(crashfs.Geometry{Cluster: 512}, map[string]string{"a": "old"})
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
		write(t, f, fmt.Sprintf("f%02d", i), "", false)
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
		write(t, m.Mount(dir, crashfs.Geometry{}), "a", "", false)
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
		{"in write", 1, true, "a="},
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
	if err := f.Mkdir("d"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC while the file is open", err)
	}
	must(t, w.Close())
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

// TestRename is what was measured of fs/fat for one staged file that is renamed and then synced in one way or another: what a
// cut may leave under the name then.
func TestRename(t *testing.T) {
	t.Parallel()
	const fresh, stands = "new name.conf", "name that stands.conf"
	type syncs func(f *crashfs.FS, w esp.Writer) error
	dir := func(f *crashfs.FS, _ esp.Writer) error { return f.SyncDir(".") }
	file := func(_ *crashfs.FS, w esp.Writer) error { return w.Sync() }
	all := func(f *crashfs.FS, _ esp.Writer) error { return f.Sync() }
	for _, c := range []struct {
		name, to string
		held     bool
		syncs    []syncs
		want     string // "empty", "freed", "old", "new", "missing"
	}{
		{"directory", fresh, false, []syncs{dir}, "empty"},
		{"directory", stands, false, []syncs{dir}, "freed"},
		{"file", fresh, false, []syncs{file}, "missing new"},
		{"file system", fresh, false, []syncs{all}, "empty missing new"},
		{"file system, directory", fresh, false, []syncs{all, dir}, "new"},
		{"file system, directory", stands, false, []syncs{all, dir}, "new"},
		{"file system", stands, false, []syncs{all}, "freed new old"},
		{"file system, held", stands, true, []syncs{all}, "new old"},
		{"file, directory, held", stands, true, []syncs{file, dir}, "new"},
		{"nothing, held", stands, true, nil, "old"},
	} {
		t.Run(c.name+" over "+c.to, func(t *testing.T) {
			t.Parallel()
			m, f := disk(crashfs.Geometry{}, map[string]string{stands: "old"})
			w := create(t, f, "staged.tmp")
			_, err := w.Write([]byte("new"))
			must(t, err)
			must(t, w.Sync())
			must(t, f.Flush())
			if c.held {
				_, err := f.Open(stands)
				must(t, err)
			}
			must(t, f.Rename("staged.tmp", c.to))
			for _, s := range c.syncs {
				must(t, s(f, w))
			}
			var found []string
			for s := range m.CrashStates(1<<20, nil) {
				text, ok := s.FS(0).Tree()[c.to]
				switch {
				case !ok:
					text = "missing"
				case text == "":
					text = "empty"
				case strings.HasPrefix(text, crashfs.Damaged):
					text = "freed"
				}
				found = append(found, text)
			}
			slices.Sort(found)
			if got := strings.Join(slices.Compact(found), " "); got != c.want {
				t.Errorf("a cut may leave %s, want %s", got, c.want)
			}
		})
	}
}

// TestSharedChain is half a rename over a file: two names, one chain.
func TestSharedChain(t *testing.T) {
	t.Parallel()
	m, f := disk(crashfs.Geometry{}, map[string]string{"a.tmp": "new", "b": "old"})
	must(t, f.Rename("a.tmp", "b"))
	must(t, f.Sync())
	for s := range m.CrashStates(1<<20, nil) {
		g := s.FS(0)
		if show(g.Tree()) != "a.tmp=new b=new" {
			continue
		}
		shared, err := esp.ShareClusters(g, "a.tmp", "b")
		if err != nil || !shared {
			t.Errorf("sharing is not told: %v, %v", shared, err)
		}
		must(t, g.Remove("a.tmp"))
		if got := g.Tree()["b"]; !strings.HasPrefix(got, crashfs.Damaged) {
			t.Errorf("after the other name was removed: %q", got)
		}
		must(t, g.Remove("b")) // Linux says nothing
		if _, err := g.Space(); !errors.Is(err, syscall.EROFS) {
			t.Errorf("the file system did not turn read-only: %v", err)
		}
		return
	}
	t.Error("no state has two names for one chain")
}

// TestHarmedDirectory: the name came to the disk, the first cluster did not. To look at its name harms nothing.
func TestHarmedDirectory(t *testing.T) {
	t.Parallel()
	m, f := disk(crashfs.Geometry{}, nil)
	must(t, f.Mkdir("D"))
	must(t, f.SyncDir("D")) // brings its own start, not its first cluster
	harmed := 0
	for s := range m.CrashStates(1<<20, nil) {
		g := s.FS(0)
		if g.Tree()["D/"] != crashfs.Damaged {
			continue
		}
		harmed++
		_, err := g.ReadDir(".")
		must(t, err)
		if g.ReadOnly() {
			t.Error("listing the directory above turned it read-only")
		}
		if _, err := g.Stat("D"); !errors.Is(err, syscall.EIO) || !g.ReadOnly() {
			t.Errorf("looking it up: %v, read-only %v", err, g.ReadOnly())
		}
	}
	if harmed == 0 {
		t.Error("no state has a harmed directory")
	}
}

// TestOverlong: a file with more clusters than its length says can't grow.
func TestOverlong(t *testing.T) {
	t.Parallel()
	m, f := disk(crashfs.Geometry{}, nil)
	w := create(t, f, "a")
	must(t, w.Allocate(2000))
	must(t, f.Flush())
	for s := range m.CrashStates(1, nil) {
		g := s.FS(0)
		u, err := g.Update("a")
		must(t, err)
		if _, err := u.Write([]byte("x")); !errors.Is(err, syscall.EIO) || !g.ReadOnly() {
			t.Errorf("growing it: %v, read-only %v", err, g.ReadOnly())
		}
	}
}

// TestMovedDirectory is how a directory comes to the disk without a moment in which it holds garbage: it is made in another one,
// and moved out.
func TestMovedDirectory(t *testing.T) {
	t.Parallel()
	m, f := disk(crashfs.Geometry{}, map[string]string{"EFI/": ""})
	must(t, f.Mkdir("EFI/T"))
	must(t, f.Mkdir("EFI/T/X"))
	must(t, f.SyncDir("EFI/T/X"))
	must(t, f.Rename("EFI/T/X", "EFI/xen"))
	held, err := f.Drop("EFI/T")
	must(t, err)
	must(t, held.Sync())
	must(t, f.SyncDir("EFI/xen"))
	for s := range m.CrashStates(1<<20, nil) {
		if text, ok := s.FS(0).Tree()["EFI/xen/"]; !ok || text != "" {
			t.Errorf("it is there: %v; %q", ok, text)
		}
	}
	must(t, f.SyncDir("EFI"))
	must(t, held.Close())
	for s := range m.CrashStates(1<<20, nil) {
		if got := show(s.FS(0).Tree()); got != "EFI/ EFI/xen/" {
			t.Errorf("got %s", got)
		}
	}
}
