package bootbuilder

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/proven"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
)

// NewRemoval is the plan that takes every Xen entry and payload of ours away, and gives
// loader.conf its NixOS default back: for when Xen is switched off. It needs no root: what
// goes is decided by what is on $BOOT alone.
//
// efiVars is the directory of the EFI variables of the machine that the target belongs to (efivarfs), or "" where that is
// not the running one: a shot at one of our entries (LoaderEntryOneShot) is taken back.
func NewRemoval(ctx context.Context, target Target, efiVars string) (*Plan, error) {
	target, err := target.normal()
	if err != nil {
		return nil, err
	}
	res := &resources{}
	p, err := newRemoval(ctx, target, efiVars, res)
	if err != nil {
		return nil, errors.Join(fileHint(err), res.close())
	}
	return p, nil
}

func newRemoval(ctx context.Context, target Target, efiVars string, res *resources) (*Plan, error) {
	var err error
	if res.unlock, err = target.lock(ctx); err != nil {
		return nil, err
	}
	inventory, err := readInventory(target)
	if err != nil {
		return nil, err
	}
	conf, err := readLoaderConf(target)
	if err != nil {
		return nil, err
	}
	options := Options{Default: DefaultNixOS, From: FromAuto, EFIVars: efiVars}
	fw, warnings := readFirmware(efiVars)
	var found []generation.Generation
	for _, s := range selectors(inventory, target, FromAuto) {
		found = append(found, s.Named())
	}
	world := worldOf(target, options, fw, inventory, conf, "", found)
	world.input.Remove = true
	var outcomes []outcome
	for i, g := range found {
		outcomes = append(outcomes, outcome{Generation: g, skip: &generation.Skip{Reason: NotSelected}, isDefault: i == world.meant()})
	}
	verdict := reconcile(outcomes, inventory, true).withSizes()
	next := nextboot.Decide(world.after(outcomes, verdict))
	change := changeOf(target, nil, outcomes, inventory, verdict, conf, next)
	if _, text, err := readProven(target.Boot); err == nil && text != nil && verdict.blocked == nil {
		change.StalePayload = append(change.StalePayload, transaction.Place{FS: target.Boot, Name: proven.File})
	}
	change = withStaleDirectories(change)
	steps, err := transaction.Plan(change)
	if err != nil {
		return nil, err
	}
	return &Plan{
		target: target, options: options, removal: true, inventory: inventory, outcomes: outcomes, verdict: verdict,
		next: next, conf: conf, change: change, steps: steps, resources: res, applied: new(atomic.Bool),
		firmware: fw, arm: armingOf(fw, next),
		warnings: append(warnings, warn(target, options, fw, inventory, conf, outcomes, verdict, next, true)...),
	}, nil
}
