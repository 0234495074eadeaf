package main

import (
	"context"
	"fmt"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

// runList lists the Xen entries.
func runList(ctx context.Context, c *commandLine, ui *ui) error {
	options := bootbuilder.InspectOptions{EFIVars: c.efivars()}
	return c.inspect(ctx, ui, func(target bootbuilder.Target) (*bootbuilder.Inspection, error) {
		return bootbuilder.List(ctx, target, options)
	}, func(i *bootbuilder.Inspection) {
		if len(c.esps) > 1 {
			ui.printf("%s\n", ui.paint(bold, printable(i.ESP)))
		}
		ui.renderList(i)
	})
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

func healthStyle(h bootbuilder.Health) screen.Style {
	switch h {
	case bootbuilder.OK:
		return green
	case bootbuilder.Outdated:
		return cyan
	}
	return red
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
