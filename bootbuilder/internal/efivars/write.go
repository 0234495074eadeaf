package efivars

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// efivarfsMagic is what statfs(2) says of efivarfs (linux/magic.h).
const efivarfsMagic = 0xde5e81e4

// fsImmutable is FS_IMMUTABLE_FL of linux/fs.h.
const fsImmutable = 0x10

// write writes a variable: the kernel hands each write(2) to the firmware as a complete value.
func (s Store) write(name, text string) (err error) {
	b, err := encode(text)
	if err != nil {
		return err
	}
	file := s.path(name)
	if err := mutable(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	if !isEfivarfs(f) {
		// There a write replaces the value. Emptying it first would remove the variable.
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	n, err := unix.Write(int(f.Fd()), b)
	for err == unix.EINTR {
		n, err = unix.Write(int(f.Fd()), b)
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: file, Err: err}
	}
	if n != len(b) {
		return &fs.PathError{Op: "write", Path: file, Err: io.ErrShortWrite}
	}
	return nil
}

// mutable takes away the immutable flag, which the kernel gives to the files of most variables so
// that rm -r does not brick a machine.
func mutable(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if !isEfivarfs(f) {
		return nil
	}
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return fmt.Errorf("read flags of %s: %w", file, err)
	}
	if flags&fsImmutable == 0 {
		return nil
	}
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags&^fsImmutable)); err != nil {
		return fmt.Errorf("clear the immutable flag of %s: %w", file, err)
	}
	return nil
}

func isEfivarfs(f *os.File) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &st) == nil && uint32(st.Type) == efivarfsMagic
}

// readOnce reads a variable. efivarfs limits how often users may read, and says so with EINTR.
func readOnce(f *os.File, b []byte) (int, error) {
	n, err := io.ReadFull(f, b)
	switch {
	case err == nil:
		return 0, &fs.PathError{Op: "read", Path: f.Name(), Err: errors.New("variable is too large")}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, nil
	}
	return 0, err
}
