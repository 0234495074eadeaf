package installed

import (
	"errors"
	"io/fs"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// files are what was found out about files: every entry names a kernel and a Xen, and most name the same.
type files map[Place]found

type found struct {
	size    int64
	regular bool
	err     error // why there is no such file
}

// look describes a file, once.
func (f files) look(fsys esp.FS, name string) found {
	at := Place{fsys, name}
	if have, ok := f[at]; ok {
		return have
	}
	var have found
	info, err := fsys.Stat(name)
	if have.err = err; err == nil {
		have.size, have.regular = info.Size(), info.Mode().IsRegular()
	}
	f[at] = have
	return have
}

// readable looks whether a file is there and holds something.
func (f files) readable(fsys esp.FS, name string) error {
	if have := f.look(fsys, name); have.err == nil && have.regular && have.size > 0 {
		return nil
	}
	// To open it says what is wrong.
	file, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && info.Size() == 0 {
		err = &fs.PathError{Op: "read", Path: fsys.Path(name), Err: errors.New("file is empty")}
	}
	return err
}

// Exists is an error where a file or directory was not there when stock was taken, or could not be looked up.
func (inv *Inventory) Exists(fsys esp.FS, name string) error { return inv.files.look(fsys, name).err }

// Holds reports whether a regular file was there when stock was taken, and not empty.
func (inv *Inventory) Holds(fsys esp.FS, name string) bool {
	have := inv.files.look(fsys, name)
	return have.err == nil && have.regular && have.size > 0
}

// Text is what an entry or a xen.cfg of ours on $BOOT held when stock was taken, nil where there is none of that name.
func (inv *Inventory) Text(name string) []byte { return inv.texts[esp.KeyOf(name)] }

// forgetTexts lets go of what entries hold: that of ours is with them, and nobody asks for that of others, who may be many.
func forgetTexts(items []menu.Item) {
	for i := range items {
		items[i].Text = nil
	}
}

// findTexts notes the texts of our entries on $BOOT.
func (inv *Inventory) findTexts() {
	for _, e := range inv.Entries {
		if e.Entry() == nil {
			continue
		}
		inv.texts[esp.KeyOf(e.File)] = e.Item.Text
		if e.configFile != "" && e.Config != nil {
			inv.texts[esp.KeyOf(e.configFile)] = e.Config
		}
	}
}
