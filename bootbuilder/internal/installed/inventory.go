// Package installed reads what of ours is on the boot file systems: Xen entries, as systemd-boot
// and Xen's EFI loader would read them (Boot Loader Specification; docs/misc/efi.pandoc of
// Xen, 4.17 to 4.22), payload, leftovers of runs that were cut off, and what everybody
// else's entries rely on.
//
// Ours is what has a name of ours and points at payload of ours; what has such a name and
// starts something else was written by hand, and is left alone.
//
// It says what is there and whether it is complete, not whether it should be: that is for
// those who know the generations.
package installed

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Place is a file on one of the two file systems.
type Place struct {
	FS   esp.FS
	Name string
}

// Path says where it is, for messages.
func (p Place) Path() string { return p.FS.Path(p.Name) }

// Inventory is what is on both file systems.
type Inventory struct {
	Boot esp.FS
	// Entries are those of $BOOT, from old to new, each profile by itself.
	Entries []Entry
	// Astray are Xen entries of ours on the ESP where $BOOT is another file system: systemd-boot
	// lists them, and none is needed there.
	Astray []Entry
	// Payload are files of $BOOT whose names have our form, referred to or not; AstrayPayload
	// those of the ESP beside it.
	Payload, AstrayPayload []Place
	// Leftovers are staged files that a run did not live to rename or fill.
	Leftovers []Place
	// Shared are remnants that can't be removed without harm.
	Shared []Shared
	// Strange are entries and images of our names that start no Xen of ours.
	Strange []Strange
	// Unread is the error of something that may be ours and could not be read.
	Unread error

	// Menu is everything that systemd-boot would look at on $BOOT, ESPMenu on the ESP beside it.
	Menu, ESPMenu []menu.Item
	files         files
	texts         map[esp.Key][]byte // of our entries on $BOOT and their xen.cfg
	busy          map[esp.Key]bool   // programs that entries name no more
	// needed is what entries of others rely on, by file on $BOOT.
	needed      map[esp.Key]bool
	neededOnESP map[esp.Key]bool // the same for the ESP beside $BOOT
}

// Strange is a file that has the name of an entry of ours.
type Strange struct {
	Place
	// HandWritten says that it starts something that is there: somebody wrote it so.
	HandWritten bool
}

// NeededByOthers reports whether an entry that is not ours relies on a file on $BOOT.
func (inv *Inventory) NeededByOthers(name string) bool { return inv.needed[esp.KeyOf(name)] }

// NeededOnESP reports whether an entry that is not ours relies on a file on the ESP beside $BOOT.
func (inv *Inventory) NeededOnESP(name string) bool { return inv.neededOnESP[esp.KeyOf(name)] }

// HandWritten reports whether somebody else's entry has this name on $BOOT.
func (inv *Inventory) HandWritten(name string) bool {
	return slices.ContainsFunc(inv.Strange, func(s Strange) bool {
		return s.HandWritten && s.FS == inv.Boot && esp.KeyOf(s.Name) == esp.KeyOf(name)
	})
}

// Working reports whether a complete entry of ours on $BOOT names a file.
func (inv *Inventory) Working(name string) bool {
	return slices.ContainsFunc(inv.Entries, func(e Entry) bool {
		return e.Broken == nil && e.names(name)
	})
}

// Named reports whether an entry of ours on $BOOT, complete or not, names a file; an image in EFI/Linux names nothing.
func (inv *Inventory) Named(name string) bool {
	return slices.ContainsFunc(inv.Entries, func(e Entry) bool { return !e.IsImage() && e.names(name) })
}

// Busy reports whether a complete entry of ours on $BOOT names a program, or did until a run made it blank that was cut off. What can't be
// read may be complete.
func (inv *Inventory) Busy(name string) bool {
	return inv.busy[esp.KeyOf(name)] || slices.ContainsFunc(inv.Entries, func(e Entry) bool {
		return (e.Broken == nil || menu.Unreadable(e.Broken)) && e.names(name)
	})
}

// findBusy notes the programs of entries that say nothing now.
func (inv *Inventory) findBusy() {
	for _, i := range inv.Menu {
		n, ok := esp.ParseName(i.Base())
		if !ok || n.Kind != esp.Xen || !strings.EqualFold(path.Dir(i.File), bootname.Entries) {
			continue
		}
		if menu.Unreadable(i.Err) {
			inv.busy[esp.KeyOf(bootname.Name{Kind: bootname.EmbeddedImage, ID: n.ID(), Script: true}.Path())] = true
		}
		if image, ok := remembered(i.Text); ok {
			inv.busy[esp.KeyOf(image)] = true
		}
	}
}

// Unreadable is the error of something of ours that could not be read, if there is any.
func (inv *Inventory) Unreadable() error {
	for _, entries := range [][]Entry{inv.Entries, inv.Astray} {
		for i := range entries {
			if err := entries[i].Broken; menu.Unreadable(err) {
				return err
			}
		}
	}
	return inv.Unread
}

// Unified is the installed image of this id and hash (any where that is ""), whatever its boot
// counter says, or "".
func (inv *Inventory) Unified(id, hash string) string {
	for _, e := range inv.Entries {
		if e.Entry() != nil || e.Broken != nil {
			continue
		}
		if n, ok := bootname.Parse(e.Image); ok && (hash == "" || n.Hash == hash) && esp.KeyOf(n.ID) == esp.KeyOf(id) {
			return e.Image
		}
	}
	return ""
}

// Read takes stock of $BOOT and, where that is another file system, of the ESP.
func Read(espFS, boot esp.FS) (*Inventory, error) {
	inv := &Inventory{
		Boot: boot, needed: make(map[esp.Key]bool), neededOnESP: make(map[esp.Key]bool),
		files: make(files), texts: make(map[esp.Key][]byte), busy: make(map[esp.Key]bool),
	}
	var err error
	if inv.Menu, err = menu.Read(boot); err != nil {
		return nil, err
	}
	if err := inv.payload(boot, &inv.Payload); err != nil {
		return nil, err
	}
	if err := inv.aliases(espFS, boot); err != nil {
		return nil, err
	}
	inv.entries(boot, inv.Menu, &inv.Entries)
	inv.findTexts()
	inv.findBusy()
	forgetTexts(inv.Menu)
	inv.Payload = slices.DeleteFunc(inv.Payload, inv.isStrange)
	inv.neededByOthers(boot, inv.Menu, inv.Entries, inv.needed)
	if espFS == boot {
		inv.setApart()
		return inv, nil
	}
	if inv.ESPMenu, err = menu.Read(espFS); err != nil {
		return nil, err
	}
	if err := inv.payload(espFS, &inv.AstrayPayload); err != nil {
		return nil, err
	}
	inv.entries(espFS, inv.ESPMenu, &inv.Astray)
	inv.AstrayPayload = slices.DeleteFunc(inv.AstrayPayload, inv.isStrange)
	inv.neededByOthers(espFS, inv.ESPMenu, inv.Astray, inv.neededOnESP)
	inv.setApart()
	return inv, nil
}

func (inv *Inventory) isStrange(p Place) bool {
	return slices.ContainsFunc(inv.Strange, func(s Strange) bool { return s.Place == p })
}

// payload lists the files that have names of ours.
func (inv *Inventory) payload(fsys esp.FS, into *[]Place) error {
	for _, dir := range []string{bootname.Payload, bootname.NixOS, bootname.Unified} {
		names, err := inv.list(fsys, dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			if _, ok := bootname.Parse(name); ok || isAlias(fsys, name) {
				*into = append(*into, Place{fsys, name})
			}
		}
	}
	return nil
}

// entries tells our entries from others that have such names.
func (inv *Inventory) entries(fsys esp.FS, items []menu.Item, into *[]Entry) {
	*into = slices.Grow(*into, len(items)/2) // most often every second one is ours
	for _, i := range items {
		e, strange, err := inv.files.read(fsys, i)
		switch {
		case menu.Unreadable(err):
			inv.Unread = err
		case strange != nil:
			inv.Strange = append(inv.Strange, *strange)
		case e != nil:
			*into = append(*into, *e)
		}
	}
	slices.SortStableFunc(*into, func(a, b Entry) int {
		return a.name.Compare(b.name)
	})
}

// list gives the regular files of a directory that may not exist, and keeps leftovers apart.
func (inv *Inventory) list(fsys esp.FS, dir string) ([]string, error) {
	found, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range found {
		name := dir + "/" + d.Name()
		switch {
		case d.IsDir():
		case esp.IsStaged(d.Name()), esp.IsShortNameOf(d.Name(), ".xen-boot-builder-", "tmp"):
			inv.Leftovers = append(inv.Leftovers, Place{fsys, name})
		default:
			names = append(names, name)
		}
	}
	return names, nil
}
