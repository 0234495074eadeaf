package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

// Plan is what $BOOT should hold, what it holds, and why. Making one writes nothing.
type Plan struct {
	// Generations are all that were found, from old to new, each profile by itself.
	Generations []*Generation
	// Warnings are what the user should know; each is also the reason of a
	// generation's being left out, or advice.
	Warnings []Warning

	target  Target
	options Options
	in      *inputs
	stock   *stock
	bundles []*bundle
	writes  []*file      // payload, then entries; only what is not right already
	kept    []*installed // entries of generations that can't be rebuilt now
	stale   staleFiles
	loader  loaderChange
	// temporary are directories on the running system, for as long as the plan is open.
	temporary []string
	firmware  secureboot.State
	// removal is a plan that leaves nothing of ours.
	removal bool
}

// NewPlan reads the generations and $BOOT, and decides. It fails only where nothing
// can be decided at all; what is wrong with one generation is a warning.
//
// The plan holds for as long as nobody else writes to $BOOT: see [Install].
func NewPlan(ctx context.Context, target Target, options Options) (*Plan, error) {
	options, err := options.normal()
	if err != nil {
		return nil, err
	}
	root, err := nixroot.Open(options.Root)
	if err != nil {
		return nil, WithHint(err, "--root is where the NixOS system is mounted")
	}
	p := &Plan{target: target, options: options, in: newInputs(root, target.Boot)}
	if err := p.fill(ctx); err != nil {
		p.Close()
		return nil, fileHint(err)
	}
	return p, nil
}

// fill makes the plan, step by step.
func (p *Plan) fill(ctx context.Context) error {
	var err error
	p.readFirmware()
	if p.stock, err = readStock(p.target); err != nil {
		return err
	}
	if p.Generations, err = discover(p.in, p.options.From); err != nil {
		return err
	}
	if err := p.readLoaderConf(); err != nil {
		return err
	}
	if err := p.selectGenerations(); err != nil {
		return err
	}
	if err := p.addSecrets(ctx); err != nil {
		return err
	}
	if err := p.build(ctx); err != nil {
		return err
	}
	p.keepStanding()
	p.mindFirmware()
	p.mindEditor()
	p.adviseOnLoader()
	if err := p.findStale(); err != nil {
		return err
	}
	p.planLoaderConf()
	p.warnOfFailures()
	return nil
}

// Close lets go of the root directory, and removes what was made for the run.
func (p *Plan) Close() error {
	var err error
	if p.in.root != nil {
		err = p.in.root.Close()
	}
	for _, dir := range p.temporary {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// Changes reports whether applying the plan would change anything.
func (p *Plan) Changes() bool {
	return len(p.writes) > 0 || len(p.stale.entries) > 0 || len(p.stale.payload) > 0 ||
		len(p.stock.staged) > 0 || p.loader.changes()
}

// Failed is the error of a default generation that could not be built: everything
// else may be in place, but what the machine starts is not what was asked for. One without
// a boot.json is none: nothing says that it has Xen.
func (p *Plan) Failed() error {
	for _, g := range p.Generations {
		if g.isDefault && g.Out != nil && g.Out.Wrong() && g.Out.Reason != BootspecMissing {
			return fmt.Errorf("no Xen entry for the default, %v: %s", g, g.Out.Text())
		}
	}
	return nil
}
