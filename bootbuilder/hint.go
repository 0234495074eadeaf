package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// hinted is an error with a word on what the user can do.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

// WithHint adds a word on what the user can do about err. A nil err stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return hinted{err, hint}
}

// Hint is what the user can do about err, or "".
func Hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// fileHint says what the user can do about a failed operation on the file system.
func fileHint(err error) error {
	switch {
	case Hint(err) != "":
		return err
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return WithHint(err, "nothing that was installed was removed; free disk space on the partition, then run again")
	case errors.Is(err, syscall.EROFS):
		return WithHint(err, "the partition is mounted read-only: after an error Linux does that to a damaged FAT; unmount it, run fsck.vfat, and mount it again")
	case errors.Is(err, fs.ErrPermission):
		return WithHint(err, "run as root")
	case errors.Is(err, syscall.EIO):
		return WithHint(err, "the disk or the file system is failing: look at dmesg, run fsck.vfat, and have a second way to boot")
	case errors.Is(err, context.Canceled):
		return WithHint(fmt.Errorf("interrupted: %w", err), "everything that is on the partition is complete; run again to finish")
	}
	return err
}
