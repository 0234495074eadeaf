package installed

import (
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// What a power cut leaves of a file whose long name it took: a short name, and all, a part or nothing of
// what we wrote. In EFI/xen, which is ours alone, every short name is such a one; elsewhere the
// content has to tell.

// isAlias reports whether a file among the payload is what is left of one of ours.
func isAlias(fsys esp.FS, name string) bool {
	base := path.Base(name)
	switch dir := path.Dir(name); {
	case esp.SameName(dir, bootname.Payload):
		return esp.IsShortName(base)
	case esp.SameName(dir, bootname.NixOS), esp.SameName(dir, bootname.Unified):
		return esp.IsShortNameOf(base, "xen-", "efi") && oursInside(fsys, name)
	}
	return false
}

// aliases finds what is left of entries and of loader.conf.
func (inv *Inventory) aliases(espFS, boot esp.FS) error {
	names, err := inv.list(espFS, path.Dir(bootname.LoaderConf))
	if err != nil {
		return err
	}
	for _, name := range names {
		if esp.IsShortNameOf(path.Base(name), "loader", "conf") && oursInside(espFS, name) {
			inv.Leftovers = append(inv.Leftovers, Place{espFS, name})
		}
	}
	if names, err = inv.list(boot, bootname.Entries); err != nil {
		return err
	}
	for _, name := range names {
		if esp.IsShortNameOf(path.Base(name), "xen-", "conf") && oursInside(boot, name) {
			inv.Payload = append(inv.Payload, Place{boot, name})
		}
	}
	return nil
}

// oursInside reports whether a file holds what we write: nothing yet, blank lines, an entry for payload
// of ours, or a Xen image with a .config.
func oursInside(fsys esp.FS, name string) bool {
	f, err := fsys.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, esp.SectorSize)
	n, _ := f.ReadAt(head, 0)
	text := strings.Trim(string(head[:n]), "\x00\n")
	switch {
	case text == "":
		return true
	case strings.HasPrefix(text, "MZ"):
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
