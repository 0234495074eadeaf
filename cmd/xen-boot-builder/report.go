package main

import (
	"context"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// report makes a plan for each ESP, done or not, and prints it.
func (c *commandLine) report(
	ctx context.Context,
	ui *ui,
	work func(bootbuilder.Target) (*bootbuilder.Plan, error),
	render func(*commandLine, *bootbuilder.Report, error),
) error {
	var reports []*bootbuilder.Report
	err := c.eachESP(ctx, ui, func(dir string, target bootbuilder.Target) error {
		plan, err := work(target)
		if plan == nil {
			reports = append(reports, bootbuilder.EmptyReport(dir).WithError(err))
			return err
		}
		defer plan.Close()
		report := plan.Report()
		report.DryRun = c.dryRun
		reports = append(reports, report.WithError(err))
		if !c.json {
			render(c, report, err)
		}
		return err
	}, func(dir string, err error) {
		reports = append(reports, bootbuilder.EmptyReport(dir).WithError(err))
	})
	if c.json && len(reports) > 0 {
		if jerr := ui.printJSON(document{bootbuilder.ReportSchema, c.command.name, reports}); jerr != nil {
			return jerr
		}
	}
	return err
}
