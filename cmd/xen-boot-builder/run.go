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
// it went. Ordinary output goes to stdout; warnings, errors and hints to stderr. With --json stdout
// gets one document, whatever happens: where the command printed none, one that says what went wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, env environment) int {
	c, err := parseCommandLine(args, env)
	ui := newUI(stdout, stderr, c.color, env.getenv)
	if err == nil {
		ui.words = c.words()
		err = c.command.run(ctx, c, ui)
	}
	if err == nil {
		return exitDone
	}
	if !errors.Is(err, errReported) {
		ui.fail(err)
	}
	if c.json && !ui.documented {
		if jerr := ui.printJSON(failureOf(c.commandName(args), ui.failure)); jerr != nil {
			ui.fail(jerr)
		}
	}
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// commandName is the command that was meant, even where the command line could not be read that far.
func (c *commandLine) commandName(args []string) string {
	if c.command != nil {
		return c.command.name
	}
	for _, arg := range args {
		if cmd := findCommand(arg); cmd != nil {
			return cmd.name
		}
	}
	return "install"
}

// errReported ends a run as failed where all that is to be said was said.
var errReported = errors.New("failed")

// usageError is a wrong command line or configuration file, and what was probably meant.
type usageError struct {
	error
	hint string // "" where the usage text is what helps
}

func (e usageError) Unwrap() error { return e.error }
