package main

import (
	"context"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// runRemove takes every Xen entry and payload of ours away.
func runRemove(ctx context.Context, c *commandLine, ui *ui) error {
	lock, err := c.openPCRLock(ctx)
	if err != nil {
		return c.failAll(ui, err)
	}
	defer lock.close()
	err = c.report(ctx, ui, func(target bootbuilder.Target) (*bootbuilder.Report, error) {
		plan, err := bootbuilder.NewRemoval(ctx, target)
		if err != nil {
			return nil, err
		}
		defer plan.Close()
		return c.carryOut(ctx, ui, plan, nil, lock)
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
