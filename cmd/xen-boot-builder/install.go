package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// runInstall brings each ESP in line in turn, whatever becomes of the others.
func runInstall(ctx context.Context, c *commandLine, ui *ui) error {
	keys, err := c.keys(ui)
	if err != nil {
		return c.failAll(ui, err)
	}
	variants, err := c.readVariants()
	if err != nil {
		return c.failAll(ui, err)
	}
	limit, fit, err := c.limits()
	if err != nil {
		return usageError{error: err}
	}
	options := bootbuilder.Options{
		Variants:    variants,
		Root:        c.root,
		From:        bootbuilder.Source(c.from),
		Only:        c.only,
		Layout:      bootbuilder.Layout(c.layout),
		Default:     bootbuilder.DefaultMode(c.defaultMode),
		Limit:       limit,
		Fit:         fit,
		Certificate: keys.certificate,
		Secrets:     c.secretsMode(),
		EFIVars:     c.efivars(),
		Sys:         c.sysfs(),
		DryRun:      c.dryRun,

		SignUnverifiedInitrds: c.unverifiedInitrds,
		KeepDebug:             c.keepDebug,
	}
	lock, err := c.openPCRLock(ctx)
	if err != nil {
		return c.failAll(ui, err)
	}
	defer lock.close()
	install := func(target bootbuilder.Target) (*bootbuilder.Report, error) {
		start := time.Now()
		plan, err := bootbuilder.NewPlan(ctx, target, options)
		if err != nil {
			return nil, err
		}
		if c.verbosity == debug && !c.json {
			for _, stage := range plan.Stages() {
				ui.printf("[%8.3f s] %s\n", stage.Seconds, stage.Step)
			}
			ui.printf("%s planned\n", since(start))
		}
		defer plan.Close()
		return c.carryOut(ctx, ui, plan, keys.signer, lock)
	}
	err = c.report(ctx, ui, func(target bootbuilder.Target) (*bootbuilder.Report, error) {
		report, err := install(target)
		if fit && errors.Is(err, syscall.ENOSPC) {
			// What dead runs left is gone now: only now it shows how many fit.
			return install(target)
		}
		return report, err
	}, ui.renderInstall)
	return lock.sweep(c, ui, err)
}

// readVariants reads the files of --variant.
func (c *commandLine) readVariants() ([]bootbuilder.Variant, error) {
	var list []bootbuilder.Variant
	for _, value := range c.variants {
		name, file, ok := strings.Cut(value, "=")
		if !ok {
			return nil, usageError{error: fmt.Errorf("--variant %s: it takes NAME=FILE", value)}
		}
		text, err := readLimited(file, maxVariant)
		if err != nil {
			return nil, err
		}
		v, err := bootbuilder.ParseVariant(name, []byte(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		list = append(list, v)
	}
	return list, nil
}

// maxVariant bounds what is read of a variant's file, in bytes.
const maxVariant = 64 << 10

// carryOut applies a plan, or checks it where that is all that is asked for, and reports.
func (c *commandLine) carryOut(
	ctx context.Context, ui *ui, plan *bootbuilder.Plan, sign bootbuilder.Signer, lock *pcrLock,
) (*bootbuilder.Report, error) {
	lock.advise(c, ui, plan)
	if c.dryRun {
		if c.verbosity == debug && !c.json {
			for _, step := range plan.Steps() {
				ui.printf("would %s\n", printable(step))
			}
		}
		return plan.Report(nil), plan.Check()
	}
	bar := c.newProgress(ui)
	defer bar.finish()
	done, err := plan.Apply(ctx, sign, c.observer(ui, bar))
	err = lock.add(ctx, plan, done, err)
	return plan.Report(done), err
}

// secretsMode is what --run-initrd-secrets says.
func (c *commandLine) secretsMode() bootbuilder.SecretsMode {
	switch c.runSecrets {
	case "true", "yes", "run":
		return bootbuilder.SecretsRun
	case "false", "no", "never":
		return bootbuilder.SecretsNever
	}
	return bootbuilder.SecretsAuto
}

// isRunning reports whether the target belongs to the running system.
func (c *commandLine) isRunning() bool { return c.root == c.running.root && c.espImage == "" }

// efivars is where the EFI variables of the target's machine are: known where that is the running one.
func (c *commandLine) efivars() string {
	if !c.isRunning() {
		return ""
	}
	return c.running.efivars
}

// sysfs is that of the target's machine, as efivars is.
func (c *commandLine) sysfs() string {
	if !c.isRunning() {
		return ""
	}
	return c.running.sys
}

// observer tells of each step in debug, and of progress on a terminal.
func (c *commandLine) observer(ui *ui, bar *progress) bootbuilder.Observer {
	var o bootbuilder.Observer
	if c.verbosity == debug && !c.json {
		start := time.Now()
		o.Step = func(text string) { ui.printf("%s %s\n", since(start), printable(text)) }
	}
	if bar != nil {
		o.Progress = bar.update
	}
	return o
}
