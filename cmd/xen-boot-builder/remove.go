package main

import (
	"context"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// runRemove takes every Xen entry and payload of ours away.
func runRemove(ctx context.Context, c *commandLine, ui *ui) error {
	lock, err := c.openPCRLock(ctx)
	if err != nil {
		return err
	}
	defer lock.close()
	err = c.report(ctx, ui, func(target bootbuilder.Target) (*bootbuilder.Plan, error) {
		if c.dryRun {
			return bootbuilder.NewRemoval(target)
		}
		plan, err := bootbuilder.Remove(ctx, target, c.observer(ui, nil))
		return plan, lock.add(ctx, plan, err)
	}, ui.renderRemove)
	return lock.sweep(c, ui, err)
}

func (u *ui) renderRemove(c *commandLine, r *bootbuilder.Report, err error) {
	if r == nil || c.verbosity == quiet {
		return
	}
	outcome := "done."
	switch {
	case err != nil:
		outcome = "failed."
	case len(r.Removed) == 0:
		outcome = "none found."
	case r.DryRun:
		outcome = "nothing removed (dry run)."
	}
	u.printf("Removing Xen Project Hypervisor boot entries...%s\n", outcome)
	if c.verbosity == normal {
		return
	}
	u.removed(r)
	u.loaderConf(r)
}
