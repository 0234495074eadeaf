package esp

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dir is a mounted boot file system, or a directory that stands for one. All access
// is confined to it by [os.Root]: neither `..` nor a symbolic link leads out.
type Dir struct {
	dir  string
	root *os.Root
	top  *os.File // the same directory, for openat2(2)
	fat  bool     // the file system does not tell letter cases apart by itself
	// subs are directories that were opened once: [os.Root] opens every directory on the way to a
	// file, each time, and hundreds of files lie in four of them.
	subs *subRoots
}

// OpenDir opens the directory that a boot file system is mounted on.
func OpenDir(dir string) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	top, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	var st unix.Statfs_t
	err = unix.Statfs(dir, &st)
	return &Dir{dir: dir, root: root, top: top, fat: err == nil && st.Type == unix.MSDOS_SUPER_MAGIC, subs: &subRoots{}}, nil
}

// Close lets go of the directory.
func (d *Dir) Close() error {
	d.subs.forget()
	return errors.Join(d.top.Close(), d.root.Close())
}

// Path is the file's name below the directory as it was given to [OpenDir].
func (d *Dir) Path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

// Open opens a regular file.
func (d *Dir) Open(name string) (File, error) {
	f, err := d.openRegular(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openRegular opens a regular file. O_NONBLOCK keeps a FIFO from holding up the run.
func (d *Dir) openRegular(name string, flag int) (*os.File, error) {
	f, err := folded(d, name, func(name string) (*os.File, error) {
		return d.openFile(name, flag|syscall.O_NONBLOCK, 0)
	})
	if err != nil {
		return nil, d.wrap(err, name)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: d.Path(name), Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Stat describes a file or directory.
func (d *Dir) Stat(name string) (fs.FileInfo, error) {
	info, err := folded(d, name, func(name string) (fs.FileInfo, error) {
		root, base, err := d.at(name)
		if err != nil {
			return nil, err
		}
		return root.Stat(base)
	})
	return info, d.wrap(err, name)
}

// lstat describes a file or directory, and does not follow a link.
func (d *Dir) lstat(name string) (fs.FileInfo, error) {
	info, err := folded(d, name, func(name string) (fs.FileInfo, error) {
		root, base, err := d.at(name)
		if err != nil {
			return nil, err
		}
		return root.Lstat(base)
	})
	return info, d.wrap(err, name)
}

// Space says how much room there is. A read-only mount is an error (EROFS).
func (d *Dir) Space() (Space, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return Space{}, d.wrap(err, ".")
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return Space{}, &fs.PathError{Op: "statfs", Path: d.dir, Err: err}
	}
	if st.Flags&unix.ST_RDONLY != 0 {
		return Space{}, &fs.PathError{Op: "write to", Path: d.dir, Err: syscall.EROFS}
	}
	return Space{
		Free:    int64(st.Bavail) * st.Bsize,
		Total:   int64(st.Blocks) * st.Bsize,
		Cluster: st.Bsize,
	}, nil
}

// wrap puts the whole path into an error, which os.Root gives relative to the root.
func (d *Dir) wrap(err error, name string) error {
	if err == nil {
		return nil
	}
	op, cause := "access", err
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		op, cause = strings.TrimSuffix(pe.Op, "at"), pe.Err
	case errors.As(err, &le):
		op, cause = strings.TrimSuffix(le.Op, "at"), le.Err
	}
	return &fs.PathError{Op: op, Path: d.Path(name), Err: cause}
}
