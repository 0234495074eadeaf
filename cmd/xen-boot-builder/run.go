package main

import (
	"context"
	"errors"
	"io"
)

// Exit codes, as CLI users and installers see them.
const (
	exitDone   = 0 // warnings may have been printed
	exitFailed = 1 // failed, or done in part
	exitUsage  = 2 // the command line is wrong
)

// run is the whole program: it parses the command line, does the work, and says how
// it went. Ordinary output goes to stdout; warnings, errors and hints to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, env environment) int {
	c, err := parseCommandLine(args, env)
	ui := newUI(stdout, stderr, c.color, env.getenv)
	if err == nil {
		err = c.command.run(ctx, c, ui)
	}
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		ui.fail(err)
		return exitUsage
	case !errors.Is(err, errReported):
		ui.fail(err)
	}
	return exitFailed
}

// errReported ends a run as failed where all that is to be said was said.
var errReported = errors.New("failed")

// usageError is a wrong command line or configuration file, and what was probably meant.
type usageError struct {
	error
	hint string // "" where the usage text is what helps
}

func (e usageError) Unwrap() error { return e.error }
