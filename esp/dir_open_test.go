package esp

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpensAsRoot opens, reads and makes what [os.Root] does, and nothing else: no link leads out of the directory, whatever
// its form.
func TestOpensAsRoot(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "esp")
	must(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("inside"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "a/empty"), nil, 0o644))
	must(t, os.WriteFile(filepath.Join(top, "file"), []byte("outside"), 0o644))
	for name, target := range map[string]string{
		"relative": "a/b/file", "absolute": filepath.Join(dir, "a/b/file"), "out": "../file", "absolute-out": filepath.Join(top, "file"),
		"directory": "a/b", "through": "a/../a/b/file", "up": "a/../../esp/a/b/file", "loop": "loop", "magic": "/proc/self/root",
		"dangling": "a/none", "dangling-out": "../none",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	d, err := OpenDir(dir)
	must(t, err)
	defer d.Close()
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	if _, err := d.openBelow("a/b/file", os.O_RDONLY, 0); noOpenat2(err) {
		t.Skip(err)
	}
	for _, name := range []string{
		"a/b/file", "a/empty", "A/B/FILE", "relative", "absolute", "out", "absolute-out", "directory/file", "through", "up", "loop",
		"dangling", "dangling-out", "magic/etc/passwd", "../file", "a/../../file", "/a/b/file", "a/b", "a/b/", "a/b/new", "a/b/new/",
		"directory/new", "none", "none/new", "../new", "magic/tmp/new", "a/b/file/x", ".", "", strings.Repeat("x", 300),
	} {
		for op, flag := range map[string]int{
			"read": os.O_RDONLY, "update": os.O_RDWR, "create": os.O_RDWR | os.O_CREATE | os.O_EXCL,
		} {
			var mode fs.FileMode
			if op == "create" {
				mode = 0o644
			}
			want, wantErr := opened(root.OpenFile(name, flag, mode))
			if op == "create" && wantErr == nil {
				must(t, root.Remove(name))
			}
			got, err := opened(d.openFile(name, flag, mode))
			if op == "create" && err == nil {
				must(t, root.Remove(name))
			}
			if (err == nil) != (wantErr == nil) || got != want {
				t.Errorf("%s %s: %q, %v; os.Root gives %q, %v", op, name, got, err, want, wantErr)
			}
		}
		want, wantErr := opened(d.Open(name))
		got, err := ReadFile(d, name, 20)
		if (err == nil) != (wantErr == nil) || string(got) != want {
			t.Errorf("read all of %s: %q, %v; opening gives %q, %v", name, got, err, want, wantErr)
		}
	}
}

// opened is what was opened: a file's content, or what else it is.
func opened[F File](f F, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return fmt.Sprint(info.Mode()), err
	}
	b := make([]byte, 20)
	n, _ := f.Read(b)
	return string(b[:n]), nil
}
