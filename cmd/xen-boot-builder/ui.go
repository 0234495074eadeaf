package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

// What is printed where:
//
//   - stdout has what the user asked for: the report, a list, a JSON document.
//   - stderr has lines "xen-boot-builder: warning: …", "xen-boot-builder: error: …" and
//     "xen-boot-builder: hint: …", without a capital and without a full stop.
//   - Texts from documents and file names may hold anything; what would steer a terminal or
//     deceive a reader is shown as escapes.

// ui is where a run prints.
type ui struct {
	out, err io.Writer
	// screen is what stdout is like, and errScreen stderr.
	screen, errScreen screen.Screen
	// failure is the last error that was printed, and documented says that a JSON document was.
	failure    error
	documented bool
	// words puts a message into the words of who reads it; nil leaves it.
	words func(string) string
}

const program = "xen-boot-builder"

// Styles, by shorter names.
const (
	bold   = screen.Bold
	red    = screen.Red
	green  = screen.Green
	yellow = screen.Yellow
	cyan   = screen.Cyan
	grey   = screen.Grey
)

func newUI(stdout, stderr io.Writer, color colorMode, getenv func(string) string) *ui {
	wants := func(w io.Writer) bool {
		switch color {
		case colorAlways:
			return true
		case colorNever:
			return false
		}
		return isTerminal(w) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	}
	look := func(w io.Writer) screen.Screen { return screen.Screen{Width: terminalWidth(w), Color: wants(w)} }
	return &ui{out: stdout, err: stderr, screen: look(stdout), errScreen: look(stderr)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalWidth is a terminal's number of columns, and 0 for anything else.
func terminalWidth(w io.Writer) int {
	if !isTerminal(w) {
		return 0
	}
	if width, _, err := term.GetSize(int(w.(*os.File).Fd())); err == nil && width > 0 {
		return width
	}
	return 80 // a serial console does not know
}

// printf prints to stdout.
func (u *ui) printf(format string, args ...any) { fmt.Fprintf(u.out, format, args...) }

// paint styles text for stdout.
func (u *ui) paint(style screen.Style, text string) string { return u.screen.Paint(style, text) }

func (u *ui) warn(text string) { u.complain(yellow, "warning", text) }

// fail prints an error, and what the user can do about it.
func (u *ui) fail(err error) {
	u.failure = err
	u.complain(red, "error", err.Error())
	if hint := hintOf(err); hint != "" {
		u.complain(cyan, "hint", hint)
	}
}

func (u *ui) complain(style screen.Style, kind, text string) {
	if u.words != nil {
		text = u.words(text)
	}
	fmt.Fprintf(u.err, "%s: %s %s\n", program, u.errScreen.Paint(style, kind+":"), printable(text))
}

func hintOf(err error) string {
	if hint := bootbuilder.Hint(err); hint != "" {
		return hint
	}
	if usage, ok := err.(usageError); ok {
		if usage.hint != "" {
			return usage.hint
		}
		return "run '" + program + " help'"
	}
	return ""
}

// printable shows as escapes what can't be seen, but for newlines and tabs.
func printable(s string) string { return screen.PrintableText(s) }
