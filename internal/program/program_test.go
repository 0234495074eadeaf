package program_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/internal/program"
)

func shell(script string, args ...string) program.Program {
	return program.Program{Argv: append([]string{"/bin/sh", "-c", script, "sh"}, args...), Env: []string{"PATH=/usr/bin:/bin"}}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	out, err := shell(`echo one; echo two >&2`).Run(t.Context())
	if err != nil || out != "one\ntwo" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("XBB_LEAK", "of ours")
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"some": {[]string{"A=b"}, "A=b"},
		"none": {nil, ""},
	} {
		out, err := program.Program{Argv: []string{"/usr/bin/env"}, Env: c.env, Dir: "/"}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if out != c.want {
			t.Errorf("%s: environment %q", name, out)
		}
	}
}

func TestInputIsEmpty(t *testing.T) {
	t.Parallel()
	if out, err := shell(`read x || echo nothing`).Run(t.Context()); err != nil || out != "nothing" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestFails(t *testing.T) {
	t.Parallel()
	_, err := shell(`seq 100000; echo the end >&2; exit 3`).Run(t.Context())
	var status *exec.ExitError
	if !errors.As(err, &status) || status.ExitCode() != 3 {
		t.Errorf("error %v", err)
	}
	if !strings.HasSuffix(err.Error(), "100000\nthe end") || len(err.Error()) > 2200 {
		t.Errorf("message of %d bytes: …%q", len(err.Error()), err.Error()[max(0, len(err.Error())-100):])
	}
	if _, err := (program.Program{Argv: []string{"no-such-program-anywhere"}}).Run(t.Context()); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("missing: %v", err)
	}
	if _, err := (program.Program{}).Run(t.Context()); err == nil {
		t.Error("no program: no error")
	}
}

// TestChildrenEnd wants what a program left in the background gone, whether or not it holds the output.
func TestChildrenEnd(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"holds the output": `sleep 300 & echo $! > "$1"`,
		"holds nothing":    `sleep 300 >/dev/null 2>&1 & echo $! > "$1"`,
		"ignores signals":  `(trap "" TERM INT HUP; exec sleep 300) & echo $! > "$1"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "pid")
			start := time.Now()
			if _, err := shell(script, file).Run(t.Context()); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			wantGone(t, pidIn(t, file))
		})
	}
}

// TestCancelled wants the program and its children to end with the context, and the cause as the error.
func TestCancelled(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	cause := errors.New("because")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for range 1000 {
			if b, err := os.ReadFile(file); err == nil && len(b) > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel(cause)
	}()
	start := time.Now()
	_, err := shell(`trap "" TERM INT; sleep 300 & echo $! > "$1"; echo waiting; while :; do sleep 300; done`, file).Run(ctx)
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "waiting") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	wantGone(t, pidIn(t, file))
}

// TestDiesWithParent kills a process that runs a program: the program has to go too.
func TestDiesWithParent(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	parent := exec.Command(os.Args[0], "-test.run=^TestHelperParent$")
	parent.Env = append(os.Environ(), "XBB_PID_FILE="+file)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, file)
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the program does not run: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	wantGone(t, pid)
}

// TestHelperParent is the process that TestDiesWithParent kills.
func TestHelperParent(t *testing.T) {
	file := os.Getenv("XBB_PID_FILE")
	if file == "" {
		return // it is for TestDiesWithParent alone
	}
	_, _ = shell(`echo $$ > "$1"; exec sleep 300`, file).Run(t.Context())
}

// pidIn waits for a process to write its number.
func pidIn(t *testing.T, file string) int {
	t.Helper()
	for range 1000 {
		b, err := os.ReadFile(file)
		if pid, perr := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && perr == nil {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no process number was written")
	return 0
}

// wantGone wants a process to be gone, or dead and not yet reaped, within a short time.
func wantGone(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return
		}
		if _, rest, ok := strings.Cut(string(b), ") "); ok && (rest[0] == 'Z' || rest[0] == 'X') {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}
