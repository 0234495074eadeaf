package secureboot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	// maxTail is how much of a signing program's output goes into an error, in bytes.
	maxTail = 2048
	// killGrace is how long a cancelled program's children may hold its output open.
	killGrace = 5 * time.Second
)

// Command signs with a program, for keys that no crypto.Signer reaches.
type Command struct {
	// Argv is the program and its first arguments. The path of the unsigned
	// image and the path to write the signed one to are added.
	Argv []string
}

// SignFile has the program sign the image unsigned into the new file signed,
// which must not exist. An error carries the exit status and the end of what the
// program printed. What the program made is not looked into: see [Verify].
func (c Command) SignFile(ctx context.Context, unsigned, signed string) error {
	if len(c.Argv) == 0 {
		return errors.New("no signing program given")
	}
	// A leftover would pass for the result of a program that does nothing.
	if _, err := os.Lstat(signed); err == nil {
		return fmt.Errorf("signing into %s: %w", signed, fs.ErrExist)
	}
	args := append(c.Argv[1:len(c.Argv):len(c.Argv)], unsigned, signed)
	cmd := exec.CommandContext(ctx, c.Argv[0], args...)
	cmd.WaitDelay = killGrace
	var output tail
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("signing %s with %s: %w%s", unsigned, c.Argv[0], err, output.text())
	}
	info, err := os.Lstat(signed)
	switch {
	case err != nil:
		return fmt.Errorf("signing %s with %s: it wrote nothing: %w%s", unsigned, c.Argv[0], err, output.text())
	case !info.Mode().IsRegular() || info.Size() == 0:
		return fmt.Errorf("signing %s with %s: %s is empty or not a file%s", unsigned, c.Argv[0], signed, output.text())
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-maxTail):]...)
	t.kept = t.kept[max(0, len(t.kept)-maxTail):]
	return len(p), nil
}

// text is the tail as the end of an error message.
func (t *tail) text() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.kept), "?"))
	if text == "" {
		return ""
	}
	return ": " + text
}
