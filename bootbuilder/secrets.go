package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	initrdsecrets "github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secrets"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

// secrets are the initrds that the programs of generations made for a run.
type secrets struct {
	root *nixroot.Root
	made []*initrdsecrets.Result
}

// close removes them.
func (s *secrets) close() error {
	var errs []error
	for _, m := range s.made {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// run runs a generation's initrdSecrets program on a copy of its initrd. That the generation is one
// of the root's, and the program in its store, is settled by then.
func (s *secrets) run(ctx context.Context, r *content.Reader, g generation.Generation) (content.Source, error) {
	store, err := r.Resolve(g.Spec.Initrd)
	if err != nil {
		return content.Source{}, err
	}
	initrd, _, err := r.Open(content.Source{Store: store})
	if err != nil {
		return content.Source{}, err
	}
	defer initrd.Close()
	made, err := initrdsecrets.Run(ctx, initrdsecrets.Request{Root: s.root.Dir(), Program: g.Spec.InitrdSecrets, Initrd: initrd})
	if err != nil {
		return content.Source{}, err
	}
	s.made = append(s.made, made)
	return r.AddMade(fmt.Sprintf("the initrd of %v with its secrets", g), made, made.Size()), nil
}

// sweep removes what killed runs left in directories for temporary files; that it can't be removed is
// only advice.
func sweep(options Options) []Warning {
	var warnings []Warning
	add := func(err error) {
		if err != nil {
			warnings = append(warnings, Warning{Advice: true, Message: fmt.Sprintf("what a killed run left could not be removed: %v", err)})
		}
	}
	if options.Secrets == SecretsRun && !options.DryRun {
		_, err := initrdsecrets.Sweep(options.Root)
		add(err)
	}
	if options.signs() && !options.DryRun {
		_, err := secureboot.SweepSigning(os.TempDir())
		add(err)
	}
	return warnings
}
