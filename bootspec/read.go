package bootspec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/internal/openat2"
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
	// O_NONBLOCK: opening a FIFO must not wait for its other end.
	fd, err := openat2.Open(dir, name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: where, Err: err}
	}
	defer unix.Close(fd)
	text, err := openat2.ReadRegular(fd, where, MaxSize, errors.New("not a regular file"))
	if err != nil {
		return nil, err
	}
	doc, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return doc, nil
}
