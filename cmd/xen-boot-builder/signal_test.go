package main

import (
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testSecondSignal has a run that can't end in order, since it waits for somebody to read what it
// prints: the first signal changes nothing, the second one ends it.
func testSecondSignal(t *testing.T, b binary) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			fd := int(w.Fd()) // which makes it block
			if err := unix.SetNonblock(fd, true); err != nil {
				t.Fatal(err)
			}
			for err == nil { // until it is full
				_, err = unix.Write(fd, make([]byte, 4096))
			}
			if err := unix.SetNonblock(fd, false); err != nil {
				t.Fatal(err)
			}
			cmd := b.command("help")
			cmd.Stdout = w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			time.Sleep(500 * time.Millisecond) // for it to start
			_ = cmd.Process.Signal(signal)
			select {
			case err := <-ended:
				t.Fatalf("it did not wait: %v", err)
			case <-time.After(500 * time.Millisecond):
			}
			_ = cmd.Process.Signal(signal)
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Error("a second signal did not end it")
				_ = cmd.Process.Kill()
				<-ended
			}
			if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() || s.Signal() != signal {
				t.Errorf("it ended with %v, want %v", cmd.ProcessState, signal)
			}
		})
	}
}
