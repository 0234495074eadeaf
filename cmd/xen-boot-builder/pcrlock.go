package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// pcrLock is the directory of --pcrlock-dir; nil where nothing is to be locked.
type pcrLock struct {
	*bootbuilder.PCRLock
	dir   *esp.Dir
	added int // ESPs whose images have their components
}

// openPCRLock opens the directory, which install makes if need be.
func (c *commandLine) openPCRLock(ctx context.Context) (*pcrLock, error) {
	if c.pcrlockDir == "" || c.dryRun {
		return nil, nil
	}
	if c.command.name == "install" {
		if err := os.Mkdir(c.pcrlockDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, bootbuilder.WithHint(err, "--pcrlock-dir takes a directory that systemd-pcrlock reads, such as /var/lib/pcrlock.d")
		}
	}
	dir, err := esp.OpenDir(c.pcrlockDir)
	if errors.Is(err, fs.ErrNotExist) && c.command.name == "remove" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lock, err := bootbuilder.OpenPCRLock(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &pcrLock{PCRLock: lock, dir: dir}, nil
}

func (l *pcrLock) close() {
	if l != nil {
		l.Close()
		l.dir.Close()
	}
}

// advise says what a plan's images lack that a component needs.
func (l *pcrLock) advise(c *commandLine, ui *ui, plan *bootbuilder.Plan) {
	if l == nil || c.verbosity == quiet {
		return
	}
	for _, w := range l.Advice(plan) {
		ui.warn(w.Message)
	}
}

// add locks what a run left on one ESP, however that went; err is how.
func (l *pcrLock) add(ctx context.Context, plan *bootbuilder.Plan, done *bootbuilder.Record, err error) error {
	if l == nil {
		return err
	}
	lerr := l.Add(ctx, plan, done)
	if lerr == nil {
		l.added++
	}
	if err == nil {
		err = lerr
	}
	return err
}

// sweep removes components whose images are gone, but while there is an ESP that could not be
// looked at; err is how the run went.
func (l *pcrLock) sweep(c *commandLine, ui *ui, err error) error {
	if l == nil {
		return err
	}
	if places, perr := c.places(); perr != nil || l.added < len(places) {
		return err
	}
	warnings, serr := l.Sweep()
	if c.verbosity != quiet {
		for _, w := range warnings {
			ui.warn(w.Message)
		}
	}
	if serr == nil {
		return err
	}
	ui.fail(serr)
	return errReported
}
