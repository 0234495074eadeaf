package esp

import (
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/internal/openat2"
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
	return openat2.ReadRegular(fd, d.Path(name), limit, ErrNotRegular)
}

// openBelow opens a file for reading. O_NONBLOCK keeps a FIFO from holding up the run.
func (d *Dir) openBelow(name string) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	return openat2.Open(d.top, name, &how)
}
