package main

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// counterparts are the programs to compare with, each the least that does what a case is about.
var counterparts = map[string]func(args []string) error{
	"empty":    func([]string) error { return nil },
	"read":     readAll,
	"hash":     readAndHash,
	"copy":     copyAll,
	"assemble": assemble,
}

// readAll reads what a run has to look at where nothing changed: each generation's boot.json below ROOT, and loader.conf,
// entries and xen.cfg below ESP.
func readAll(args []string) error {
	root, esp := args[0], args[1]
	links, err := filepath.Glob(filepath.Join(root, "nix/var/nix/profiles/system-*-link"))
	if err != nil {
		return err
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			return err
		}
		if _, err := os.ReadFile(filepath.Join(root, target, "boot.json")); err != nil {
			return err
		}
	}
	for _, dir := range []string{"loader/entries", "EFI/xen"} {
		list, err := os.ReadDir(filepath.Join(esp, dir))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, d := range list {
			if _, err := os.ReadFile(filepath.Join(esp, dir, d.Name())); err != nil {
				return err
			}
		}
	}
	_, err = os.ReadFile(filepath.Join(esp, "loader/loader.conf"))
	return err
}

// readAndHash is readAll, and the hash of Xen, in the store and on the ESP: a shared image is named by what it holds.
func readAndHash(args []string) error {
	if err := readAll(args); err != nil {
		return err
	}
	for _, pattern := range []string{
		filepath.Join(args[0], "nix/store/*-xen-*/boot/xen*.efi"), filepath.Join(args[1], "EFI/xen/xen-[0-9]*.efi"),
	} {
		list, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, name := range list[:min(len(list), 1)] {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			_, err = io.Copy(sha256.New(), f)
			f.Close()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// copyAll copies a tree's files to another one, and syncs that once, as cp and sync -f do.
func copyAll(args []string) error {
	from, to := args[0], args[1]
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return syncFS(to)
}

// assemble joins files into one, hashes what comes out, and syncs it: cat, sha256sum and sync.
func assemble(args []string) error {
	out, err := os.Create(args[0])
	if err != nil {
		return err
	}
	defer out.Close()
	h := sha256.New()
	for _, name := range args[1:] {
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(out, h)}, struct{ io.Reader }{in}, make([]byte, 256<<10))
		in.Close()
		if err != nil {
			return err
		}
	}
	h.Sum(nil)
	return out.Sync()
}

func syncFS(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return err
	}
	return nil
}
