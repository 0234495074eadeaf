package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage"
)

// eachESP opens each ESP and does the work on it. One that fails does not keep the others
// from being done; failed is told of those that could not even be worked on.
func (c *commandLine) eachESP(ctx context.Context, ui *ui, work func(dir string, target bootbuilder.Target) error, failed func(dir string, err error)) error {
	places, err := c.places()
	if err != nil {
		return usageError{error: err}
	}
	var result error
	for _, dir := range places {
		worked := false
		err := c.withTarget(ctx, dir, func(target bootbuilder.Target) error {
			worked = true
			target.Waiting = c.waiting(ui)
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
		err = c.inNixOSWords(err)
		if len(places) > 1 {
			err = fmt.Errorf("ESP %s: %w", dir, err)
		}
		ui.fail(err)
	}
	return result
}

// waiting says that a run waits for another one, which would look as if it hung.
func (c *commandLine) waiting(ui *ui) func(pid int) {
	if c.verbosity == quiet {
		return nil
	}
	return func(pid int) {
		whom := ""
		if pid != 0 {
			whom = fmt.Sprintf(" (pid %d)", pid)
		}
		ui.complain(cyan, "note", "waiting for another run"+whom)
	}
}

// places are where the ESPs are: mount points, or one image file.
func (c *commandLine) places() ([]string, error) {
	switch {
	case c.espImage != "" && (len(c.esps) > 0 || c.boot != ""):
		return nil, errors.New("--esp-image goes without --esp and --boot")
	case c.espImage != "":
		return []string{c.espImage}, nil
	case len(c.esps) == 0:
		return nil, errors.New("no ESP is given: --esp DIR, efiMountPoint in the environment, or esp in the configuration file")
	case c.boot != "" && len(c.esps) > 1:
		return nil, errors.New("--boot goes with one --esp")
	}
	return c.esps, nil
}

// withTarget opens the file systems, checks that they are mounted, and closes them after work.
func (c *commandLine) withTarget(ctx context.Context, dir string, work func(bootbuilder.Target) error) error {
	if c.espImage != "" {
		return withImage(ctx, dir, work)
	}
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
	if sameDirectory(dir, c.boot) {
		return work(bootbuilder.NewTarget(espFS, nil))
	}
	return work(bootbuilder.NewTarget(espFS, boot))
}

// sameDirectory reports whether two names lead to one directory: a --boot that is the ESP is none.
func sameDirectory(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// withImage works on an image file; what was not synced by the end is dropped.
func withImage(ctx context.Context, name string, work func(bootbuilder.Target) error) error {
	image, err := fatimage.Open(ctx, name)
	if err != nil {
		return err
	}
	defer image.Close()
	return work(bootbuilder.NewTarget(image.ESP(), image.Boot()))
}

func (c *commandLine) openDir(flag, dir string) (*esp.Dir, error) {
	if !c.allowUnmounted {
		state, err := esp.CheckMount(dir)
		if err != nil {
			return nil, hintDirectory(err, flag)
		}
		if state == esp.Unmounted {
			return nil, bootbuilder.WithHint(
				fmt.Errorf("%s %s is an empty directory and not a mount point", flag, dir),
				"mount the partition first; --allow-unmounted is for image builders who mean a plain directory")
		}
	}
	d, err := esp.OpenDir(dir)
	return d, hintDirectory(err, flag)
}

func hintDirectory(err error, flag string) error {
	if errors.Is(err, os.ErrPermission) {
		return bootbuilder.WithHint(err, "run as root")
	}
	if errors.Is(err, os.ErrNotExist) {
		return bootbuilder.WithHint(err, flag+" takes the directory that the partition is mounted on")
	}
	return err
}
