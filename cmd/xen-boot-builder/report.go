package main

import (
	"context"
	"errors"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// report does the work on each ESP and prints what became of it.
func (c *commandLine) report(
	ctx context.Context,
	ui *ui,
	work func(bootbuilder.Target) (*bootbuilder.Report, error),
	render func(*commandLine, *bootbuilder.Report, error),
) error {
	var reports []*bootbuilder.Report
	err := c.eachESP(ctx, ui, func(dir string, target bootbuilder.Target) error {
		report, err := work(target)
		err = c.inNixOSWords(err)
		if report == nil {
			reports = append(reports, failedReport(dir, err))
			return err
		}
		report.DryRun = c.dryRun
		reports = append(reports, withError(report, err))
		if !c.json {
			render(c, report, err)
		}
		return err
	}, func(dir string, err error) {
		reports = append(reports, failedReport(dir, err))
	})
	if c.json && len(reports) > 0 {
		if jerr := ui.printJSON(document{bootbuilder.ReportSchema, c.command.name, reports}); jerr != nil {
			return jerr
		}
	}
	return err
}

// failAll is for what keeps every ESP from being looked at: with --json there is a document all the same.
func (c *commandLine) failAll(ui *ui, err error) error {
	var usage usageError
	if !c.json || errors.As(err, &usage) {
		return err
	}
	places, perr := c.places()
	if perr != nil {
		return usageError{error: perr}
	}
	var reports []*bootbuilder.Report
	for _, dir := range places {
		reports = append(reports, failedReport(dir, err))
	}
	return errors.Join(ui.printJSON(document{bootbuilder.ReportSchema, c.command.name, reports}), err)
}
