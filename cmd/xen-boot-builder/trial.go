package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// machine is the running system: where its EFI variables and sysfs are, or what the flags say.
func (c *commandLine) machine() bootbuilder.Machine {
	return bootbuilder.Machine{Root: c.root, EFIVars: c.efivars(), Sys: c.running.sys, Today: time.Now()}
}

// runBless says of the entry that was started that it has proven itself.
func runBless(ctx context.Context, c *commandLine, ui *ui) error {
	if c.blessCheck != "" {
		if err := runCheck(ctx, c.blessCheck); err != nil {
			return bootbuilder.WithHint(fmt.Errorf("not blessed: %w", err), "the check of --check refused; after a reboot what has proven itself starts again")
		}
	}
	var elsewhere error // of an ESP that has nothing of what was started
	var done *bootbuilder.BlessReport
	err := c.eachESP(ctx, ui, func(dir string, target bootbuilder.Target) error {
		r, err := bootbuilder.Bless(ctx, target, c.machine())
		if bootbuilder.IsRefusal(err) {
			elsewhere = err
			return nil
		}
		if err != nil {
			return err
		}
		if done == nil {
			done = r
		}
		if !c.json && c.verbosity != quiet {
			word := "has proven itself already"
			if r.Changed {
				word = "has proven itself, and starts by default"
			}
			ui.printf("%s on Xen %s %s\n", printable(r.Entry), printable(r.XenVersion), word)
		}
		return nil
	}, func(string, error) {})
	if err == nil && done == nil {
		err = elsewhere
	}
	return printOne(c, ui, done, err)
}

// printOne prints what was done with --json: on several ESPs the same.
func printOne[Report any](c *commandLine, ui *ui, done *Report, err error) error {
	if !c.json || done == nil {
		return err
	}
	if jerr := ui.printJSON(done); jerr != nil {
		return jerr
	}
	return err
}

// runCheck runs the command of --check by a shell: it may refuse.
func runCheck(ctx context.Context, command string) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	output, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(output))
	switch {
	case err == nil:
		return nil
	case said == "":
		return fmt.Errorf("%s: %w", command, err)
	}
	return fmt.Errorf("%s: %w: %s", command, err, said)
}

// runTry starts an entry once.
func runTry(ctx context.Context, c *commandLine, ui *ui) error {
	if c.efivars() == "" {
		return usageError{error: errors.New("try is for the running system: without --root and --esp-image")}
	}
	var done *bootbuilder.TryReport
	err := c.eachESP(ctx, ui, func(dir string, target bootbuilder.Target) error {
		r, err := bootbuilder.Try(ctx, target, c.machine(), c.args[0])
		if err != nil {
			return err
		}
		if done == nil {
			done = r
		}
		if !c.json {
			ui.printf("next boot: %s, once; after that: %s\n", printable(r.Entry), printable(orDash(r.Then.Entry)))
		}
		return nil
	}, func(string, error) {})
	return printOne(c, ui, done, err)
}
