package bootspec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Read reads the boot.json of a toplevel, which may be a profile link, of the NixOS system below a root directory: "/", or
// where its disk is mounted. Links resolve inside that root, as the system itself would see them, and lead
// nowhere else (openat2(2), RESOLVE_IN_ROOT; Linux 5.6).
//
// The error of a file that is not there is [fs.ErrNotExist]; that of a document that is not right wraps an [Error].
func Read(root, toplevel string) (*Document, error) {
	dir, err := os.OpenFile(root, unix.O_DIRECTORY|unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name := path.Join("/", toplevel, "boot.json")
	where := filepath.Join(root, name)
	f, err := openIn(dir, name, where)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: where, Err: errors.New("not a regular file")}
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, err
	}
	doc, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return doc, nil
}

// openIn opens a file below a directory. O_NONBLOCK: opening a FIFO must not wait for its other end.
func openIn(dir *os.File, name, where string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(int(dir.Fd()), name, &how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), where), nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN): // EAGAIN: something was renamed meanwhile
			continue
		}
		return nil, &fs.PathError{Op: "open", Path: where, Err: err}
	}
}
