package main

import (
	"os"
	"path/filepath"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// findESP looks for the ESP, and for XBOOTLDR beside it, where bootctl does. It is for commands that
// only read: what is found may be another partition than the one meant, which a list shows and a
// write would not.
//
// The first place that is a mount point with a directory EFI is the ESP. Where a later one is a mount
// point with entries and without such a directory, it is XBOOTLDR; both are "" where there is none.
func findESP(places []string) (espDir, boot string) {
	for _, dir := range places {
		// What is behind an automount point is mounted by looking into it.
		hasEFI, hasEntries := isDir(dir, "EFI"), isDir(dir, "loader/entries")
		if state, err := esp.CheckMount(dir); err != nil || state != esp.Mounted {
			continue
		}
		switch {
		case espDir == "" && hasEFI:
			espDir = dir
		case espDir != "" && boot == "" && hasEntries && !hasEFI:
			boot = dir
		}
	}
	return espDir, boot
}

func isDir(elem ...string) bool {
	info, err := os.Stat(filepath.Join(elem...))
	return err == nil && info.IsDir()
}
