package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// benchCase is a row of the table.
type benchCase struct {
	name   string
	layOut func(dir, program string) (machine, error)
}

// machine is a case laid out: two commands, and what makes it anew before each.
type machine struct {
	dir                string
	ours, theirs       []string
	reset, resetTheirs func() error
}

var cases = []benchCase{
	{"start-up (version)", func(dir, program string) (machine, error) {
		return machine{dir: dir, ours: []string{program, "version"}, theirs: []string{"empty"}}, nil
	}},
	{"nothing changed, shared, 10 generations", unchanged(10, "shared", 0, "read")},
	{"nothing changed, shared, 200 generations", unchanged(200, "shared", 0, "read")},
	{"the same, Xen hashed by both", unchanged(200, "shared", 0, "hash")},
	{"nothing changed, shared, 1000 generations", unchanged(1000, "shared", 0, "read")},
	{"nothing changed, unified with a key, 5 generations of 96 MB", unchanged(5, "unified", 96<<20, "read")},
	{"nothing changed, shared, 5 generations", unchanged(5, "shared", 0, "read")},
	{"first install, shared, 50 generations", first(50, "shared")},
	{"first install, embedded, 50 generations", first(50, "embedded")},
	{"first install, unified, 50 generations", first(50, "unified")},
	{"one unified image, signed, 160 MB", large},
}

// unchanged is a second run, against one of the counterparts. An initrd of some size is shared by all generations.
func unchanged(n int, layout string, initrd int, theirs string) func(dir, program string) (machine, error) {
	return func(dir, program string) (machine, error) {
		m, err := world(dir, program, n, layout, initrd)
		if err != nil {
			return m, err
		}
		m.theirs = []string{theirs, filepath.Join(dir, "root"), filepath.Join(dir, "esp")}
		return m, output(m.ours)
	}
}

// first is a first run, against a copy of what it writes.
func first(n int, layout string) func(dir, program string) (machine, error) {
	return func(dir, program string) (machine, error) {
		m, err := world(dir, program, n, layout, 0)
		if err != nil {
			return m, err
		}
		esp, bare, written := filepath.Join(dir, "esp"), filepath.Join(dir, "bare"), filepath.Join(dir, "written")
		if err := os.CopyFS(bare, os.DirFS(esp)); err != nil {
			return m, err
		}
		if err := output(m.ours); err != nil {
			return m, err
		}
		if err := os.CopyFS(written, os.DirFS(esp)); err != nil {
			return m, err
		}
		for _, sub := range []string{"EFI/nixos", "EFI/BOOT", "EFI/systemd"} {
			// The kernels are there already: only what the program wrote is copied.
			list, err := os.ReadDir(filepath.Join(bare, sub))
			if err != nil {
				continue
			}
			for _, d := range list {
				if err := os.Remove(filepath.Join(written, sub, d.Name())); err != nil {
					return m, err
				}
			}
		}
		m.reset = func() error { return renew(bare, esp) }
		copied := filepath.Join(dir, "copied")
		m.theirs = []string{"copy", written, copied}
		m.resetTheirs = func() error { return os.RemoveAll(copied) }
		return m, nil
	}
}

// large is one signed image with a ramdisk of 150 MB, against cat, sha256sum and sync of its parts.
func large(dir, program string) (machine, error) {
	m, err := world(dir, program, 1, "unified", 152<<20)
	if err != nil {
		return m, err
	}
	esp, bare := filepath.Join(dir, "esp"), filepath.Join(dir, "bare")
	if err := os.CopyFS(bare, os.DirFS(esp)); err != nil {
		return m, err
	}
	if err := output(m.ours); err != nil {
		return m, err
	}
	m.reset = func() error {
		list, err := filepath.Glob(filepath.Join(esp, "EFI/Linux/xen-*"))
		for _, name := range list {
			err = os.Remove(name)
		}
		return err
	}
	var parts []string
	for _, pattern := range []string{"*-xen-*/boot/xen*.efi", "*-linux-*/bzImage", "*-initrd-*/initrd"} {
		found, err := filepath.Glob(filepath.Join(dir, "root/nix/store", pattern))
		if err != nil || len(found) == 0 {
			return m, fmt.Errorf("no %s in the store", pattern)
		}
		parts = append(parts, found[0])
	}
	m.theirs = append([]string{"assemble", filepath.Join(dir, "joined")}, parts...)
	m.resetTheirs = func() error { return os.RemoveAll(filepath.Join(dir, "joined")) }
	return m, nil
}

// world lays out a machine with n generations, and the command that installs them.
func world(dir, program string, n int, layout string, initrd int) (machine, error) {
	m := machine{dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return m, err
	}
	root := fixtures.NewRoot(filepath.Join(dir, "root"))
	esp := filepath.Join(dir, "esp")
	image := make([]byte, 2700<<10)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(image) // never fails
	xen := fixtures.XenImage(fixtures.XenOptions{Extra: []fixtures.Section{{Name: ".fill", Data: image}}})
	var ramdisk []byte
	if initrd > 0 {
		ramdisk = make([]byte, initrd)
		_, _ = random.Read(ramdisk)
		copy(ramdisk, "070701")
	}
	for i := range n {
		system := fixtures.System{Initrd: ramdisk, Xen: &fixtures.Xen{Image: xen, Params: []string{fmt.Sprintf("dom0_mem=%dM", 1024+i)}}}
		if _, err := root.Add(fixtures.Generation{Number: i + 1, System: system}); err != nil {
			return m, err
		}
	}
	if _, err := root.InstallSystemdBoot(esp, fixtures.SystemdBoot{Names: fixtures.ContentHashNames}); err != nil {
		return m, err
	}
	m.ours = []string{program, "install", "--root", root.Dir(), "--esp", esp, "--allow-unmounted", "--layout", layout, "quiet"}
	if layout == "unified" {
		keys := filepath.Join(dir, "keys")
		if err := fixtures.LayOutKeys(keys, "db"); err != nil {
			return m, err
		}
		if err := os.Chmod(filepath.Join(keys, "keys/db/db.key"), 0o600); err != nil {
			return m, err
		}
		m.ours = append(m.ours, "--pki-bundle", keys)
	}
	return m, nil
}

func renew(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(from))
}

func output(args []string) error {
	var out bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%q: %w\n%s", args, err, out.Bytes())
	}
	return nil
}
