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
		plan, err := bootbuilder.NewRemoval(ctx, target, c.efivars())
		if err != nil {
			return nil, err
		}
		defer plan.Close()
		return c.carryOut(ctx, ui, plan, nil, lock)
	}, ui.renderRemove)
	return lock.sweep(c, ui, err)
}
