package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

// runList lists the Xen entries.
func runList(ctx context.Context, c *commandLine, ui *ui) error {
	return c.inspect(ctx, ui, bootbuilder.List, ui.renderList)
}

// runVerify says which of them can boot; one that can't is a failure.
func runVerify(ctx context.Context, c *commandLine, ui *ui) error {
	options := bootbuilder.InspectOptions{Root: c.root}
	if c.signCert != "" {
		var err error
		if options.Certificate, err = bootbuilder.LoadCertificate(c.signCert); err != nil {
			return err
		}
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
			all = append(all, bootbuilder.EmptyInspection(dir, err))
		} else {
			all = append(all, i)
			if !c.json {
				render(i)
			}
		}
		return err
	}, func(dir string, err error) {
		all = append(all, bootbuilder.EmptyInspection(dir, err))
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

// renderList prints a table: the whole of it in a pipe, and on a terminal what fits. An id is never
// cut: it is what people copy.
func (u *ui) renderList(i *bootbuilder.Inspection) {
	if len(i.Entries) == 0 {
		u.printf("no Xen entries on %s\n", printable(i.Boot))
		return
	}
	table := screen.Table{Columns: []screen.Column{
		{},
		{Title: "ENTRY"},
		{Title: "XEN", Min: 6, Drop: 2},
		{Title: "LAYOUT", Drop: 1},
		{Title: "SIZE", Right: true, Drop: 3},
		{Title: "STATE"},
	}}
	hasDefault := false
	for _, e := range i.Entries {
		mark, state := "", screen.Cell{Text: "ok", Style: green}
		if e.Default {
			mark, hasDefault = "*", true
		}
		if len(e.Problems) > 0 {
			state = screen.Cell{Text: "broken", Style: red}
		}
		row := screen.Row{Cells: []screen.Cell{
			{Text: mark},
			{Text: strings.TrimSuffix(strings.TrimSuffix(e.ID, ".conf"), ".efi")},
			{Text: cmp.Or(e.XenVersion, "-")},
			{Text: string(e.Layout)},
			{Text: bootbuilder.FormatSize(e.Size)},
			state,
		}}
		if e.Title != "" || e.Version != "" {
			row.Below = append(row.Below, screen.Cell{Text: e.Title + ": " + e.Version})
		}
		for _, p := range e.Problems {
			row.Below = append(row.Below, screen.Cell{Text: p, Style: red})
		}
		table.Rows = append(table.Rows, row)
	}
	for _, line := range table.Lines(u.screen) {
		u.printf("%s\n", line)
	}
	if hasDefault {
		u.printf("* is what loader.conf starts\n")
	}
}

// renderVerify prints one line for each entry, and what is wrong below it.
func (u *ui) renderVerify(i *bootbuilder.Inspection) {
	bad := 0
	for _, e := range i.Entries {
		state := u.paint(green, "ok")
		if len(e.Problems) > 0 {
			state = u.paint(red, "broken")
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
	u.printf("%s, %d of them with problems\n", count(len(i.Entries), "Xen entry", "Xen entries"), bad)
}
