package esp

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func openDir(t *testing.T) *Dir {
	t.Helper()
	d, err := OpenDir(t.TempDir())
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

// TestUpdate changes a file in place: it stays the same one.
func TestUpdate(t *testing.T) {
	t.Parallel()
	d := openDir(t)
	must(t, WriteBytes(d, "a", []byte("old content")))
	before, err := d.Stat("a")
	must(t, err)
	w, err := d.Update("A") // as FAT would find it
	must(t, err)
	_, err = w.WriteAt([]byte("new"), 0)
	must(t, errors.Join(err, w.Send(), w.Sync(), w.Close()))
	after, err := d.Stat("a")
	must(t, err)
	text, err := ReadFile(d, "a", 100)
	must(t, err)
	if string(text) != "new content" || !os.SameFile(before, after) {
		t.Errorf("got %q, the same file: %v", text, os.SameFile(before, after))
	}
	if _, err := d.Update("b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	must(t, d.Mkdir("d"))
	if _, err := d.Update("d"); err == nil {
		t.Error("a directory can be updated")
	}
}

// TestAllocate: the file has its clusters, and is as long as it was.
func TestAllocate(t *testing.T) {
	t.Parallel()
	d := openDir(t)
	w, err := d.Create("a")
	must(t, err)
	defer w.Close()
	must(t, errors.Join(w.Allocate(0), w.Allocate(1<<20)))
	info, err := d.Stat("a")
	must(t, err)
	if info.Size() != 0 {
		t.Errorf("it is %d bytes long", info.Size())
	}
	_, err = w.Write(bytes.Repeat([]byte("x"), 5000))
	must(t, errors.Join(err, w.Truncate(5000), w.Sync()))
	if info, err = d.Stat("a"); err != nil || info.Size() != 5000 {
		t.Errorf("after 5000 bytes it is %d long (%v)", info.Size(), err)
	}
}

// TestDrop: the name is gone, the file is there for as long as it is held.
func TestDrop(t *testing.T) {
	t.Parallel()
	d := openDir(t)
	must(t, WriteBytes(d, "a", []byte("content")))
	held, err := d.Drop("a")
	must(t, err)
	if _, err := d.Stat("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the name: %v", err)
	}
	if b := make([]byte, 7); true {
		_, err := held.(*os.File).ReadAt(b, 0)
		if err != nil || string(b) != "content" {
			t.Errorf("held, it is %q (%v)", b, err)
		}
	}
	must(t, held.Close())
	must(t, d.Mkdir("d"))
	held, err = d.Drop("d")
	must(t, err)
	must(t, held.Close())
	if _, err := d.Drop("d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	must(t, d.Mkdir("full"))
	must(t, WriteBytes(d, "full/a", nil))
	if _, err := d.Drop("full"); err == nil {
		t.Error("a directory with something in it is gone")
	}
	must(t, errors.Join(d.Flush(), d.FlushTables()))
}

// TestShareClusters compares content where nothing says where a file starts, as for a link to one file and for a copy.
func TestShareClusters(t *testing.T) {
	t.Parallel()
	d := openDir(t)
	must(t, WriteBytes(d, "a", []byte("content")))
	must(t, WriteBytes(d, "b", []byte("another")))
	must(t, WriteBytes(d, "empty", nil))
	must(t, os.Link(d.Path("a"), d.Path("link")))
	must(t, d.Flush())
	for _, c := range []struct {
		other string
		want  bool
	}{{"link", true}, {"b", false}, {"empty", false}} {
		if got, err := ShareClusters(d, "a", c.other); err != nil || got != c.want {
			t.Errorf("a and %s: %v (%v)", c.other, got, err)
		}
	}
	if got, err := ShareClusters(d, "empty", "empty"); err != nil || got {
		t.Errorf("a file without content: %v (%v)", got, err)
	}
	if _, err := ShareClusters(d, "a", "missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestReadDirLooksNothingUp lists a directory with strace looking on: to look up one harmed name is enough to
// turn a vfat read-only.
func TestReadDirLooksNothingUp(t *testing.T) {
	if dir := os.Getenv(mountedDir); dir != "" {
		d, err := OpenDir(dir)
		must(t, err)
		list, err := d.ReadDir(".")
		must(t, err)
		if len(list) != 2 || list[0].Name() != "directory" || !list[0].IsDir() || list[1].Name() != "harmed" || list[1].IsDir() {
			t.Errorf("got %v", list)
		}
		return
	}
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "directory"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "harmed"), nil, 0o644))
	out := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-qq", "-o", out, "-e", "trace=file", os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), mountedDir+"="+dir)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("strace: %v\n%s", err, text)
	}
	trace, err := os.ReadFile(out)
	must(t, err)
	if !strings.Contains(string(trace), dir) {
		t.Fatal("the trace does not have the directory")
	}
	for line := range strings.Lines(string(trace)) {
		if strings.Contains(line, `harmed"`) {
			t.Errorf("it was looked up: %s", line)
		}
	}
}

// TestLetterCaseAfterChange: names are found in any letter case, those too that came or went since the directory was listed.
func TestLetterCaseAfterChange(t *testing.T) {
	t.Parallel()
	d := openDir(t)
	must(t, d.Mkdir("sub"))
	must(t, WriteBytes(d, "sub/One", nil))
	wantFound := func(name string, want bool) {
		t.Helper()
		if _, err := d.Stat(name); (err == nil) != want || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
	wantFound("sub/ONE", true)
	wantFound("sub/TWO", false)
	must(t, WriteBytes(d, "sub/Two", nil))
	wantFound("sub/TWO", true)
	if _, err := d.Create("sub/tWO"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made beside one that differs in letter case: %v", err)
	}
	must(t, d.Remove("SUB/two"))
	wantFound("sub/TWO", false)
	must(t, WriteBytes(d, "sub/two", nil))
	wantFound("sub/TWO", true)
	must(t, d.Rename("sub/two", "sub/Three"))
	wantFound("sub/TWO", false)
	wantFound("sub/THREE", true)
	// Somebody else is not expected to; what he takes away is gone all the same.
	must(t, os.Remove(d.Path("sub/Three")))
	wantFound("sub/THREE", false)
	must(t, WriteBytes(d, "sub/three", nil))
	if _, err := os.Stat(d.Path("sub/three")); err != nil {
		t.Errorf("it was made under a name that was there once: %v", err)
	}
}

// TestDirectoryAfterChange: a directory that was asked for in vain is found once it is there, on a FAT too.
func TestDirectoryAfterChange(t *testing.T) {
	t.Parallel()
	for _, fat := range []bool{false, true} {
		d := openDir(t)
		d.fat = fat
		wantFile := func(name string, want bool) {
			t.Helper()
			if _, err := d.Stat(name); (err == nil) != want || err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("FAT %v, %s: %v, want it there: %v", fat, name, err, want)
			}
		}
		wantFile("made/file", false)
		wantFile("made/file", false)
		must(t, d.Mkdir("made"))
		wantFile("made/file", false)
		must(t, WriteBytes(d, "made/file", nil))
		wantFile("made/file", true)

		wantFile("moved/file", false)
		must(t, d.Rename("made", "moved"))
		wantFile("moved/file", true)
		wantFile("made/file", false)

		must(t, d.Remove("moved/file"))
		must(t, d.Remove("moved"))
		wantFile("moved/file", false)
		must(t, MkdirAll(d, "moved"))
		must(t, WriteBytes(d, "moved/file", nil))
		wantFile("moved/file", true)
	}
}
