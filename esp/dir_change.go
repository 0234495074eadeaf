package esp

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Create makes a new file. The mode is what a FAT mount would show at best; it
// matters only where the directory is no FAT.
func (d *Dir) Create(name string) (Writer, error) {
	found := d.find(name)
	f, err := d.openFile(found, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, d.wrap(err, name)
	}
	d.subs.made(found)
	return dirFile{f}, nil
}

// Update opens a file to be changed in place.
func (d *Dir) Update(name string) (Writer, error) {
	f, err := d.openRegular(name, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	return dirFile{f}, nil
}

// Rename gives a file another name, replacing what stood there.
func (d *Dir) Rename(from, to string) error {
	defer d.subs.forget()
	return d.wrap(d.root.Rename(d.find(from), d.find(to)), to)
}

// Remove deletes a file or an empty directory.
func (d *Dir) Remove(name string) error {
	if d.subs.has(name) {
		defer d.subs.forget()
	}
	found := d.find(name)
	err := d.root.Remove(found)
	if err == nil {
		d.subs.removed(found)
	}
	return d.wrap(err, name)
}

// Drop deletes the name of a file or an empty directory, and holds it open.
func (d *Dir) Drop(name string) (Held, error) {
	f, err := folded(d, name, func(name string) (*os.File, error) {
		return d.openFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	})
	if err != nil {
		return nil, d.wrap(err, name)
	}
	if err := d.Remove(name); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Mkdir makes one directory.
func (d *Dir) Mkdir(name string) error {
	defer d.subs.forget()
	return d.wrap(d.root.Mkdir(d.find(name), 0o755), name)
}

// dirFile is a file of a mounted file system.
type dirFile struct{ *os.File }

// Allocate is fallocate(2): vfat puts the clusters into the FAT at once, and no length anywhere.
func (f dirFile) Allocate(size int64) error {
	if size <= 0 {
		return nil
	}
	err := f.retry(func(fd int) error { return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size) })
	if isUnsupported(err) {
		return nil
	}
	return f.wrap("fallocate", err)
}

// Send is sync_file_range(2): it does not touch the inode, which is where start and length are.
func (f dirFile) Send() error {
	err := f.syncRange(unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER)
	if isUnsupported(err) {
		return f.Sync()
	}
	return f.wrap("sync_file_range", err)
}

// StartSend is the first half of Send. Where there is no such call, Send does all of it.
func (f dirFile) StartSend() error {
	err := f.syncRange(unix.SYNC_FILE_RANGE_WRITE)
	if isUnsupported(err) {
		return nil
	}
	return f.wrap("sync_file_range", err)
}

func (f dirFile) syncRange(how int) error {
	return f.retry(func(fd int) error { return unix.SyncFileRange(fd, 0, 0, how) })
}

func isUnsupported(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}

func (f dirFile) retry(call func(fd int) error) error {
	for {
		if err := call(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (f dirFile) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.Name(), Err: err}
}

// SyncDir is fsync(2) of a directory: on vfat it writes the directory's own sectors, then the complete
// FAT, and flushes the disk's cache. What else was sent before is safe too, then.
func (d *Dir) SyncDir(name string) error {
	f, err := folded(d, name, d.root.Open)
	if err != nil {
		return d.wrap(err, name)
	}
	defer f.Close()
	// File systems that can't sync a directory say EINVAL; vfat can.
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return d.wrap(err, name)
	}
	return nil
}

// FlushTables is fsync(2) of the root directory.
func (d *Dir) FlushTables() error { return d.SyncDir(".") }

// Flush is syncfs(2), which on vfat writes everything but does not flush the disk's cache, and then fsync(2) of
// the root directory, which does.
func (d *Dir) Flush() error {
	if err := d.Sync(); err != nil {
		return err
	}
	return d.SyncDir(".")
}

// Sync brings the whole file system to the disk.
func (d *Dir) Sync() error {
	f, err := d.root.Open(".")
	if err != nil {
		return d.wrap(err, ".")
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return &fs.PathError{Op: "syncfs", Path: d.dir, Err: err}
	}
	return nil
}
