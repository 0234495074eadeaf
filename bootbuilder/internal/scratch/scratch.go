// Package scratch makes private directories for what other programs need as files, below a
// directory that others write to as well, such as /tmp.
//
// A directory is held open: everything in it is reached through that handle, so that a
// directory or link put in its place is never followed. It is locked with flock(2) while it is in
// use, by which [Sweep] tells those of live processes from what killed ones left.
//
// Left out: keeping root out, and other programs of the same user.
package scratch

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Prefix starts the name of each directory.
const Prefix = "xen-boot-builder-"

// Dir is a private directory.
type Dir struct {
	parent *os.Root
	name   string
	root   *os.Root
	lock   *os.File // of the directory; also what it is told from others by
}

// Make makes a directory that only its owner may enter. The parent stays the caller's, who
// keeps it open until the directory is closed.
func Make(parent *os.Root) (*Dir, error) {
	// A sweep takes a new directory only if a minute passes before it is locked (the machine slept, or
	// its clock was set): then there is another name.
	for range 10 {
		d := &Dir{parent: parent, name: Prefix + strings.ToLower(rand.Text())}
		if err := parent.Mkdir(d.name, 0o700); err != nil {
			return nil, err
		}
		err := d.hold()
		if err == nil {
			return d, nil
		}
		d.letGo()
		if !errors.Is(err, ErrMoved) && !errors.Is(err, fs.ErrNotExist) {
			_ = parent.Remove(d.name)
			return nil, err
		}
	}
	return nil, fmt.Errorf("make a private directory in %s: %w", parent.Name(), ErrMoved)
}

// ErrMoved says that the name of a directory leads to something else by now.
var ErrMoved = errors.New("the directory was removed, or another one put in its place")

func (d *Dir) hold() (err error) {
	if d.root, err = d.parent.OpenRoot(d.name); err != nil {
		return err
	}
	if d.lock, err = d.root.Open("."); err != nil {
		return err
	}
	if err := unix.Flock(int(d.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		return &fs.PathError{Op: "lock", Path: d.lock.Name(), Err: err}
	} else if err != nil {
		return ErrMoved // the sweep has it
	}
	info, err := d.lock.Stat()
	if err != nil {
		return err
	}
	if !ours(info) || info.Mode().Perm() != 0o700 {
		return ErrMoved
	}
	return d.Unmoved()
}

// ours reports whether it is a directory of this user.
func ours(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.IsDir() && int(st.Uid) == os.Geteuid()
}

// Name is the directory's name in its parent.
func (d *Dir) Name() string { return d.name }

// Root is the directory itself, whatever its name leads to by now.
func (d *Dir) Root() *os.Root { return d.root }

// Unmoved returns an [ErrMoved] where the name no longer leads to the directory.
func (d *Dir) Unmoved() error {
	mine, err := d.lock.Stat()
	if err != nil {
		return err
	}
	there, err := d.parent.Lstat(d.name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(mine, there) {
		return &fs.PathError{Op: "stat", Path: d.parent.Name() + "/" + d.name, Err: ErrMoved}
	}
	return err
}

// OpenFile opens a file for reading that another program made in the directory: a regular one with
// no other name, no link and no FIFO.
func (d *Dir) OpenFile(name string) (*os.File, error) {
	fail := func(err error) (*os.File, error) {
		return nil, &fs.PathError{Op: "open", Path: d.root.Name() + "/" + name, Err: err}
	}
	there, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !there.Mode().IsRegular() {
		return fail(ErrNotRegular)
	}
	// O_NONBLOCK: a FIFO put there in between must not wait for its other end.
	f, err := d.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	st, ok := syscall.Stat_t{}, false
	if err == nil {
		var p *syscall.Stat_t
		if p, ok = info.Sys().(*syscall.Stat_t); ok {
			st = *p
		}
	}
	switch {
	case err != nil:
	case !os.SameFile(there, info):
		_, err = fail(ErrNotRegular) // a link, followed
	case !info.Mode().IsRegular() || !ok || st.Nlink != 1:
		_, err = fail(ErrNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ErrNotRegular is returned for a file that is a link, has further names, or is of another kind.
var ErrNotRegular = errors.New("no regular file with this name alone")

// Close removes the directory with all that is in it. What was put in its place stays.
func (d *Dir) Close() error {
	defer d.letGo()
	errs := []error{empty(d.root)}
	if err := d.Unmoved(); err == nil {
		errs = append(errs, d.parent.Remove(d.name))
	} else if !errors.Is(err, ErrMoved) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (d *Dir) letGo() {
	if d.lock != nil {
		d.lock.Close() // which unlocks it
	}
	if d.root != nil {
		d.root.Close()
	}
}

// empty removes all that is in a directory.
func empty(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	errs := []error{err}
	for _, name := range names {
		errs = append(errs, root.RemoveAll(name))
	}
	return errors.Join(errs...)
}

// Sweep removes the directories in parent that killed processes of this user left, and names
// them. Empty ones stay for a minute: they may be on their way to [Make]'s caller. A directory that can't be removed does not keep it from the others.
func Sweep(parent *os.Root) (removed []string, err error) {
	f, err := parent.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	errs := []error{err}
	for _, name := range names {
		if !made(name) {
			continue
		}
		gone, err := sweep(parent, name)
		if gone {
			removed = append(removed, name)
		}
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

// made reports whether a name is one that [Make] makes, or that earlier versions made: letters and digits
// of chance. What people call so themselves is theirs.
func made(name string) bool {
	chance, ok := strings.CutPrefix(name, Prefix)
	if !ok || chance == "" {
		return false
	}
	const base32 = "abcdefghijklmnopqrstuvwxyz234567"
	return len(chance) == 26 && strings.Trim(chance, base32) == "" || len(chance) >= 8 && strings.Trim(chance, "0123456789") == ""
}

func sweep(parent *os.Root, name string) (bool, error) {
	there, err := parent.Lstat(name)
	if err != nil || !ours(there) {
		return false, ignoreMissing(err)
	}
	d := &Dir{parent: parent, name: name}
	defer d.letGo()
	if d.root, err = parent.OpenRoot(name); err != nil {
		return false, ignoreMissing(err)
	}
	if d.lock, err = d.root.Open("."); err != nil {
		return false, ignoreMissing(err)
	}
	opened, err := d.lock.Stat()
	if err != nil || !os.SameFile(opened, there) {
		return false, err // changed meanwhile: somebody is at work
	}
	// A new one is not locked at once. Nothing is written before it is, so that one with
	// something in it is not new, and a secret that a killed process left goes at once.
	if time.Since(opened.ModTime()).Abs() < time.Minute {
		if _, err := d.lock.Readdirnames(1); err != nil {
			return false, ignoreMissing(ignoreEnd(err))
		}
	}
	if err := unix.Flock(int(d.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return false, nil // in use
	}
	if err := empty(d.root); err != nil {
		return false, ignoreMissing(err) // another sweep has removed it
	}
	if err := d.Unmoved(); err != nil {
		return false, nil
	}
	err = parent.Remove(name)
	return err == nil, ignoreMissing(err)
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
