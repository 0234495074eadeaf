package fatimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyImage makes a file with the content, mode and owner of another, sharing blocks where the
// file system can and leaving holes as holes where it can't. It is open for reading
// and writing.
func copyImage(ctx context.Context, from *os.File, to string) (f *os.File, err error) {
	info, err := from.Stat()
	if err != nil {
		return nil, err
	}
	f, err = os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
			f = nil
		}
	}()
	if err := unix.IoctlFileClone(int(f.Fd()), int(from.Fd())); err != nil {
		if err := copyData(ctx, f, from, info.Size()); err != nil {
			return f, fmt.Errorf("copy the image: %w", err)
		}
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		// Without root a file can't be given away; then it is the caller's, as any
		// other file that the caller makes.
		if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil && !errors.Is(err, os.ErrPermission) {
			return f, err
		}
	}
	return f, f.Chmod(info.Mode().Perm())
}

// copyChunk is how much is copied between two looks at the context, in bytes.
const copyChunk = 64 << 20

// copyData copies what is not a hole.
func copyData(ctx context.Context, to, from *os.File, size int64) error {
	if err := to.Truncate(size); err != nil {
		return err
	}
	for at := int64(0); at < size; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		start, err := from.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // nothing but a hole up to the end
			return nil
		}
		if err != nil {
			start = at // a file system that can't tell
		}
		end, err := from.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			end = size
		}
		if _, err := from.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := to.Seek(start, io.SeekStart); err != nil {
			return err
		}
		end = min(end, size, start+copyChunk)
		if _, err := io.CopyN(to, from, end-start); err != nil {
			return err
		}
		at = end
	}
	return nil
}
