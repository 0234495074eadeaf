package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// runList lists the generations and their Xen entries.
func runList(ctx context.Context, c *commandLine, ui *ui) error {
	options := c.inspectOptions()
	return c.inspect(ctx, ui, func(target bootbuilder.Target) (*bootbuilder.Inspection, error) {
		return bootbuilder.List(ctx, target, options)
	}, func(i *bootbuilder.Inspection, heading string) {
		ui.lines(listLines(ui.screen, i, heading))
		for _, n := range i.Notes {
			ui.complain(cyan, "note", n)
		}
	})
}

// runVerify says which of them can boot; one that can't is a failure.
func runVerify(ctx context.Context, c *commandLine, ui *ui) error {
	options := c.inspectOptions()
	var err error
	if options.Certificate, err = c.certificate(); err != nil {
		return c.failInspection(ui, err)
	}
	if options.Variants, err = c.readVariants(); err != nil {
		return c.failInspection(ui, err)
	}
	said := false // that signatures were not checked
	return c.inspect(ctx, ui, func(target bootbuilder.Target) (*bootbuilder.Inspection, error) {
		i, err := bootbuilder.Verify(ctx, target, options)
		if err == nil && !i.OK() {
			err = errProblems
		}
		return i, err
	}, func(i *bootbuilder.Inspection, heading string) {
		lines := verifyLines(ui.screen, i, heading, c.verbosity == quiet)
		if said { // of another ESP
			lines = slices.DeleteFunc(lines, func(line string) bool { return line == notChecked })
		}
		said = said || slices.Contains(lines, notChecked)
		ui.lines(lines)
		for _, hint := range repairHints(i.Entries) {
			ui.complain(cyan, "hint", hint)
		}
	})
}

// inspectOptions are what list and verify look at, and what an install would do.
func (c *commandLine) inspectOptions() bootbuilder.InspectOptions {
	return bootbuilder.InspectOptions{
		Root: c.root, EFIVars: c.efivars(), Only: c.only, From: bootbuilder.Source(c.from), KeepDebug: c.keepDebug,
	}
}

// errProblems is what verify found, once it was printed.
var errProblems = fmt.Errorf("%w: problems were found", errReported)

// failInspection is for what keeps every ESP from being looked at: with --json there is a document all the same.
func (c *commandLine) failInspection(ui *ui, err error) error {
	places, perr := c.places()
	var usage usageError
	if !c.json || perr != nil || errors.As(err, &usage) {
		return err
	}
	var all []*bootbuilder.Inspection
	for _, dir := range places {
		all = append(all, failedInspection(dir, err))
	}
	return errors.Join(ui.printJSON(inspectionDocument{bootbuilder.ReportSchema, c.command.name, all}), err)
}

func (c *commandLine) inspect(
	ctx context.Context,
	ui *ui,
	work func(bootbuilder.Target) (*bootbuilder.Inspection, error),
	render func(i *bootbuilder.Inspection, heading string),
) error {
	var all []*bootbuilder.Inspection
	err := c.eachESP(ctx, ui, func(dir string, target bootbuilder.Target) error {
		i, err := work(target)
		if i == nil {
			all = append(all, failedInspection(dir, err))
			return err
		}
		all = append(all, i)
		if !c.json {
			render(i, c.heading(dir))
		}
		return err
	}, func(dir string, err error) {
		all = append(all, failedInspection(dir, err))
	})
	if c.json && len(all) > 0 {
		if jerr := ui.printJSON(inspectionDocument{bootbuilder.ReportSchema, c.command.name, all}); jerr != nil {
			return jerr
		}
	}
	return err
}

// heading is printed above what is said of one ESP, "" where there is only one.
func (c *commandLine) heading(dir string) string {
	if len(c.esps) > 1 {
		return dir
	}
	return ""
}

// inspectionDocument is what list and verify print with --json.
type inspectionDocument struct {
	Schema  int                       `json:"schema"`
	Command string                    `json:"command"`
	ESPs    []*bootbuilder.Inspection `json:"esps"`
}

// runDiff compares two generations.
func runDiff(ctx context.Context, c *commandLine, ui *ui) error {
	options := bootbuilder.InspectOptions{Root: c.root}
	var all []*bootbuilder.CompareReport
	err := c.eachESP(ctx, ui, func(dir string, target bootbuilder.Target) error {
		r, err := bootbuilder.Compare(ctx, target, options, c.args[0], c.args[1])
		if err != nil {
			all = append(all, failedCompare(c.args[0], c.args[1], err))
			return err
		}
		all = append(all, r)
		if !c.json {
			ui.lines(withHeading(ui.screen, c.heading(dir), compareLines(ui.screen, r, c.full)))
		}
		return nil
	}, func(_ string, err error) {
		all = append(all, failedCompare(c.args[0], c.args[1], err))
	})
	if c.json && len(all) > 0 {
		if jerr := ui.printJSON(compareDocument{bootbuilder.ReportSchema, c.command.name, all}); jerr != nil {
			return jerr
		}
	}
	return err
}

// compareDocument is what diff prints with --json.
type compareDocument struct {
	Schema  int                          `json:"schema"`
	Command string                       `json:"command"`
	ESPs    []*bootbuilder.CompareReport `json:"esps"`
}

// runStatus says how the machine is doing.
func runStatus(ctx context.Context, c *commandLine, ui *ui) error {
	options := bootbuilder.StatusOptions{Root: c.root, From: bootbuilder.Source(c.from), EFIVars: c.efivars(), Sys: c.sysfs()}
	var all []*bootbuilder.StatusReport
	err := c.eachESP(ctx, ui, func(dir string, target bootbuilder.Target) error {
		r, err := bootbuilder.Status(ctx, target, options)
		if err != nil {
			all = append(all, failedStatus(dir, err))
			return err
		}
		all = append(all, r)
		if !c.json {
			ui.lines(statusLines(ui.screen, r, c.heading(dir)))
		}
		return nil
	}, func(dir string, err error) {
		all = append(all, failedStatus(dir, err))
	})
	if c.json && len(all) > 0 {
		if jerr := ui.printJSON(statusDocument{bootbuilder.ReportSchema, c.command.name, all}); jerr != nil {
			return jerr
		}
	}
	return err
}

// statusDocument is what status prints with --json.
type statusDocument struct {
	Schema  int                         `json:"schema"`
	Command string                      `json:"command"`
	ESPs    []*bootbuilder.StatusReport `json:"esps"`
}
