package esp

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// readFile reads a regular file of at most limit bytes, and one byte more where there is more. It is [os.Root.OpenFile] and
// a loop of reads in four system calls: a file system has an entry and a xen.cfg for each generation, and Go registers each
// file that it opens with epoll(7).
//
// What openat2(2) is told is what os.Root does: `..` and links lead nowhere but below the directory.
func (d *Dir) readFile(name string, limit int64) ([]byte, error) {
	fd, err := folded(d, name, d.openBelow)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: d.Path(name), Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: d.Path(name), Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &fs.PathError{Op: "open", Path: d.Path(name), Err: ErrNotRegular}
	}
	b := make([]byte, min(st.Size, limit+1))
	for n := 0; n < len(b); {
		m, err := unix.Read(fd, b[n:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: d.Path(name), Err: err}
		case m == 0: // it was cut meanwhile
			return b[:n], nil
		default:
			n += m
		}
	}
	return b, nil
}

// openBelow opens a file for reading. O_NONBLOCK keeps a FIFO from holding up the run.
func (d *Dir) openBelow(name string) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(int(d.top.Fd()), name, &how)
		// EAGAIN: something was renamed meanwhile; the kernel asks to try again.
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
}
