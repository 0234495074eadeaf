// Package openat2 opens files below a directory by openat2(2) (Linux 5.6), and reads small ones whole, in as few system
// calls as that takes: hundreds of files have to be read, and Go registers each [os.File] with epoll(7).
//
// Left out: older kernels and sandboxes without the call. Who uses it decides what to do there.
package openat2

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens a name below a directory. The error is the kernel's.
func Open(dir *os.File, name string, how *unix.OpenHow) (fd int, err error) {
	for {
		fd, err = unix.Openat2(int(dir.Fd()), name, how)
		// EAGAIN: something was renamed meanwhile; the kernel asks to try again.
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
}

// ReadRegular reads an open regular file of at most limit bytes, and one byte more where there is more. Of anything else the
// error is notRegular. path is for errors.
func ReadRegular(fd int, path string, limit int64, notRegular error) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &fs.PathError{Op: "open", Path: path, Err: notRegular}
	}
	b := make([]byte, min(st.Size, limit+1))
	for n := 0; n < len(b); {
		m, err := unix.Read(fd, b[n:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		case m == 0: // it was cut meanwhile
			return b[:n], nil
		default:
			n += m
		}
	}
	return b, nil
}
