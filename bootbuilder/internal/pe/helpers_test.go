package pe_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

// memFile is a file in memory.
type memFile struct{ b []byte }

func (f *memFile) Write(p []byte) (int, error) {
	f.b = append(f.b, p...)
	return len(p), nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if grow := int(off) + len(p) - len(f.b); grow > 0 {
		f.b = append(f.b, make([]byte, grow)...)
	}
	return copy(f.b[off:], p), nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(f.b).ReadAt(p, off)
}

// corpus is images of every shape: synthetic ones, systemd-boot where it is installed,
// and all that lie in the directory that XBB_ASSETS names (a real xen.efi).
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	images := map[string][]byte{
		"xen-like":      recipe{}.build(t),
		"room for four": recipe{room: 160}.build(t),
		"debug":         recipe{debug: true}.build(t),
		"symbols":       recipe{symbols: true, debug: true}.build(t),
		"long name":     recipe{symbols: true, debug: true, longName: true}.build(t),
		"odd tail":      recipe{symbols: true, tail: "odd"}.build(t),
		"aarch64":       recipe{machine: 0xaa64, sectionAlignment: 0x1000}.build(t),
		"aligned 512":   recipe{fileAlignment: 0x200, sectionAlignment: 0x1000}.build(t),
	}
	for name, path := range realImages(t) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if u32(b, 60) != 0x80 {
			t.Logf("left out %s: its PE header isn't where these tests look for it", path)
			continue
		}
		images[name] = b
	}
	return images
}

func realImages(t testing.TB) map[string]string {
	t.Helper()
	paths := map[string]string{}
	found, err := filepath.Glob("/usr/lib/systemd/boot/efi/systemd-boot*.efi")
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("XBB_ASSETS"); dir != "" {
		assets, err := filepath.Glob(filepath.Join(dir, "*.efi"))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, assets...)
	}
	for _, path := range found {
		paths[filepath.Base(path)] = path
	}
	return paths
}

func parse(t testing.TB, b []byte) *pe.Image {
	t.Helper()
	im, err := pe.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func section(name, content string) pe.NewSection {
	return pe.NewSection{Name: name, Data: strings.NewReader(content), Size: int64(len(content))}
}

func assemble(t testing.TB, base []byte, add ...pe.NewSection) (*pe.Assembly, []byte) {
	t.Helper()
	a, err := parse(t, base).Append(add...)
	if err != nil {
		t.Fatal(err)
	}
	var f memFile
	if err := a.WriteTo(&f); err != nil {
		t.Fatal(err)
	}
	if int64(len(f.b)) != a.Size() {
		t.Fatalf("wrote %d bytes, Size said %d", len(f.b), a.Size())
	}
	return a, f.b
}

func content(t testing.TB, im *pe.Image, s pe.Section) []byte {
	t.Helper()
	b, err := io.ReadAll(im.Open(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tool runs a program of the system, and skips the test where it isn't installed.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skipf("%s is not installed", name)
	}
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
