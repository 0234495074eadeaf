package esp

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faulty is a file system on which chosen operations fail, and that counts what is synced.
type faulty struct {
	FS
	fail   map[string]error
	synced []string
}

type faultyWriter struct {
	Writer
	fsys *faulty
}

func (f *faulty) Create(name string) (Writer, error) {
	w, err := f.FS.Create(name)
	if err != nil {
		return nil, err
	}
	return faultyWriter{w, f}, nil
}

func (f *faulty) Rename(from, to string) error {
	if err := f.fail["rename"]; err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f *faulty) Remove(name string) error {
	if err := f.fail["remove"]; err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f *faulty) SyncDir(name string) error {
	f.synced = append(f.synced, name)
	return f.fail["syncdir"]
}

func (w faultyWriter) Sync() error {
	w.fsys.synced = append(w.fsys.synced, "file")
	return w.fsys.fail["sync"]
}

func (w faultyWriter) Close() error { return errors.Join(w.Writer.Close(), w.fsys.fail["close"]) }

var errTest = errors.New("a fault")

// TestWriteFileFails: whatever fails, the old file stands and nothing is left beside it.
func TestWriteFileFails(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"fill", "sync", "close", "rename"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			d, directory := newDir(t, map[string]string{"loader/loader.conf": "old"})
			f := &faulty{FS: d, fail: map[string]error{op: errTest}}
			err := WriteFile(f, "loader/loader.conf", func(w Writer) error {
				_, err := w.Write([]byte("new"))
				return errors.Join(err, f.fail["fill"])
			})
			if !errors.Is(err, errTest) {
				t.Errorf("error %v, want %v", err, errTest)
			}
			want := map[string]string{"loader": "/", "loader/loader.conf": "old"}
			if diff := cmp.Diff(want, tree(t, directory)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWriteBytes(t *testing.T) {
	t.Parallel()
	d, directory := newDir(t, map[string]string{"loader/loader.conf": "old", "loader/.xen-boot-builder-0.tmp": "of a dead run"})
	f := &faulty{FS: d}
	must(t, WriteBytes(f, "loader/loader.conf", []byte("new")))
	must(t, WriteBytes(f, "top", nil))
	want := map[string]string{"loader": "/", "loader/loader.conf": "new", "top": ""}
	if diff := cmp.Diff(want, tree(t, directory)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"file", "file"}, f.synced); diff != "" {
		t.Errorf("synced:\n%s", diff)
	}
}

// TestWriteOverDirectory: a directory is not replaced, and its content stays.
func TestWriteOverDirectory(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"loader.conf/x", "loader.conf/y/z"} {
		d, directory := newDir(t, map[string]string{content: "x"})
		before := tree(t, directory)
		if err := WriteBytes(d, "loader.conf", []byte("new")); err == nil {
			t.Error("no error")
		}
		if diff := cmp.Diff(before, tree(t, directory)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestStage(t *testing.T) {
	t.Parallel()
	d, directory := newDir(t, map[string]string{"EFI/xen/x": ""})
	name, err := Stage(d, "EFI/xen", 12, func(w Writer) error {
		if _, err := w.Write([]byte("abc")); err != nil {
			return err
		}
		if _, err := w.WriteAt([]byte("B"), 1); err != nil {
			return err
		}
		b := make([]byte, 3)
		if _, err := w.ReadAt(b, 0); err != nil || string(b) != "aBc" {
			t.Errorf("read back %q: %v", b, err)
		}
		return nil
	})
	must(t, err)
	if !IsStaged(name) || filepath.Dir(name) != "EFI/xen" || strings.HasSuffix(name, ".efi") || strings.HasSuffix(name, ".conf") {
		t.Errorf("staged as %s", name)
	}
	if got := tree(t, directory)[name]; got != "aBc" {
		t.Errorf("it holds %q", got)
	}
	again, err := Stage(d, "EFI/xen", 13, func(Writer) error { return nil })
	if err != nil || again == name {
		t.Errorf("another one is %s: %v", again, err)
	}
	if _, err := Stage(d, "missing", 0, func(Writer) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing directory: %v", err)
	}
}

// TestStageOverWhatStays: what an earlier run left and can't be removed is an error, not written to.
func TestStageOverWhatStays(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t, map[string]string{".xen-boot-builder-0.tmp": "old"})
	f := &faulty{FS: d, fail: map[string]error{"remove": errTest}}
	if _, err := Stage(f, ".", 0, func(Writer) error { return nil }); !errors.Is(err, errTest) || !strings.Contains(err.Error(), "earlier run") {
		t.Errorf("error %v", err)
	}
}

func TestIsStaged(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		".xen-boot-builder-0.tmp":         true,
		"EFI/xen/.xen-boot-builder-9.tmp": true,
		".xen-boot-builder-0.tmp/x":       false,
		"xen-boot-builder-0.tmp":          false,
		".xen-boot-builder-0.tmp.bak":     false,
		"loader.tmp":                      false,
		"":                                false,
	} {
		if got := IsStaged(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestMkdirAll(t *testing.T) {
	t.Parallel()
	d, directory := newDir(t, map[string]string{"EFI/file": "x"})
	f := &faulty{FS: d}
	must(t, MkdirAll(f, "EFI/a/b"))
	must(t, MkdirAll(f, "EFI/a/b")) // nothing to do
	must(t, MkdirAll(f, "."))
	if diff := cmp.Diff([]string{"EFI", "EFI/a"}, f.synced); diff != "" {
		t.Errorf("synced:\n%s", diff)
	}
	if err := MkdirAll(f, "EFI/file"); err == nil || !strings.Contains(err.Error(), "a file is in the way") {
		t.Errorf("over a file: %v", err)
	}
	want := map[string]string{"EFI": "/", "EFI/file": "x", "EFI/a": "/", "EFI/a/b": "/"}
	if diff := cmp.Diff(want, tree(t, directory)); diff != "" {
		t.Error(diff)
	}
	f.fail = map[string]error{"syncdir": errTest}
	if err := MkdirAll(f, "new"); !errors.Is(err, errTest) {
		t.Errorf("a directory that can't be synced: %v", err)
	}
	if err := MkdirAll(d, "new/../../"+filepath.Base(os.TempDir())); err == nil {
		t.Error("made a directory outside")
	}
}

func TestSpaceRounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cluster, size, want int64 }{
		{4096, 0, 0}, {4096, 1, 4096}, {4096, 4096, 4096}, {4096, 4097, 8192}, {0, 5, 5}, {-1, 5, 5}, {1, 7, 7},
	} {
		if got := (Space{Cluster: c.cluster}).Rounded(c.size); got != c.want {
			t.Errorf("%d in clusters of %d: %d, want %d", c.size, c.cluster, got, c.want)
		}
	}
}
