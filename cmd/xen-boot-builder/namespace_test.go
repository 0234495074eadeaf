package main

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs body where it may mount what it likes, unseen by all others: on a thread with a mount
// namespace of its own, which ends with the thread. Processes that body starts are in it too. Only body's own
// goroutine is, so that body may not use t.Run.
//
// It takes root, or at least CAP_SYS_ADMIN. Where CI is set to true its lack is a failure.
func inNamespace(t *testing.T, body func() error) {
	t.Helper()
	done := make(chan error)
	allowed := true
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is not used again
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err != nil {
			allowed = false
			done <- fmt.Errorf("make a mount namespace: %w", err)
			return
		}
		done <- body()
	}()
	err := <-done
	switch {
	case err != nil && !allowed && os.Getenv("CI") != "true":
		t.Skipf("not run: %v", err)
	case err != nil:
		t.Error(err)
	}
}

// mountTmpfs mounts a tmpfs of this many bytes, rounded up to pages.
func mountTmpfs(dir string, size int64, flags uintptr) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, fmt.Sprintf("size=%d", size)); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	return nil
}
