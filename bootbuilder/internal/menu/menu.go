// Package menu reads what systemd-boot makes its menu of: the type #1 entries in
// loader/entries and the type #2 images in EFI/Linux of one file system (Boot Loader
// Specification; systemd-boot 252 and later), NixOS' own, ours and everybody's. Each file
// is read once, here; later stages take the values.
//
// It says what is written there, not whether it is true: the ESP selects, it does not
// define. Left out: entries that systemd-boot makes up itself (auto-windows and such), and
// the order of the menu.
package menu

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/osrelease"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Item is one file that systemd-boot would look at.
type Item struct {
	File string // its name on the file system: "loader/entries/nixos-generation-5.conf"

	// Text and Entry are of a type #1 entry, Image of a type #2 one. Text is gone once it was taken stock of: that of ours is
	// with them.
	Text  []byte
	Entry *esp.Entry
	Image *Image

	Title, Version, SortKey, MachineID string

	// Err is why it can't be read or understood; nil if it can.
	Err error
	// Lenient is what systemd-boot reads of a type #1 entry that is damaged, or of another encoding: it may well start it.
	Lenient *esp.Entry
}

// Loaded is a type #1 entry as systemd-boot reads it, nil where it can't be read.
func (i Item) Loaded() *esp.Entry {
	if i.Entry != nil {
		return i.Entry
	}
	return i.Lenient
}

// Base is the item's file name, which systemd-boot's id is made from.
func (i Item) Base() string { return path.Base(i.File) }

// Unreadable is [Unreadable] of the item's error.
func (i Item) Unreadable() bool { return Unreadable(i.Err) }

// Image is what the small sections of a type #2 image say.
type Image struct {
	Sections map[string][]byte // .osrel, .cmdline, .config, .linux, .linuxh, .initrd, .initrdh
	Kernel   bool              // it has a .kernel, as Xen's images have
	Signed   bool              // it carries a signature, of whomever
	Ramdisk  int64             // size of its .ramdisk in bytes, 0 for none
}

// Text is a section as text, without the NULs at its end.
func (m *Image) Text(section string) string {
	return strings.TrimRight(string(m.Sections[section]), "\x00")
}

// maxSection bounds what is read of one section, in bytes.
const maxSection = 64 << 10

var sections = []string{".osrel", ".cmdline", ".config", ".linux", ".linuxh", ".initrd", ".initrdh"}

// Read reads a file system's items, sorted by file name, entries first.
func Read(fsys esp.FS) ([]Item, error) {
	var items []Item
	entries, err := list(fsys, bootname.Entries, ".conf")
	if err != nil {
		return nil, err
	}
	for _, file := range entries {
		items = append(items, readEntry(fsys, file))
	}
	images, err := list(fsys, bootname.Unified, ".efi")
	if err != nil {
		return nil, err
	}
	for _, file := range images {
		items = append(items, readImage(fsys, file))
	}
	return items, nil
}

// list gives the files of a directory with this suffix; one that does not exist is empty.
func list(fsys esp.FS, dir, suffix string) ([]string, error) {
	found, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range found {
		if !d.IsDir() && strings.EqualFold(path.Ext(d.Name()), suffix) && !esp.IsStaged(d.Name()) {
			names = append(names, dir+"/"+d.Name())
		}
	}
	return names, nil
}

// maxLenient bounds what is read of an entry, whoever's it is, in bytes.
const maxLenient = 1 << 20

func readEntry(fsys esp.FS, file string) Item {
	i := Item{File: file}
	text, err := esp.ReadFile(fsys, file, maxLenient)
	if err != nil {
		i.Err = err
		return i
	}
	if len(text) > esp.MaxEntrySize {
		i.Err = &fs.PathError{Op: "read", Path: fsys.Path(file), Err: esp.ErrTooLarge}
	} else if i.Entry, err = esp.ParseEntry(text); err != nil {
		i.Err = fmt.Errorf("%s: %w", fsys.Path(file), err)
	}
	if i.Err != nil {
		i.Lenient = esp.ParseEntryLeniently(text)
		return i
	}
	i.Text = text
	i.Title, _ = i.Entry.Get("title")
	i.Version, _ = i.Entry.Get("version")
	i.SortKey, _ = i.Entry.Get("sort-key")
	i.MachineID, _ = i.Entry.Get("machine-id")
	return i
}

func readImage(fsys esp.FS, file string) Item {
	i := Item{File: file}
	if i.Image, i.Err = ReadImage(fsys, file); i.Err != nil {
		return i
	}
	// systemd-boot's own choice of fields: PRETTY_NAME, VERSION_ID, and ID as sort-key.
	release := osrelease.Parse(i.Image.Text(".osrel"))
	i.Title, i.Version, i.SortKey = release["PRETTY_NAME"], release["VERSION_ID"], release["ID"]
	return i
}

// ReadImage reads the small sections of an image, wherever it lies.
func ReadImage(fsys esp.FS, file string) (*Image, error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	m, err := ParseImage(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fsys.Path(file), err)
	}
	return m, nil
}

// ParseImage is [ReadImage] of the first size bytes of r.
func ParseImage(r io.ReaderAt, size int64) (*Image, error) {
	image, err := pe.Parse(r, size)
	if err != nil {
		return nil, err
	}
	m := &Image{Sections: make(map[string][]byte), Signed: image.Signed()}
	_, m.Kernel = image.Section(".kernel")
	if ramdisk, ok := image.Section(".ramdisk"); ok {
		m.Ramdisk = int64(ramdisk.VirtualSize)
	}
	for _, name := range sections {
		s, ok := image.Section(name)
		if !ok {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(image.Open(s), maxSection))
		if err != nil {
			return nil, fmt.Errorf("read section %s: %w", name, err)
		}
		m.Sections[name] = b
	}
	return m, nil
}

// Unreadable reports whether err says that something could not be read, as opposed to that
// it is not there or not complete: what can't be read may be what a removal would break.
func Unreadable(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && errno != syscall.ENOENT && errno != syscall.ENOTDIR
}
