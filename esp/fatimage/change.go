package fatimage

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage/internal/fat"
)

// Rename gives a file another name, replacing a file that stood there. One that existed keeps
// the letter case of its name, as with Linux's vfat. A directory can be renamed until Sync.
func (v *volume) Rename(from, to string) error {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	return v.fail("rename", to, v.rename(from, to))
}

func (v *volume) rename(from, to string) error {
	n, err := v.find(from)
	if err != nil {
		return err
	}
	if n.entry.Dir && n.onImage {
		return errors.New("directories can't be renamed in an image")
	}
	dir, err := v.directory(to)
	if err != nil {
		return err
	}
	name := path.Base(to)
	old, err := v.find(to)
	switch {
	case err == nil && (old.entry.Dir || n.entry.Dir):
		return syscall.EISDIR
	case err == nil && old == n:
		return nil
	case err == nil:
		name = old.entry.Name
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if old == nil {
		if err := v.CheckName(name); err != nil {
			return err
		}
	}
	if err := v.writable(path.Join(dir.path(), name)); err != nil {
		return err
	}
	if n.staged == "" && !n.entry.Dir {
		// To the image a file under another name is a new one.
		if err := v.writable(n.path()); err != nil {
			return err
		}
		moved, err := v.takeOut(n)
		if err != nil {
			return err
		}
		n = moved
	} else {
		n.detach()
	}
	if old != nil {
		v.drop(old)
	}
	n.entry.Name = name
	n.attach(dir)
	return nil
}

// Remove deletes a file or an empty directory.
func (v *volume) Remove(name string) error {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	return v.fail("remove", name, v.remove(name))
}

// Drop is Remove: only Sync makes changes, all of them at once.
func (v *volume) Drop(name string) (esp.Held, error) { return held{}, v.Remove(name) }

type held struct{}

func (held) Sync() error  { return nil }
func (held) Close() error { return nil }

func (v *volume) remove(name string) error {
	n, err := v.find(name)
	if err != nil {
		return err
	}
	if n == v.root {
		return fs.ErrInvalid
	}
	if n.entry.Dir {
		if err := v.load(n); err != nil {
			return err
		}
		if len(n.children) > 0 {
			return syscall.ENOTEMPTY
		}
	}
	if n.onImage {
		if err := v.writable(n.path()); err != nil {
			return err
		}
		if n.entry.Dir && strings.Contains(n.entry.Name, "[") {
			return errors.New("mtools can't remove a directory with a bracket in its name")
		}
	}
	v.drop(n)
	if n.staged != "" {
		return os.Remove(n.staged)
	}
	return nil
}

// Mkdir makes one directory.
func (v *volume) Mkdir(name string) error {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	dir, err := v.place(name)
	if err == nil && strings.Contains(path.Base(name), "[") {
		err = errors.New("mtools can't make a directory with a bracket in its name")
	}
	if err != nil {
		return v.fail("mkdir", name, err)
	}
	if err := v.take(v.fat.ClusterSize()); err != nil {
		return v.fail("mkdir", name, err)
	}
	n := &node{
		entry:    fat.Entry{Name: path.Base(name), Dir: true, ModTime: time.Now()},
		loaded:   true,
		children: make(map[string]*node),
	}
	n.attach(dir)
	return nil
}

// place is the directory for a new file or directory.
func (v *volume) place(name string) (*node, error) {
	dir, err := v.directory(name)
	if err != nil {
		return nil, err
	}
	if _, err := v.find(name); err == nil {
		return nil, fs.ErrExist
	}
	if err := v.CheckName(path.Base(name)); err != nil {
		return nil, err
	}
	return dir, v.writable(path.Join(dir.path(), path.Base(name)))
}
