package main

import (
	"context"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// runRemove takes every Xen entry and payload of ours away.
func runRemove(ctx context.Context, c *commandLine, ui *ui) error {
	return c.report(ctx, ui, func(target bootbuilder.Target) (*bootbuilder.Plan, error) {
		if c.dryRun {
			return bootbuilder.NewRemoval(target)
		}
		return bootbuilder.Remove(ctx, target, c.observer(ui, nil))
	}, ui.renderRemove)
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
	for _, f := range r.Removed {
		u.printf("removed %s %s (%s)\n", f.Kind, printable(f.Path), bootbuilder.FormatSize(f.Size))
	}
	u.loaderConf(r)
}
