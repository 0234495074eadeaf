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

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
)

// killGrace is how long the children of a program may hold its output open once it has ended.
const killGrace = 5 * time.Second

// secrets runs the programs that append secrets to initrds. NixOS does that on the machine, by a
// program that each generation brings (bootspec's initrdSecrets).
type secrets struct {
	root *nixroot.Root
	dirs []string
}

// close removes what was made.
func (s *secrets) close() error {
	var errs []error
	for _, dir := range s.dirs {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// run runs a generation's initrdSecrets program on a copy of its initrd, inside the root where
// that is not the running system's.
func (s *secrets) run(ctx context.Context, r *content.Reader, g generation.Generation) (content.Source, error) {
	root := s.root.Dir()
	tmp, err := securejoin.SecureJoin(root, "/tmp")
	if err != nil {
		return content.Source{}, err
	}
	dir, err := os.MkdirTemp(tmp, "xen-boot-builder-")
	if err != nil {
		return content.Source{}, err
	}
	s.dirs = append(s.dirs, dir)
	initrd := filepath.Join(dir, "initrd")
	if err := r.CopyOut(ctx, g.Spec.Initrd, initrd); err != nil {
		return content.Source{}, err
	}
	inside, err := filepath.Rel(root, initrd)
	if err != nil {
		return content.Source{}, err
	}
	cmd := exec.CommandContext(ctx, g.Spec.InitrdSecrets, filepath.Join("/", inside))
	cmd.Dir = "/"
	cmd.WaitDelay = killGrace
	if filepath.Clean(root) != "/" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return content.Source{}, fmt.Errorf("%s: %w: %s", g.Spec.InitrdSecrets, err, tail(output))
	}
	// What it left is read outside of the root: no link of its making is followed there.
	if info, err := os.Lstat(initrd); err != nil || !info.Mode().IsRegular() {
		return content.Source{}, errors.Join(err, fmt.Errorf("%s: left no regular file at %s", g.Spec.InitrdSecrets, initrd))
	}
	return content.Source{Made: initrd}, nil
}

// tail is the end of what a program printed.
func tail(output []byte) string {
	const keep = 500
	if len(output) > keep {
		output = output[len(output)-keep:]
	}
	return string(output)
}
