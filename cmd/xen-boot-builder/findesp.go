package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// findESP looks for the ESP, and for XBOOTLDR beside it, where bootctl does. It is for commands that
// only read: what is found may be another partition than the one meant, which a list shows and a
// write would not.
//
// The first place that is a mount point with a directory EFI is the ESP. Where a later one is a mount
// point with entries and without such a directory, it is XBOOTLDR; both are "" where there is none. Where no ESP can be
// seen, a mount point that nobody but root may look into most likely is one: opening it says so.
func findESP(places []string) (espDir, boot string) {
	hidden := "" // a mount point that we may not look into
	for _, dir := range places {
		// What is behind an automount point is mounted by looking into it.
		hasEFI, hasEntries := isDir(dir, "EFI"), isDir(dir, "loader/entries")
		_, err := os.Stat(filepath.Join(dir, "EFI"))
		closed := errors.Is(err, fs.ErrPermission)
		if state, err := esp.CheckMount(dir); err != nil || state != esp.Mounted {
			continue
		}
		switch {
		case closed && hidden == "":
			hidden = dir
		case espDir == "" && hasEFI:
			espDir = dir
		case espDir != "" && boot == "" && hasEntries && !hasEFI:
			boot = dir
		}
	}
	return cmp.Or(espDir, hidden), boot
}

func isDir(elem ...string) bool {
	info, err := os.Stat(filepath.Join(elem...))
	return err == nil && info.IsDir()
}
