package fatimage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// lock takes flock(2) on the image itself. Since a Sync renames another file over it, the
// file that was locked has to be the one that stands there still. A second lock by
// the same Image, as for its other partition, is the same lock.
func (im *Image) lock(ctx context.Context) (func(), error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.held == 0 {
		f, err := im.lockedFile(ctx)
		if err != nil {
			return nil, err
		}
		// Another run may have written since the image was read.
		if err := im.refresh(f); err != nil {
			f.Close()
			return nil, err
		}
		im.removeLeftovers()
	}
	im.held++
	return im.unlock, nil
}

func (im *Image) unlock() {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.held--; im.held == 0 {
		// The file stays open for reading, so closing it is no way to unlock it.
		_ = unix.Flock(int(im.file.Fd()), unix.LOCK_UN)
	}
}

func (im *Image) lockedFile(ctx context.Context) (*os.File, error) {
	for {
		f, err := openRegular(im.path, im.name)
		if err != nil {
			return nil, err
		}
		if err := esp.LockFile(ctx, f); err != nil {
			f.Close()
			return nil, err
		}
		if same, err := im.standsThere(f); err != nil || same {
			if err != nil {
				f.Close()
			}
			return f, err
		}
		f.Close()
	}
}

// standsThere reports whether f is still the file at the image's path.
func (im *Image) standsThere(f *os.File) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(im.path)
	return err == nil && os.SameFile(opened, there), err
}

// refresh reads the image anew from f, which is what stands at its path.
func (im *Image) refresh(f *os.File) error {
	if im.changed() {
		return fmt.Errorf("lock %s: it has unsynced changes already", im.name)
	}
	return im.adopt(f)
}

const workPrefix = ".xen-boot-builder-"

// removeLeftovers removes what killed runs left: with the lock held, no other run works there.
func (im *Image) removeLeftovers() {
	dir, base := filepath.Split(im.path)
	list, err := os.ReadDir(dir)
	if err != nil {
		return // nothing depends on it
	}
	for _, e := range list {
		if ok, _ := filepath.Match(escapePattern(workPrefix+base+".")+"*.tmp", e.Name()); ok && e.IsDir() {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}
