package installed

import (
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// A name of ours is a long one to FAT, often in two sectors. Where a power cut takes the one with the long part, the file is
// left under its short name, empty or complete. Nothing names it, so it is unused payload, but in directories of others
// it is ours only if it holds what we write.

// isAlias reports whether a file may be one of ours by its short name.
func isAlias(fsys esp.FS, name string) bool {
	base := path.Base(name)
	if !esp.IsShortName(base) {
		return false
	}
	switch esp.KeyOf(path.Dir(name)) {
	case esp.KeyOf(bootname.Payload):
		return slices.ContainsFunc([]string{".efi", ".cfg", ".img"}, func(ext string) bool { return strings.EqualFold(path.Ext(base), ext) })
	case esp.KeyOf(bootname.NixOS), esp.KeyOf(bootname.Unified):
		return esp.IsShortNameOf(base, "xen-", "efi") && oursInside(fsys, name)
	case esp.KeyOf(bootname.Entries):
		return esp.IsShortNameOf(base, "xen-", "conf") && oursInside(fsys, name)
	}
	return false
}

// isLeftoverAlias reports whether a file is what is left of a staged one, or of a loader.conf in the making.
func isLeftoverAlias(fsys esp.FS, name string) bool {
	base := path.Base(name)
	if esp.IsShortNameOf(base, esp.StagedName(0), "tmp") {
		return true
	}
	loader := esp.KeyOf(path.Dir(name)) == esp.KeyOf(path.Dir(bootname.LoaderConf))
	return loader && esp.IsShortNameOf(base, "loader", "conf") && oursInside(fsys, name)
}

// oursInside reports whether a file holds what we write: nothing yet, blank lines, an entry for payload of ours, or a Xen
// image with its xen.cfg.
func oursInside(fsys esp.FS, name string) bool {
	f, err := fsys.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, esp.SectorSize)
	n, _ := f.ReadAt(head, 0)
	text := strings.Trim(string(head[:n]), "\x00\n")
	if text == "" {
		return true
	}
	if strings.HasPrefix(text, "MZ") {
		image, err := menu.ReadImage(fsys, name)
		return err == nil && image.Sections[".config"] != nil
	}
	e, err := esp.ParseEntry([]byte(text))
	if err != nil {
		return false
	}
	efi, _ := e.Get("efi")
	file, ok := esp.BootPath(efi)
	_, ours := bootname.Parse(file)
	return ok && ours
}
