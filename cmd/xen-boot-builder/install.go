package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// efivars is where Linux shows the running machine's EFI variables.
const efivars = "/sys/firmware/efi/efivars"

// runInstall brings each ESP in line in turn, whatever becomes of the others.
func runInstall(ctx context.Context, c *commandLine, ui *ui) error {
	signer, err := c.signer(ui)
	if err != nil {
		return err
	}
	options := bootbuilder.Options{
		Root:    c.root,
		From:    bootbuilder.Source(c.from),
		Only:    c.only,
		Layout:  bootbuilder.Layout(c.layout),
		Default: bootbuilder.DefaultMode(c.defaultMode),
		Limit:   c.limit,
		Signer:  signer,

		RunInitrdSecrets: c.runSecrets,
	}
	if c.root == "/" {
		options.EFIVars = efivars
	}
	return c.report(ui, func(target bootbuilder.Target) (*bootbuilder.Plan, error) {
		if !c.dryRun {
			bar := c.newProgress(ui)
			defer bar.finish()
			return bootbuilder.Install(ctx, target, options, c.observer(ui, bar))
		}
		plan, err := bootbuilder.NewPlan(ctx, target, options)
		if err != nil {
			return nil, err
		}
		return plan, plan.Check()
	}, ui.renderInstall)
}

// observer tells of each step in debug, and of progress on a terminal.
func (c *commandLine) observer(ui *ui, bar *progress) bootbuilder.Observer {
	var o bootbuilder.Observer
	if c.verbosity == debug && !c.json {
		start := time.Now()
		o.Step = func(text string) { ui.printf("[%8.3f s] %s\n", time.Since(start).Seconds(), printable(text)) }
	}
	if bar != nil {
		o.Progress = bar.update
	}
	return o
}

// report makes a plan for each ESP, done or not, and prints it.
func (c *commandLine) report(
	ui *ui,
	work func(bootbuilder.Target) (*bootbuilder.Plan, error),
	render func(*commandLine, *bootbuilder.Report, error),
) error {
	var reports []*bootbuilder.Report
	err := c.eachESP(ui, func(dir string, target bootbuilder.Target) error {
		plan, err := work(target)
		if plan == nil {
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
	if c.json {
		if jerr := ui.printJSON(c, reports); jerr != nil {
			return jerr
		}
	}
	return err
}

// eachESP opens each ESP and does the work on it. One that fails does not keep the others
// from being done; failed is told of those that could not even be worked on.
func (c *commandLine) eachESP(ui *ui, work func(dir string, target bootbuilder.Target) error, failed func(dir string, err error)) error {
	if len(c.esps) == 0 {
		return usageError{errors.New("no ESP is given: --esp DIR, or efiMountPoint in the environment")}
	}
	if c.boot != "" && len(c.esps) > 1 {
		return usageError{errors.New("--boot goes with one --esp")}
	}
	var result error
	for _, dir := range c.esps {
		worked := false
		err := c.withTarget(dir, func(target bootbuilder.Target) error {
			worked = true
			return work(dir, target)
		})
		if err == nil {
			continue
		}
		if !worked {
			failed(dir, err)
		}
		result = errReported
		if errors.Is(err, errReported) {
			continue
		}
		if len(c.esps) > 1 {
			err = fmt.Errorf("ESP %s: %w", dir, err)
		}
		ui.fail(err)
	}
	return result
}

// withTarget opens the file systems, checks that they are mounted, and closes them after work.
func (c *commandLine) withTarget(dir string, work func(bootbuilder.Target) error) error {
	espFS, err := c.openDir("--esp", dir)
	if err != nil {
		return err
	}
	defer espFS.Close()
	if c.boot == "" {
		return work(bootbuilder.NewTarget(espFS, nil))
	}
	boot, err := c.openDir("--boot", c.boot)
	if err != nil {
		return err
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
