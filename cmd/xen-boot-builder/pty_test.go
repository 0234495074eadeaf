package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// scriptPTY is the scripts' command pty.
func scriptPTY(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, false, args, 2, -1)
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "efiMountPoint", "NO_COLOR", "TERM"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	streams, size, sized := strings.Cut(args[0], ":")
	columns := 80
	if sized {
		var err error
		columns, err = strconv.Atoi(size)
		ts.Check(err)
	}
	printed, err := onTerminal(cmd, streams, columns)
	fmt.Fprintf(ts.Stdout(), "%s", printed)
	if neg == (err == nil) {
		ts.Fatalf("%v", err)
	}
}

// onTerminal runs cmd with a pseudo-terminal of so many columns as its stdout, stderr or both, and returns
// what it printed there.
func onTerminal(cmd *exec.Cmd, streams string, columns int) ([]byte, error) {
	control, terminal, err := openPTY()
	if err != nil {
		return nil, err
	}
	defer control.Close()
	defer terminal.Close()
	if err := unix.IoctlSetWinsize(int(control.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)}); err != nil {
		return nil, err
	}
	switch streams {
	case "stdout":
		cmd.Stdout = terminal
	case "stderr":
		cmd.Stderr = terminal
	case "both":
		cmd.Stdout, cmd.Stderr = terminal, terminal
	default:
		return nil, fmt.Errorf("%q is neither stdout, stderr nor both", streams)
	}
	printed := make(chan []byte)
	go func() {
		var b bytes.Buffer
		_, _ = io.Copy(&b, control) // ends with EIO, once nobody has the terminal open
		printed <- bytes.ReplaceAll(b.Bytes(), []byte("\r\n"), []byte("\n"))
	}()
	err = cmd.Run()
	terminal.Close()
	return <-printed, err
}

// openPTY opens both ends of a new pseudo-terminal (pts(4)).
func openPTY() (control, terminal *os.File, err error) {
	control, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(control.Fd())
	err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	n := 0
	if err == nil {
		n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		control.Close()
		return nil, nil, fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	return control, terminal, nil
}
