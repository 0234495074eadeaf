package esp

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReadFileAsRoot reads what [os.Root] reads, and nothing else: no link leads out of the directory, whatever its form.
func TestReadFileAsRoot(t *testing.T) {
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
	} {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	d, err := OpenDir(dir)
	must(t, err)
	defer d.Close()
	if _, err := d.readFile("a/b/file", 10); errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		t.Skip(err)
	}
	for _, name := range []string{
		"a/b/file", "a/empty", "A/B/FILE", "relative", "absolute", "out", "absolute-out", "directory/file", "through", "up", "loop",
		"magic/etc/passwd", "../file", "a/../../file", "/a/b/file", "a/b", "a/b/", "none", "a/b/file/x", ".", "",
		strings.Repeat("x", 300),
	} {
		var want []byte
		f, wantErr := d.Open(name)
		if wantErr == nil {
			want = make([]byte, 20)
			n, _ := f.Read(want)
			want = want[:n]
			f.Close()
		}
		got, err := ReadFile(d, name, 20)
		if (err == nil) != (wantErr == nil) || string(got) != string(want) {
			t.Errorf("%s: %q, %v; os.Root gives %q, %v", name, got, err, want, wantErr)
		}
	}
}
