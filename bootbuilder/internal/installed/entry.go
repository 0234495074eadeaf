package installed

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Entry is a Xen entry of ours, read as systemd-boot and Xen would read it.
type Entry struct {
	menu.Item
	FS esp.FS
	ID string // "xen-generation-5"

	Layout layout.Layout
	Image  string // the Xen image
	Config []byte // xen.cfg's text, nil where it can't be read
	Cfg    xencfg.Config
	// Refs are the files, beside a type #1 entry's own, that it takes to boot.
	Refs []string
	// Toplevel is that of its init=, "" where unknown.
	Toplevel string
	// Broken is the first thing that keeps it from booting; nil if nothing does.
	Broken error

	name       esp.Name // what the id says
	configFile string   // the xen.cfg of its own, "" for one in the image
}

// Entry is the type #1 entry, or nil for a type #2 image.
func (e Entry) Entry() *esp.Entry { return e.Item.Entry }

// IsImage reports whether the entry is a type #2 image.
func (e Entry) IsImage() bool { return e.Layout == layout.Unified }

// Place is where the file is that makes it an entry.
func (e Entry) Place() Place { return Place{e.FS, e.File} }

// EntryID is what loader.conf calls it, without a boot counter: the file's name.
func (e Entry) EntryID() string {
	id, _ := esp.CutTries(e.Base())
	return id
}

// Tries is its boot counter; nil for none.
func (e Entry) Tries() *esp.Tries {
	_, tries := esp.CutTries(e.Base())
	return tries
}

// ConfigPath says where its xen.cfg is, for messages.
func (e Entry) ConfigPath() string {
	if e.Layout == layout.Shared && len(e.Refs) > 1 {
		return e.FS.Path(e.Refs[1])
	}
	return "xen.cfg in " + e.FS.Path(e.Image)
}

// names reports whether it takes a file of $BOOT to boot.
func (e *Entry) names(name string) bool {
	key := esp.KeyOf(name)
	return slices.ContainsFunc(e.Refs, func(ref string) bool { return esp.KeyOf(ref) == key })
}

// maxConfig bounds what is read of a xen.cfg, in bytes.
const maxConfig = 64 << 10

// read makes an entry of an item that is ours. One that has a name of ours only is strange; of any
// other, all is nil.
func (f files) read(fsys esp.FS, i menu.Item) (*Entry, *Strange, error) {
	if strings.EqualFold(path.Dir(i.File), bootname.Unified) {
		n, ok := bootname.Parse(i.File)
		if !ok {
			return nil, nil, nil
		}
		e, strange := readUnified(fsys, i, n)
		return e, strange, nil
	}
	n, ok := esp.ParseName(i.Base())
	if !ok || n.Kind != esp.Xen {
		return nil, nil, nil
	}
	return f.readEntry(fsys, i, n)
}

// errEmpty is of an entry that a run made, or made blank, and did not live to fill.
var errEmpty = errors.New("is empty, left by a run that was cut off")

// remark begins a comment that remembers the program of an entry that says nothing any more.
const remark = "#efi "

// Remark is what stays of an entry that is made blank while the files that it names make room for others: its line efi, commented out.
// Nothing stays of one that is not complete.
func (e Entry) Remark() string {
	if e.Broken != nil {
		return ""
	}
	return remark + "/" + e.Image
}

// remembered is the program of such an entry.
func remembered(text []byte) (image string, ok bool) {
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte(remark)); ok {
			return esp.BootPath(string(value))
		}
	}
	return "", false
}

// saysNothing reports whether there are only empty lines and comments.
func saysNothing(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

// readEntry reads an entry xen-*.conf.
func (f files) readEntry(fsys esp.FS, i menu.Item, n esp.Name) (*Entry, *Strange, error) {
	place := Place{fsys, i.File}
	e := &Entry{Item: i, FS: fsys, ID: n.ID(), Layout: layout.Shared, name: n}
	if i.Err == nil && saysNothing(i.Text) {
		e.Broken = fmt.Errorf("%s %w", place.Path(), errEmpty)
		return e, nil, nil
	}
	if i.Err != nil {
		return nil, &Strange{Place: place}, i.Err
	}
	efi, _ := i.Entry.Get("efi")
	image, ok := esp.BootPath(efi)
	name, ours := bootname.Parse(image)
	if !ok || !ours {
		return nil, &Strange{Place: place, HandWritten: f.startsSomething(fsys, i.Entry)}, nil
	}
	e.Image, e.Refs = image, []string{image}
	if name.Kind == bootname.SharedImage {
		e.readShared(f)
	} else {
		e.Layout = layout.Embedded
		e.readEmbedded(f)
	}
	e.findToplevel()
	return e, nil, nil
}

// startsSomething tells a hand-written entry from a damaged one of ours: what it names is there.
func (f files) startsSomething(fsys esp.FS, e *esp.Entry) bool {
	for _, key := range esp.Programs() {
		value, ok := e.Get(key)
		if ok && key == "uki-url" { // it is not on this disk
			return true
		}
		if name, ok := esp.BootPath(value); ok && f.readable(fsys, name) == nil {
			return true
		}
	}
	return false
}

// readUnified reads an image in EFI/Linux. One without .config is not ours.
func readUnified(fsys esp.FS, i menu.Item, n bootname.Name) (*Entry, *Strange) {
	e := &Entry{Item: i, FS: fsys, ID: n.ID, Layout: layout.Unified, Image: i.File, Refs: []string{i.File}}
	e.name, _ = esp.ParseStem(n.ID)
	if i.Err != nil {
		// A damaged image of our name: nobody else makes that name.
		e.Broken = i.Err
		return e, nil
	}
	if _, ok := i.Image.Sections[".config"]; !ok {
		return nil, &Strange{Place: Place{fsys, i.File}}
	}
	e.Config = i.Image.Sections[".config"]
	e.decode()
	if !i.Image.Kernel && e.Broken == nil {
		e.Broken = fmt.Errorf("%s: no .kernel section", fsys.Path(i.File))
	}
	e.findToplevel()
	return e, nil
}

// readShared follows -cfg= to the xen.cfg, and from there to kernel and ramdisk.
func (e *Entry) readShared(f files) {
	cfg, ok := strings.CutPrefix(e.Entry().Options(), layout.ConfigOption)
	if !ok || cfg == "" || strings.ContainsAny(cfg, " /\\") {
		e.Broken = fmt.Errorf("%s: options name no xen.cfg", e.FS.Path(e.File))
		return
	}
	name := path.Join(path.Dir(e.Image), cfg)
	e.Refs, e.configFile = append(e.Refs, name), name
	if e.Config, e.Broken = esp.ReadFile(e.FS, name, maxConfig); e.Broken != nil {
		return
	}
	if e.Broken = f.readable(e.FS, e.Image); e.Broken == nil {
		e.decode()
	}
	e.follow(f)
}

// readEmbedded reads the .config section, and follows it to kernel and ramdisk.
func (e *Entry) readEmbedded(f files) {
	image, err := menu.ReadImage(e.FS, e.Image)
	if err != nil {
		e.Broken = err
		return
	}
	config, ok := image.Sections[".config"]
	if !ok {
		e.Broken = fmt.Errorf("%s: no .config section", e.FS.Path(e.Image))
		return
	}
	e.Config = config
	e.decode()
	e.follow(f)
}

// decode reads the xen.cfg as Xen does.
func (e *Entry) decode() {
	var err error
	if e.Cfg, err = xencfg.Decode(e.Config, ""); err != nil && e.Broken == nil {
		e.Broken = fmt.Errorf("%s: %w", e.ConfigPath(), err)
	}
}

// follow notes the files that the xen.cfg names and looks whether they are there.
func (e *Entry) follow(f files) {
	for _, name := range filesIn(e.Cfg) {
		file, ok := fromConfig(name, e.Image)
		if !ok {
			if e.Broken == nil {
				e.Broken = fmt.Errorf("%s: %q is not a file name", e.ConfigPath(), name)
			}
			return
		}
		e.Refs = append(e.Refs, file)
		if err := f.readable(e.FS, file); err != nil && e.Broken == nil {
			e.Broken = err
		}
	}
}

func (e *Entry) findToplevel() {
	if init, ok := esp.InitParam(e.Cfg.CmdLine); ok {
		e.Toplevel = path.Dir(init)
	}
}

// filesIn are the names of files in a xen.cfg. Xen reads all of them before it starts anything, and stops at one that
// it can't read.
func filesIn(cfg xencfg.Config) []string {
	names := []string{cfg.Kernel, cfg.Ramdisk, cfg.DTB, cfg.Ucode, cfg.XSM}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// fromConfig is the file on $BOOT that a name in a xen.cfg means: one that starts with a
// backslash counts from the root, any other from the image's directory.
func fromConfig(name, image string) (string, bool) {
	if !strings.HasPrefix(name, `\`) {
		name = "/" + path.Dir(image) + `\` + name
	}
	return esp.BootPath(name)
}

// FromConfig is the file on $BOOT that a name in the entry's xen.cfg means.
func (e Entry) FromConfig(name string) (string, bool) { return fromConfig(name, e.Image) }
