package bootspec_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

func TestRead(t *testing.T) {
	t.Parallel()
	root := fixtures.NewRoot(t.TempDir())
	top, err := root.Add(fixtures.Generation{Number: 5, System: fixtures.System{Xen: &fixtures.Xen{Version: "4.20.2"}}})
	if err != nil {
		t.Fatal(err)
	}
	// A profile's links are absolute, and resolve inside the root.
	for _, name := range []string{top.Path, top.Link, "/nix/var/nix/profiles/system", "nix/var/nix/profiles/system/", "/../.." + top.Link} {
		doc, err := bootspec.Read(root.Dir(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if doc.Toplevel != top.Path || doc.Xen.Version != "4.20.2" {
			t.Errorf("%s: toplevel %s, Xen %s", name, doc.Toplevel, doc.Xen.Version)
		}
	}
}

func TestReadFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name, "boot.json")
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("garbage", "{")
	write("large", strings.Repeat(" ", bootspec.MaxSize+1))
	outside := t.TempDir()
	for _, err := range []error{
		os.WriteFile(filepath.Join(outside, "boot.json"), []byte("{"), 0o644),
		os.Mkdir(filepath.Join(dir, "out"), 0o755), os.Symlink(filepath.Join(outside, "boot.json"), filepath.Join(dir, "out/boot.json")),
		os.MkdirAll(filepath.Join(dir, "directory/boot.json"), 0o755),
		os.Mkdir(filepath.Join(dir, "fifo"), 0o755), unix.Mkfifo(filepath.Join(dir, "fifo/boot.json"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var fault *bootspec.Error
	for name, is := range map[string]func(error) bool{
		"missing":   func(err error) bool { return errors.Is(err, fs.ErrNotExist) },
		"out":       func(err error) bool { return errors.Is(err, fs.ErrNotExist) }, // it leads nowhere inside the root
		"garbage":   func(err error) bool { return errors.As(err, &fault) },
		"large":     func(err error) bool { return errors.Is(err, bootspec.ErrTooLarge) },
		"directory": func(err error) bool { return err != nil },
		"fifo":      func(err error) bool { return strings.Contains(err.Error(), "not a regular file") },
	} {
		if _, err := bootspec.Read(dir, name); err == nil || !is(err) || !strings.Contains(err.Error(), filepath.Join(dir, name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := bootspec.Read(filepath.Join(dir, "no root"), "/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no root: %v", err)
	}
}

// The system that a machine on a disk under /mnt starts.
func ExampleRead() {
	dir, err := os.MkdirTemp("", "example-of-bootspec-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	root := fixtures.NewRoot(dir) // "/mnt"
	if _, err := root.Add(fixtures.Generation{Number: 5, System: fixtures.System{Xen: &fixtures.Xen{Version: "4.20.2"}}}); err != nil {
		fmt.Println(err)
		return
	}

	doc, err := bootspec.Read(root.Dir(), "/nix/var/nix/profiles/system")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Xen", doc.Xen.Version)
	// Output: Xen 4.20.2
}
