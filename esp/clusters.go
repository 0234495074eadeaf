package esp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ShareClusters reports whether two files are made of the same clusters, as half a rename leaves them on FAT: to remove one
// frees what the other is made of. Where the file system does not tell where a file starts, files of the same
// length and content count as sharing.
func ShareClusters(fsys FS, a, b string) (bool, error) {
	if s, ok := fsys.(interface {
		Start(name string) (int64, error)
	}); ok {
		first, err := s.Start(a)
		if err == nil && first == 0 {
			return false, nil
		}
		if err == nil {
			second, err := s.Start(b)
			if err == nil {
				return first == second, nil
			}
		}
	}
	return sameContent(fsys, a, b)
}

func sameContent(fsys FS, a, b string) (bool, error) {
	first, err := fsys.Open(a)
	if err != nil {
		return false, err
	}
	defer first.Close()
	second, err := fsys.Open(b)
	if err != nil {
		return false, err
	}
	defer second.Close()
	var p, q [32 << 10]byte
	for empty := true; ; empty = false {
		n, err := io.ReadFull(first, p[:])
		m, err2 := io.ReadFull(second, q[:])
		if !bytes.Equal(p[:n], q[:m]) {
			return false, nil
		}
		for _, e := range []error{err, err2} {
			if e != nil && !errors.Is(e, io.EOF) && !errors.Is(e, io.ErrUnexpectedEOF) {
				return false, e
			}
		}
		if err != nil {
			return n > 0 || !empty, nil
		}
	}
}

// Fsck is the command that repairs a file system, for messages: "fsck.vfat -a /dev/sda1".
func Fsck(fsys FS) string {
	device := ""
	if d, ok := fsys.(interface{ Device() string }); ok {
		device = d.Device()
	}
	return strings.TrimSpace("fsck.vfat -a " + device)
}

// fibmap is FIBMAP of linux/fs.h.
const fibmap = 1

// Start is the block that a file's content starts in, 0 for none. Only root is told (FIBMAP; vfat has no FIEMAP).
func (d *Dir) Start(name string) (int64, error) {
	f, err := d.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var block int32 // in: which one of the file; out: which one of the disk
	conn, ok := f.(interface{ Fd() uintptr })
	if !ok {
		return 0, errors.ErrUnsupported
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, conn.Fd(), fibmap, uintptr(unsafe.Pointer(&block))); errno != 0 {
		return 0, d.wrap(errno, name)
	}
	return int64(block), nil
}
