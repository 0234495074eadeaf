package fatimage

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// SyncDir does nothing: only Sync makes changes last, all of them at once.
func (v *volume) SyncDir(name string) error {
	_, err := v.Stat(name)
	return err
}

// FlushTables does nothing, as SyncDir.
func (v *volume) FlushTables() error { return nil }

// Flush does nothing, as SyncDir.
func (v *volume) Flush() error { return nil }

// Sync brings the changes to all of the image's file systems into the image.
func (v *volume) Sync() error {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	return v.im.commit()
}

// all are the file systems of the image.
func (im *Image) all() []*volume {
	if im.boot == nil {
		return []*volume{im.esp}
	}
	return []*volume{im.esp, im.boot}
}

// changed reports whether there is anything to sync.
func (im *Image) changed() bool {
	return slices.ContainsFunc(im.all(), (*volume).changed)
}

func (v *volume) changed() bool {
	dirs, files := v.pending()
	return len(dirs)+len(files)+len(v.goneFiles)+len(v.goneDirs) > 0
}

// commit carries out all changes on a copy of the image and renames that over the image.
func (im *Image) commit() error {
	if !im.changed() {
		return nil
	}
	if err := im.untouched(); err != nil {
		return err
	}
	if err := im.carryOut(filepath.Join(im.work, "image")); err != nil {
		return fmt.Errorf("write to %s (which is as it was): %w", im.name, err)
	}
	work := im.work
	im.work = ""
	if err := errors.Join(syncDirectory(filepath.Dir(im.path)), os.RemoveAll(work)); err != nil {
		return fmt.Errorf("%s is written: %w", im.name, err)
	}
	return nil
}

// untouched makes sure that nobody else wrote to the image since it was read: that would be lost.
func (im *Image) untouched() error {
	now, err := os.Stat(im.path)
	if err != nil {
		return err
	}
	if !os.SameFile(now, im.loaded) || now.Size() != im.loaded.Size() || !now.ModTime().Equal(im.loaded.ModTime()) {
		return fmt.Errorf("%s: another program changed it in the meantime", im.name)
	}
	return nil
}

func (im *Image) carryOut(target string) (err error) {
	f, err := copyImage(im.ctx, im.file, target)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(target)
		}
	}()
	for i, v := range im.all() {
		work := filepath.Join(im.work, "volume-"+strconv.Itoa(i))
		if err := os.RemoveAll(work); err != nil { // of a Sync that failed
			return err
		}
		if err := v.carryOut(mtools{im.ctx, target, v.part.Offset}, work); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := im.check(f); err != nil {
		return err
	}
	if im.held > 0 {
		// Whoever waits for the lock must not get it when the name changes hands.
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return fmt.Errorf("lock the new image: %w", err)
		}
	}
	if err := os.Rename(target, im.path); err != nil {
		return err
	}
	return im.adopt(f)
}

// carryOut first makes room, then fills it.
func (v *volume) carryOut(m mtools, work string) error {
	if err := v.checkChains(); err != nil {
		return err
	}
	dir := filepath.Dir(m.image)
	if err := m.each(dir, "mdel", nil, onImage(v.goneFiles)); err != nil {
		return err
	}
	// One by one: a directory has to be empty when its turn comes.
	for _, gone := range v.goneDirs {
		if err := m.each(dir, "mrd", nil, onImage([]string{gone})); err != nil {
			return err
		}
	}
	dirs, files := v.pending()
	var names []string
	for _, d := range dirs {
		names = append(names, d.path())
	}
	if err := m.each(dir, "mmd", nil, onImage(names)); err != nil {
		return err
	}
	for i, group := range byDirectory(files) {
		if err := v.copyIn(m, group, filepath.Join(work, strconv.Itoa(i))); err != nil {
			return err
		}
	}
	return nil
}

// onImage writes names the way mtools reads them.
func onImage(names []string) []string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = "::" + escapePattern(path.Join("/", n))
	}
	return list
}

// byDirectory groups files by the directory they stand in, which pending lists next to each other
// but for directories in between.
func byDirectory(files []*node) [][]*node {
	var groups [][]*node
	place := make(map[*node]int)
	for _, f := range files {
		i, ok := place[f.parent]
		if !ok {
			i = len(groups)
			place[f.parent] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], f)
	}
	return groups
}

// copyIn copies the files of one directory: mcopy takes their names from the host, so they get
// those there, in a directory of their own.
func (v *volume) copyIn(m mtools, files []*node, work string) error {
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	var names []string
	for _, f := range files {
		if err := os.Link(f.staged, filepath.Join(work, f.entry.Name)); err != nil {
			return err
		}
		names = append(names, "./"+f.entry.Name)
	}
	target := onImage([]string{files[0].parent.path()})[0]
	return m.each(work, "mcopy", []string{"-Q", "-n", "-o"}, names, target)
}

func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
