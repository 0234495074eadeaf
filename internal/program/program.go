// Package program runs another program so that nothing of it outlives the run.
//
// The program leads a process group of its own. The group is killed when the context ends, and
// once the program itself has ended, so that no child in the background writes on. If this
// process dies, the kernel kills the program (PR_SET_PDEATHSIG of prctl(2)). The program
// gets exactly the environment it is handed, and /dev/null as its input.
//
// Left out: programs that leave their group (setsid), which only a PID namespace would
// hold; children of the program when this process is killed by SIGKILL.
package program

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// grace is how long a process that left the group may hold the output open.
	grace = 2 * time.Second
	// maxTail is how much of the output is kept for an error, in bytes.
	maxTail = 2048
)

// Program is what to run.
type Program struct {
	Argv   []string // a name without a slash is looked up in this process' PATH
	Env    []string // all of the environment, as "NAME=value"
	Dir    string   // to start in
	Chroot string   // the root directory to start in, "" for this process'
}

// Error is a program that failed, or was ended.
type Error struct {
	Name   string // of the program
	Output string // the end of what it printed, on both streams
	Err    error  // why: an [*exec.ExitError], or the context's error and cause
}

func (e *Error) Error() string {
	if e.Output == "" {
		return fmt.Sprintf("%s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Name, e.Err, e.Output)
}

func (e *Error) Unwrap() error { return e.Err }

// Run runs a program until it ends, or ctx does. It returns the end of what the program
// printed. Each error is an [*Error].
func (p Program) Run(ctx context.Context) (output string, err error) {
	if len(p.Argv) == 0 {
		return "", &Error{Name: "run a program", Err: errors.New("none is given")}
	}
	var out tail
	if err := p.run(ctx, &out); err != nil {
		if ctx.Err() != nil {
			err = ended(ctx)
		}
		return "", &Error{Name: p.Argv[0], Output: out.text(), Err: err}
	}
	return out.text(), nil
}

func (p Program) run(ctx context.Context, out *tail) error {
	cmd := exec.CommandContext(ctx, p.Argv[0], p.Argv[1:]...)
	cmd.Env = p.Env
	if cmd.Env == nil {
		cmd.Env = []string{} // nil would be ours
	}
	cmd.Dir = p.Dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = grace
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Chroot: p.Chroot}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	// The signal of PR_SET_PDEATHSIG comes when the thread that forked ends: it must not before.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	// While the program is not reaped, its number names its group and no other.
	waitExit(cmd.Process.Pid)
	_ = killGroup(cmd.Process.Pid)
	return cmd.Wait()
}

// ended says why a context did: both what [errors.Is] looks for and the cause.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// waitExit waits for the end of a process without reaping it.
func waitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func killGroup(pid int) error { return unix.Kill(-pid, unix.SIGKILL) }

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-maxTail):]...)
	t.kept = t.kept[max(0, len(t.kept)-maxTail):]
	return len(p), nil
}

func (t *tail) text() string {
	return strings.TrimSpace(strings.ToValidUTF8(string(t.kept), "?"))
}
