package esp

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/internal/openat2"
)

// leadsOut is in words what openat2(2) calls EXDEV.
type leadsOut struct{}

func (leadsOut) Error() string { return "path escapes from the file system" }
func (leadsOut) Unwrap() error { return unix.EXDEV }

// openFile is [os.Root.OpenFile] in a third of its system calls: a file system has an entry and a xen.cfg for each
// generation, and of each file that os.Root opens it opens every directory on the way, and tries it with epoll(7).
func (d *Dir) openFile(name string, flag int, mode fs.FileMode) (*os.File, error) {
	fd, err := d.openBelow(name, flag, mode)
	if noOpenat2(err) {
		root, base, err := d.at(name)
		if err != nil {
			return nil, err
		}
		return root.OpenFile(base, flag, mode)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: d.Path(name), Err: err}
	}
	return os.NewFile(uintptr(fd), d.Path(name)), nil
}

// readFile reads a regular file of at most limit bytes, and one byte more where there is more, in four system calls.
// O_NONBLOCK keeps a FIFO from holding up the run.
func (d *Dir) readFile(name string, limit int64) ([]byte, error) {
	fd, err := folded(d, name, func(name string) (int, error) {
		return d.openBelow(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: d.Path(name), Err: err}
	}
	defer unix.Close(fd)
	return openat2.ReadRegular(fd, d.Path(name), limit, ErrNotRegular)
}

// openBelow opens a file by openat2(2), which is told what os.Root does: `..` and links lead nowhere but below the directory.
// The mode is 0 where no file is made.
func (d *Dir) openBelow(name string, flag int, mode fs.FileMode) (int, error) {
	fd, err := openat2.Open(d.top, name, &unix.OpenHow{
		Flags:   uint64(flag) | unix.O_NOCTTY | unix.O_CLOEXEC,
		Mode:    uint64(mode.Perm()),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
	if errors.Is(err, unix.EXDEV) {
		err = leadsOut{}
	}
	return fd, err
}

// noOpenat2 reports whether there may be no such call: Linux before 5.6 has none, and some sandboxes refuse it.
func noOpenat2(err error) bool { return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) }
