package esp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Lock takes flock(2) on the directory itself: no file is needed that a killed run could
// leave behind.
func (d *Dir) Lock(ctx context.Context) (func(), error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, d.wrap(err, ".")
	}
	if err := LockFile(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// ErrLocked is returned by [FS.Lock] when another run holds the lock until ctx ends.
var ErrLocked = errors.New("another run holds the lock")

// LockFile waits for an exclusive flock(2) until ctx ends, which is an [ErrLocked];
// closing the file releases it.
func LockFile(ctx context.Context, f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return &fs.PathError{Op: "lock", Path: filepath.Clean(f.Name()), Err: err}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w (%w)", filepath.Clean(f.Name()), ErrLocked, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
