package main

import (
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressAfter is how long work goes on before a bar is shown.
const progressAfter = time.Second

// progress shows how far long work is, on a terminal.
type progress struct {
	ui    *ui
	start time.Time
	bar   *progressbar.ProgressBar
}

// newProgress returns nil where there is nobody to look: in a pipe, or where the output
// is not meant for people.
func (c *commandLine) newProgress(ui *ui) *progress {
	if c.json || c.verbosity == quiet || c.verbosity == debug || !isTerminal(ui.err) {
		return nil
	}
	return &progress{ui: ui, start: time.Now()}
}

// update is told so many bytes of all, and the file in hand.
func (p *progress) update(done, total int64, name string) {
	if p.bar == nil {
		if time.Since(p.start) < progressAfter {
			return
		}
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(p.ui.err),
			progressbar.OptionShowBytes(true),
			progressbar.OptionSetWidth(20),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionEnableColorCodes(false),
			progressbar.OptionClearOnFinish(),
		)
	}
	p.bar.Describe(cut(printable(filepath.Base(name)), 28))
	_ = p.bar.Set64(min(done, total)) // a bar that can't be drawn is no reason to stop
}

// finish takes the bar off the terminal.
func (p *progress) finish() {
	if p != nil && p.bar != nil {
		_ = p.bar.Finish()
	}
}
