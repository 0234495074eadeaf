package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestBinary holds what only a real process can show. The program is built once.
func TestBinary(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "go")
	b := binary(filepath.Join(t.TempDir(), program))
	build := exec.Command("go", "build", "-buildvcs=false", "-o", string(b), ".")
	// Without cgo it also runs below a chroot.
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for name, test := range map[string]func(*testing.T, binary){
		"faults":         testFaults,
		"no-op":          testNoOp,
		"steps":          testSteps,
		"screens":        testScreens,
		"widths":         testWidths,
		"two at once":    testTwoAtOnce,
		"fails halfway":  testFailsHalfway,
		"waits":          testWaits,
		"terminated":     testTerminated,
		"second signal":  testSecondSignal,
		"progress bar":   testProgressBar,
		"nobody reads":   testNobodyReads,
		"sizes":          testSizes,
		"read-only":      testReadOnly,
		"permissions":    testPermissions,
		"drop-in":        testDropIn,
		"bootctl":        testBootctl,
		"beside bootctl": testBesideBootctl,
		"json failures":  testJSONFailures,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

// binary is the path of the program.
type binary string

// outcome of a process.
type processResult struct {
	code           int // -1 if a signal ended it
	stdout, stderr string
}

func (b binary) command(args ...string) *exec.Cmd {
	return cleanCommand(string(b), args...)
}

// cleanCommand is a command without the environment that changes what the program does.
func cleanCommand(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C"}
	return cmd
}

// runProcess runs a command to its end. An error is one of starting it.
func runProcess(cmd *exec.Cmd) (processResult, error) {
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return processResult{}, err
	}
	return processResult{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}, nil
}

func (b binary) mustRun(t *testing.T, args ...string) processResult {
	t.Helper()
	r, err := runProcess(b.command(args...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// flags name a machine on the command line.
func (m machine) flags(more ...string) []string {
	args := []string{"--root", m.root, "--esp", m.esp}
	if m.boot != m.esp {
		args = append(args, "--boot", m.boot)
	}
	return append(args, more...)
}

// mustInstall runs an install that has to succeed without a word of complaint, and
// returns what is on the ESP then.
func (b binary) mustInstall(t *testing.T, m machine, more ...string) map[string]string {
	t.Helper()
	if r := b.mustRun(t, m.flags(more...)...); r.code != exitDone || r.stderr != "" {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	return mustSnapshot(t, m.esp)
}

func wantSame(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// wantComplaint wants one error, and a hint with it.
func wantComplaint(t *testing.T, stderr string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], program+": error: ") || !strings.HasPrefix(lines[1], program+": hint: ") {
		t.Errorf("stderr is not an error and a hint:\n%s", stderr)
	}
}
