package esp

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Staged names are ours alone, so that what a dead run left behind can be told
// from a user's file. They end in neither .efi nor .conf: systemd-boot passes them over.
const (
	stagedPrefix = ".xen-boot-builder-"
	stagedSuffix = ".tmp"
)

// IsStaged reports whether a file name is one that [Stage] writes under.
func IsStaged(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, stagedPrefix) && strings.HasSuffix(base, stagedSuffix)
}

// StagedName is the name of the file that a run stages as its n-th.
func StagedName(n int) string { return fmt.Sprintf("%s%d%s", stagedPrefix, n, stagedSuffix) }

// Stage writes and syncs a file in dir under a staged name, which it returns, to be renamed
// once all that belongs together is staged. n keeps the names of one run apart. On
// error nothing is left behind.
//
// fill may also read back what it wrote, to check it.
func Stage(fsys FS, dir string, n int, fill func(Writer) error) (name string, err error) {
	name = path.Join(dir, StagedName(n))
	w, err := fsys.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err := fsys.Remove(name); err != nil {
			return "", fmt.Errorf("remove what an earlier run left: %w", err)
		}
		w, err = fsys.Create(name)
	}
	if err != nil {
		return "", err
	}
	err = fill(w)
	if err == nil {
		err = w.Sync()
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		// The first error is the one that matters; a staged file that
		// can't be removed now is removed by the next run.
		_ = fsys.Remove(name)
		return "", err
	}
	return name, nil
}

// WriteFile makes or replaces one file so that, at any time, name is either as it was or
// whole. The directory is not synced: call [FS.SyncDir].
func WriteFile(fsys FS, name string, fill func(Writer) error) error {
	staged, err := Stage(fsys, path.Dir(name), 0, fill)
	if err != nil {
		return err
	}
	if err := fsys.Rename(staged, name); err != nil {
		_ = fsys.Remove(staged)
		return err
	}
	return nil
}

// WriteBytes is [WriteFile] for content in memory.
func WriteBytes(fsys FS, name string, b []byte) error {
	return WriteFile(fsys, name, func(w Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// MkdirAll makes a directory and those above it, and syncs each parent that it changed.
func MkdirAll(fsys FS, name string) error {
	if name == "." {
		return nil
	}
	info, err := fsys.Stat(name)
	if err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: fsys.Path(name), Err: errors.New("a file is in the way")}
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := path.Dir(name)
	if err := MkdirAll(fsys, parent); err != nil {
		return err
	}
	if err := fsys.Mkdir(name); err != nil {
		return err
	}
	return fsys.SyncDir(parent)
}
