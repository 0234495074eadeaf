package fatimage_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

func TestMain(m *testing.M) {
	fixtures.UseMemory()
	os.Exit(m.Run())
}

// tool runs a program that the test can't do without.
func tool(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=1", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// sparse makes a file of holes.
func sparse(t *testing.T, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
	return name
}

// mkfs makes an image of a FAT file system.
func mkfs(t *testing.T, size int64, options ...string) string {
	t.Helper()
	name := sparse(t, size)
	tool(t, "", "mkfs.vfat", append([]string{"-i", "12345678"}, append(options, name)...)...)
	return name
}

func open(t *testing.T, name string) *fatimage.Image {
	t.Helper()
	im, err := fatimage.Open(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fsck wants a file system that fsck.vfat finds nothing in.
func fsck(t *testing.T, image string) {
	t.Helper()
	if out := tool(t, "", "fsck.vfat", "-n", image); strings.Count(out, "\n") != 2 {
		t.Errorf("fsck.vfat has something to say:\n%s", out)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	check(t, err)
	return b
}

// unpack is what mtools finds in a file system: content by name, directories with a slash.
func unpack(t *testing.T, image string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if tool(t, "", "mdir", "-i", image, "-b", "::/") != "" {
		tool(t, "", "mcopy", "-i", image, "-s", "-n", "-Q", "::/*", dir)
	}
	tree := make(map[string]string)
	check(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		if d.IsDir() {
			tree[rel+"/"] = ""
			return nil
		}
		b, err := os.ReadFile(name)
		tree[rel] = string(b)
		return err
	}))
	return tree
}

// tree is what the file system says of itself, in the same form.
func tree(t *testing.T, fsys esp.FS) map[string]string {
	t.Helper()
	found := make(map[string]string)
	var walk func(dir string)
	walk = func(dir string) {
		list, err := fsys.ReadDir(dir)
		check(t, err)
		for _, e := range list {
			name := path.Join(dir, e.Name())
			if e.IsDir() {
				found[name+"/"] = ""
				walk(name)
				continue
			}
			b, err := esp.ReadFile(fsys, name, 1<<30)
			check(t, err)
			info, err := e.Info()
			check(t, err)
			if info.Size() != int64(len(b)) {
				t.Errorf("%s: size %d, read %d", name, info.Size(), len(b))
			}
			found[name] = string(b)
		}
	}
	walk(".")
	return found
}

func write(t *testing.T, fsys esp.FS, name, content string) {
	t.Helper()
	check(t, esp.MkdirAll(fsys, path.Dir(name)))
	check(t, esp.WriteBytes(fsys, name, []byte(content)))
}

// noise is content that no two files share and that has every byte.
func noise(n int, seed byte) string {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d\x00%c\xff%d", i, seed, i*i)
	}
	return b.String()[:n]
}

// siblings are the names beside an image, where nothing may be left.
func siblings(t *testing.T, image string) []string {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(image))
	check(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}
