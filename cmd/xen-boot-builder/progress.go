package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

const (
	// progressAfter is how long work goes on before a bar is shown.
	progressAfter = time.Second
	// progressEvery is how long a bar stays before it is drawn anew.
	progressEvery = 100 * time.Millisecond
)

// progress shows how far long work is, on a terminal. A bar that can't be drawn is no reason to
// stop: errors of writing it are passed over.
type progress struct {
	ui    *ui
	next  time.Time // not drawn before
	drawn bool
}

// clearLine takes a line off a terminal (EL of ECMA-48).
const clearLine = "\r\x1b[2K"

// newProgress returns nil where there is nobody to look: in a pipe, or where the output
// is not meant for people.
func (c *commandLine) newProgress(ui *ui) *progress {
	if c.json || c.verbosity == quiet || c.verbosity == debug || !isTerminal(ui.err) {
		return nil
	}
	return &progress{ui: ui, next: time.Now().Add(progressAfter)}
}

// update is told so many bytes of all, and the file in hand.
func (p *progress) update(done, total int64, name string) {
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next, p.drawn = now.Add(progressEvery), true
	fmt.Fprintf(p.ui.err, "%s%s", clearLine, screen.Bar(p.ui.errScreen, done, total, filepath.Base(name)))
}

// finish takes the bar off the terminal.
func (p *progress) finish() {
	if p != nil && p.drawn {
		fmt.Fprint(p.ui.err, clearLine)
	}
}
