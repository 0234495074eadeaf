package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// runInstall brings each ESP in line in turn, whatever becomes of the others.
func runInstall(ctx context.Context, c *commandLine, ui *ui) error {
	signer, err := c.signer(ui)
	if err != nil {
		return err
	}
	return c.eachESP(ui, func(target bootbuilder.Target) (*bootbuilder.Report, error) {
		return c.installOne(ctx, ui, target, signer)
	}, ui.renderInstall)
}

func (c *commandLine) installOne(ctx context.Context, ui *ui, target bootbuilder.Target, signer bootbuilder.Signer) (*bootbuilder.Report, error) {
	options := bootbuilder.Options{
		Root:    c.root,
		From:    bootbuilder.Source(c.from),
		Only:    c.only,
		Layout:  bootbuilder.Layout(c.layout),
		Default: bootbuilder.DefaultMode(c.defaultMode),
		Limit:   c.limit,
		Signer:  signer,
	}
	var plan *bootbuilder.Plan
	var err error
	if c.dryRun {
		if plan, err = bootbuilder.NewPlan(ctx, target, options); err == nil {
			err = plan.Check()
		}
	} else {
		var observer bootbuilder.Observer
		if c.verbosity == debug && !c.json {
			observer.Step = func(text string) { ui.printf("%s\n", printable(text)) }
		}
		plan, err = bootbuilder.Install(ctx, target, options, observer)
	}
	if plan == nil {
		return nil, err
	}
	defer plan.Close()
	report := plan.Report()
	report.DryRun = c.dryRun
	return report, err
}

// eachESP opens each ESP and does the work on it. One that fails does not keep the others
// from being done.
func (c *commandLine) eachESP(
	ui *ui,
	work func(bootbuilder.Target) (*bootbuilder.Report, error),
	render func(*commandLine, *bootbuilder.Report, error),
) error {
	if len(c.esps) == 0 {
		return usageError{errors.New("no ESP is given: --esp DIR, or efiMountPoint in the environment")}
	}
	if c.boot != "" && len(c.esps) > 1 {
		return usageError{errors.New("--boot goes with one --esp")}
	}
	var reports []*bootbuilder.Report
	failed := false
	for _, dir := range c.esps {
		report, err := c.withTarget(dir, work)
		if c.json {
			reports = append(reports, jsonReport(dir, report, err))
		} else {
			render(c, report, err)
		}
		if err != nil {
			failed = true
			if !c.json && len(c.esps) > 1 {
				err = fmt.Errorf("ESP %s: %w", dir, err)
			}
			ui.fail(err)
		}
	}
	if c.json {
		if err := ui.printJSON(c, reports); err != nil {
			return err
		}
	}
	if failed {
		return errReported
	}
	return nil
}

// withTarget opens the file systems, checks that they are mounted, and closes them after work.
func (c *commandLine) withTarget(dir string, work func(bootbuilder.Target) (*bootbuilder.Report, error)) (*bootbuilder.Report, error) {
	espFS, err := c.openDir("--esp", dir)
	if err != nil {
		return nil, err
	}
	defer espFS.Close()
	if c.boot == "" {
		return work(bootbuilder.NewTarget(espFS, nil))
	}
	boot, err := c.openDir("--boot", c.boot)
	if err != nil {
		return nil, err
	}
	defer boot.Close()
	return work(bootbuilder.NewTarget(espFS, boot))
}

func (c *commandLine) openDir(flag, dir string) (*esp.Dir, error) {
	if !c.allowUnmounted {
		state, err := esp.CheckMount(dir)
		if err != nil {
			return nil, hintMissing(err, flag)
		}
		if state == esp.Unmounted {
			return nil, bootbuilder.WithHint(
				fmt.Errorf("%s %s is an empty folder and no mount point", flag, dir),
				"mount the partition first; --allow-unmounted is for image builders who mean a plain folder")
		}
	}
	d, err := esp.OpenDir(dir)
	return d, hintMissing(err, flag)
}

func hintMissing(err error, flag string) error {
	if errors.Is(err, os.ErrNotExist) {
		return bootbuilder.WithHint(err, flag+" takes the folder that the partition is mounted on")
	}
	return err
}
