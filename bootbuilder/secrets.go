package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	securejoin "github.com/cyphar/filepath-securejoin"
)

// killGrace is how long the children of a program may hold its output open once it has ended.
const killGrace = 5 * time.Second

// addSecrets deals with initrds of the store that lack their secrets. NixOS appends them on
// the machine, by a program that each generation brings (bootspec's initrdSecrets). That
// is code from the disk in hand: it is run only where asked for.
func (p *Plan) addSecrets(ctx context.Context) error {
	for _, g := range p.Generations {
		if g.Out != nil || g.Spec.InitrdSecrets == "" || len(g.initrds) == 0 || g.initrds[0].store == "" {
			continue
		}
		if !p.options.RunInitrdSecrets {
			p.Warnings = append(p.Warnings, Warning{Generation: g.ID, Message: fmt.Sprintf(
				"%v: its initrd secrets are not appended (--run-initrd-secrets runs its program for that)", g)})
			continue
		}
		with, err := p.runSecrets(ctx, g)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			g.out(PayloadMissing, fmt.Errorf("append initrd secrets: %w", err))
			continue
		}
		g.initrds[0] = with
	}
	return nil
}

// runSecrets runs a generation's initrdSecrets program on a copy of its initrd, inside the
// root where that is not the running system's.
func (p *Plan) runSecrets(ctx context.Context, g *Generation) (bootFile, error) {
	root := p.in.root.Dir()
	tmp, err := securejoin.SecureJoin(root, "/tmp")
	if err != nil {
		return bootFile{}, err
	}
	dir, err := os.MkdirTemp(tmp, "xen-boot-builder-")
	if err != nil {
		return bootFile{}, err
	}
	p.temporary = append(p.temporary, dir)
	initrd := filepath.Join(dir, "initrd")
	if err := p.copyOut(ctx, g.initrds[0], initrd); err != nil {
		return bootFile{}, err
	}
	inside, err := filepath.Rel(root, initrd)
	if err != nil {
		return bootFile{}, err
	}
	cmd := exec.CommandContext(ctx, g.Spec.InitrdSecrets, filepath.Join("/", inside))
	cmd.Dir = "/"
	cmd.WaitDelay = killGrace
	if filepath.Clean(root) != "/" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return bootFile{}, fmt.Errorf("%s: %w: %s", g.Spec.InitrdSecrets, err, tail(output))
	}
	// What it left is read outside of the root: no link of its making is followed there.
	if info, err := os.Lstat(initrd); err != nil || !info.Mode().IsRegular() {
		return bootFile{}, errors.Join(err, fmt.Errorf("%s: left no regular file at %s", g.Spec.InitrdSecrets, initrd))
	}
	return bootFile{host: initrd}, nil
}

// copyOut copies an input to a private file of the running system.
func (p *Plan) copyOut(ctx context.Context, from bootFile, to string) error {
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = p.in.stream(ctx, w, from)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

// tail is the end of what a program printed.
func tail(output []byte) string {
	const keep = 500
	if len(output) > keep {
		output = output[len(output)-keep:]
	}
	return string(output)
}
