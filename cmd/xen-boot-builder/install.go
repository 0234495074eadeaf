package main

import (
	"context"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
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
	lock, err := c.openPCRLock(ctx)
	if err != nil {
		return err
	}
	defer lock.close()
	err = c.report(ctx, ui, func(target bootbuilder.Target) (*bootbuilder.Plan, error) {
		if !c.dryRun {
			bar := c.newProgress(ui)
			defer bar.finish()
			plan, err := bootbuilder.Install(ctx, target, options, c.observer(ui, bar))
			return plan, lock.add(ctx, plan, err)
		}
		plan, err := bootbuilder.NewPlan(ctx, target, options)
		if err != nil {
			return nil, err
		}
		return plan, plan.Check()
	}, ui.renderInstall)
	return lock.sweep(c, ui, err)
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
