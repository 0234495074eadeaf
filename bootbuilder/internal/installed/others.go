package installed

import (
	"errors"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// neededByOthers notes what entries and images that are not ours rely on: a hand-written one may well start a
// kernel or an image of ours, or use a xen.cfg of ours.
func (inv *Inventory) neededByOthers(fsys esp.FS, items []menu.Item, entries []Entry, needed map[esp.Key]bool) {
	ours := make(map[string]bool)
	for _, e := range entries {
		ours[e.File] = true
	}
	o := others{inv, fsys, needed}
	for _, i := range items {
		if ours[i.File] {
			continue
		}
		entry := i.Loaded()
		switch {
		case entry != nil:
			o.entry(entry)
		case i.Image != nil:
			o.config(i.Image.Sections[".config"], i.File, nil)
		default:
			o.unread(i.Err)
		}
	}
}

// others follows what somebody else wrote, as systemd-boot and Xen's EFI loader do (docs/misc/efi.pandoc of Xen). What may be
// read is needed: too much does no harm.
type others struct {
	inv    *Inventory
	fsys   esp.FS
	needed map[esp.Key]bool
}

// need notes a file.
func (o others) need(file string) { o.needed[esp.KeyOf(file)] = true }

// unread notes that something could not be read, which may need anything.
func (o others) unread(err error) {
	if (menu.Unreadable(err) || errors.Is(err, esp.ErrTooLarge)) && o.inv.Unread == nil {
		o.inv.Unread = err
	}
}

func (o others) entry(e *esp.Entry) {
	for _, key := range []string{"efi", "linux", "initrd", "uki", "devicetree"} {
		for _, value := range e.All(key) {
			if file, ok := esp.BootPath(value); ok {
				o.need(file)
			}
		}
	}
	for _, key := range []string{"efi", "uki"} {
		value, _ := e.Get(key)
		if image, ok := esp.BootPath(value); ok {
			o.image(image, e.Options())
		}
	}
}

// image follows a program that may be Xen's: by its .config, by -cfg=, or else by the first xen.cfg that Xen finds beside it.
func (o others) image(image, options string) {
	m, err := menu.ReadImage(o.fsys, image)
	if o.unread(err); err == nil {
		o.config(m.Sections[".config"], image, nil)
	}
	named := false
	for _, word := range strings.Fields(options) {
		if config, ok := strings.CutPrefix(word, "-cfg="); ok {
			o.configFile(config, image, nil)
			named = true
		}
	}
	if named {
		return
	}
	for _, config := range defaultConfigs(path.Base(image)) {
		o.configFile(config, image, nil)
	}
}

// defaultConfigs are the names under which Xen looks for its configuration where it is given none: its own one with .cfg in place of
// what follows the last dot, dash or underscore, and so on with what is left.
func defaultConfigs(image string) []string {
	var names []string
	for {
		at := strings.LastIndexAny(image, ".-_")
		if at < 0 {
			return names
		}
		image = image[:at]
		names = append(names, image+".cfg")
	}
}

// configFile follows a xen.cfg that an image reads.
func (o others) configFile(config, image string, from []string) {
	name, ok := fromConfig(config, image)
	if !ok || len(from) > 8 {
		return
	}
	for _, seen := range from {
		if esp.KeyOf(seen) == esp.KeyOf(name) {
			return
		}
	}
	text, err := esp.ReadFile(o.fsys, name, maxConfig)
	o.need(name)
	if o.unread(err); err == nil {
		o.config(text, image, append(from, name))
	}
}

// config notes the files that a xen.cfg names, and follows it to others.
func (o others) config(text []byte, image string, from []string) {
	files, chain := xencfg.Named(text)
	for _, value := range files {
		if file, ok := fromConfig(value, image); ok {
			o.need(file)
		}
	}
	for _, config := range chain {
		o.configFile(config, image, from)
	}
}
