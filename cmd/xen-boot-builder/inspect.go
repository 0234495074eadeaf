package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// runList lists the Xen entries.
func runList(ctx context.Context, c *commandLine, ui *ui) error {
	options := bootbuilder.InspectOptions{EFIVars: c.efivars()}
	return c.inspect(ctx, ui, func(target bootbuilder.Target) (*bootbuilder.Inspection, error) {
		return bootbuilder.List(ctx, target, options)
	}, ui.renderList)
}

// runVerify says which of them can boot; one that can't is a failure.
func runVerify(ctx context.Context, c *commandLine, ui *ui) error {
	options := bootbuilder.InspectOptions{Root: c.root, EFIVars: c.efivars()}
	var err error
	if options.Certificate, err = c.certificate(); err != nil {
		return err
	}
	verify := func(target bootbuilder.Target) (*bootbuilder.Inspection, error) {
		i, err := bootbuilder.Verify(ctx, target, options)
		if err == nil && !i.OK() {
			err = errProblems
		}
		return i, err
	}
	return c.inspect(ctx, ui, verify, ui.renderVerify)
}

// errProblems is what verify found, once it was printed.
var errProblems = fmt.Errorf("%w: problems were found", errReported)

func (c *commandLine) inspect(
	ctx context.Context,
	ui *ui,
	work func(bootbuilder.Target) (*bootbuilder.Inspection, error),
	render func(*bootbuilder.Inspection),
) error {
	var all []*bootbuilder.Inspection
	err := c.eachESP(ctx, ui, func(dir string, target bootbuilder.Target) error {
		i, err := work(target)
		if i == nil {
			all = append(all, bootbuilder.FailedInspection(dir, err))
		} else {
			all = append(all, i)
			if !c.json {
				render(i)
			}
		}
		return err
	}, func(dir string, err error) {
		all = append(all, bootbuilder.FailedInspection(dir, err))
	})
	if c.json && len(all) > 0 {
		if jerr := ui.printJSON(inspectionDocument{bootbuilder.ReportSchema, c.command.name, all}); jerr != nil {
			return jerr
		}
	}
	return err
}

// inspectionDocument is what list and verify print with --json.
type inspectionDocument struct {
	Schema  int                       `json:"schema"`
	Command string                    `json:"command"`
	ESPs    []*bootbuilder.Inspection `json:"esps"`
}

// renderList prints a table that fits 80 columns: what is too long for its column is cut
// on the right, but for the id.
func (u *ui) renderList(i *bootbuilder.Inspection) {
	if len(i.Entries) == 0 {
		u.printf("no Xen entries on %s\n", printable(i.Boot))
		return
	}
	rows := [][]string{{"ENTRY", "XEN", "LAYOUT", "SIZE", "STATE"}}
	for _, e := range i.Entries {
		id := strings.TrimSuffix(strings.TrimSuffix(e.ID, ".conf"), ".efi")
		if e.Default {
			id += " *"
		}
		rows = append(rows, []string{printable(id), orDash(printable(e.XenVersion)), string(e.Layout), esp.FormatSize(e.Size), stateWord(e)})
	}
	widths := columnWidths(rows)
	for n, row := range rows {
		line := ""
		for col, cell := range row {
			if col == len(row)-1 {
				cell = u.paint(stateSGR(n, i), cell)
			}
			line += pad(cell, widths[col], col == len(row)-1)
		}
		u.printf("%s\n", line)
		if n == 0 {
			continue
		}
		e := i.Entries[n-1]
		if text := printable(strings.TrimSpace(e.Title + ": " + e.Version)); text != ":" {
			u.printf("  %s\n", cut(text, 78))
		}
		for _, p := range e.Problems {
			u.printf("  %s\n", u.paint(red, printable(p)))
		}
	}
	if slices.ContainsFunc(i.Entries, func(e bootbuilder.EntryStatus) bool { return e.Default }) {
		u.printf("* is what loader.conf starts\n")
	}
}

func stateWord(e bootbuilder.EntryStatus) string {
	return string(e.Health)
}

func stateSGR(row int, i *bootbuilder.Inspection) screen.Style {
	switch {
	case row == 0:
		return bold
	}
	return healthStyle(i.Entries[row-1].Health)
}

func healthStyle(h bootbuilder.Health) screen.Style {
	switch h {
	case bootbuilder.OK:
		return green
	case bootbuilder.Outdated:
		return cyan
	}
	return red
}

func columnWidths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for n, cell := range row {
			widths[n] = max(widths[n], len([]rune(cell)))
		}
	}
	return widths
}

func pad(cell string, width int, last bool) string {
	if last {
		return cell
	}
	return cell + strings.Repeat(" ", width-len([]rune(cell))+2)
}

// cut shortens a text to so many characters.
func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// renderVerify prints one line for each entry, and what is wrong below it.
func (u *ui) renderVerify(i *bootbuilder.Inspection) {
	bad := 0
	for _, e := range i.Entries {
		state := u.paint(healthStyle(e.Health), string(e.Health))
		if e.Health == bootbuilder.Broken || e.Health == bootbuilder.Forged {
			bad++
		}
		u.printf("%s: %s\n", printable(e.ID), state)
		for _, p := range e.Problems {
			u.printf("  %s\n", printable(p))
		}
	}
	for _, p := range i.Problems {
		u.printf("%s %s\n", u.paint(red, "problem:"), printable(p))
	}
	for _, n := range i.Notes {
		u.printf("%s %s\n", u.paint(cyan, "note:"), printable(n))
	}
	if !i.Signatures {
		u.printf("signatures: not checked\n")
	}
	u.printf("%s, %d of them with problems\n", count(len(i.Entries), "Xen entry", "Xen entries"), bad)
}
