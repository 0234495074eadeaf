package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// What is printed where:
//
//   - stdout has what the user asked for: the report, a list, a JSON document.
//   - stderr has lines "xen-boot-builder: warning: …", "xen-boot-builder: error: …" and
//     "xen-boot-builder: hint: …", without a capital and without a full stop.
//   - Texts from documents and file names may hold anything; control bytes in them are
//     shown as escapes, so that none reaches a terminal.

// ui is where a run prints.
type ui struct {
	out, err           io.Writer
	colorOut, colorErr bool
}

const program = "xen-boot-builder"

// Styles, as SGR parameters (ECMA-48).
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
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
	return &ui{out: stdout, err: stderr, colorOut: wants(stdout), colorErr: wants(stderr)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func style(on bool, sgr, text string) string {
	if !on {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

// printf prints to stdout.
func (u *ui) printf(format string, args ...any) { fmt.Fprintf(u.out, format, args...) }

// paint styles text for stdout.
func (u *ui) paint(sgr, text string) string { return style(u.colorOut, sgr, text) }

func (u *ui) warn(text string) { u.complain(yellow, "warning", text) }

// fail prints an error, and what the user can do about it.
func (u *ui) fail(err error) {
	u.complain(red, "error", err.Error())
	if hint := hintOf(err); hint != "" {
		u.complain(cyan, "hint", hint)
	}
}

func (u *ui) complain(sgr, kind, text string) {
	fmt.Fprintf(u.err, "%s: %s %s\n", program, style(u.colorErr, sgr, kind+":"), printable(text))
}

func hintOf(err error) string {
	if hint := bootbuilder.Hint(err); hint != "" {
		return hint
	}
	if _, ok := err.(usageError); ok {
		return "run '" + program + " help'"
	}
	return ""
}

// printable shows control bytes as escapes, but for newlines and tabs.
func printable(s string) string {
	clean := func(r rune) bool {
		return (r < ' ' && r != '\n' && r != '\t') || (r >= 0x7f && r < 0xa0) || r == '\ufffd'
	}
	if strings.IndexFunc(s, clean) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if clean(r) {
			quoted := fmt.Sprintf("%+q", r)
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
