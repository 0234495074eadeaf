package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/proven"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
)

// Plan is what $BOOT should hold, what it holds, and why. Making one writes nothing.
// It is made once and never changed.
type Plan struct {
	target    Target
	options   Options
	removal   bool // a plan that leaves nothing of ours
	firmware  firmwareState
	inventory *installed.Inventory
	reader    *content.Reader // knows what the inputs held when it was planned; nil for a removal
	outcomes  []outcome       // from old to new, each profile by itself
	verdict   verdict
	next      nextboot.Decision
	conf      loaderConf
	arm       arming
	record    proven.Record // of what has proven itself and what was tried, before the run
	change    transaction.Change
	steps     *transaction.Steps // nil where there is no disk space
	space     error              // why there is no disk space for it; nil if there is
	warnings  []Warning
	resources *resources
	applied   *atomic.Bool
	stages    []StepReport
}

// outcome is what became of a generation.
type outcome struct {
	generation.Generation
	skip      *generation.Skip // nil if it gets an entry
	files     *built           // nil if it doesn't
	isDefault bool             // what NixOS' own choice means
	isNeeded  bool             // that, or what starts where a trial fails: neither is limited
	variant   layout.Variant   // of an extra entry; empty for the generation's own
}

// resources are what a plan holds until it is closed.
type resources struct {
	root    *nixroot.Root
	unlock  func()
	secrets *secrets
}

// close lets go of all of it.
func (r *resources) close() error {
	var errs []error
	if r.secrets != nil {
		errs = append(errs, r.secrets.close())
	}
	if r.root != nil {
		errs = append(errs, r.root.Close())
	}
	if r.unlock != nil {
		r.unlock()
	}
	return errors.Join(errs...)
}

// NewPlan locks both file systems, reads the generations and $BOOT, and decides. It fails
// only where nothing can be decided at all; what is wrong with one generation is a warning.
// [Plan.Close] lets go of the locks.
func NewPlan(ctx context.Context, target Target, options Options) (*Plan, error) {
	target, err := target.normal()
	if err != nil {
		return nil, err
	}
	if options, err = options.normal(); err != nil {
		return nil, err
	}
	res := &resources{}
	if res.unlock, err = target.lock(ctx); err != nil {
		return nil, err
	}
	p, err := newPlan(ctx, target, options, res)
	if err != nil {
		return nil, errors.Join(fileHint(err), res.close())
	}
	return p, nil
}

// newPlan goes through the stages: each takes values and returns values.
func newPlan(ctx context.Context, target Target, options Options, res *resources) (*Plan, error) {
	watch := startWatch()
	var err error
	if res.root, err = nixroot.Open(options.Root); err != nil {
		return nil, WithHint(err, "--root is where the NixOS system is mounted")
	}
	res.secrets = &secrets{root: res.root}
	fw, warnings := readFirmware(options.EFIVars)
	warnings = append(warnings, sweep(options)...)
	inventory, err := readInventory(target)
	if err != nil {
		return nil, err
	}
	conf, err := readLoaderConf(target)
	if err != nil {
		return nil, err
	}
	system, err := generation.ReadSystem(res.root)
	if err != nil {
		return nil, err
	}
	found, err := find(system, inventory, target, options)
	if err != nil {
		return nil, err
	}
	world := worldOf(target, options, fw, inventory, conf, system.Current, found.Generations)
	record, recordText, oddRecord := readProven(target.Boot)
	if oddRecord != nil && !isOdd(oddRecord) {
		return nil, oddRecord
	}
	if oddRecord != nil {
		world.input.CanArm = false // nothing could say afterwards that it was tried
		warnings = append(warnings, Warning{Message: fmt.Sprintf("nothing counts as proven: %v (%s)", oddRecord, Hint(oddRecord))})
	}
	world.input.Proven, world.input.Tried = proofs(record), record.Trial
	if options.Sys != "" && runsXen(options.Sys) {
		world.input.OnXen = bootedSystem(res.root)
	}
	outcomes, err := choose(found.Generations, options, res.root, world.meant(), provenOf(found.Generations, options, record))
	if err != nil {
		return nil, err
	}
	watch.done("read the generations and what is installed")
	outcomes = withVariants(outcomes, options.Variants, system, inventory)
	reader := content.NewReader(res.root, target.Boot)
	outcomes, advice, err := build(ctx, reader, outcomes, inventory, options, res.secrets)
	if err != nil {
		return nil, err
	}
	watch.done("look into what is to be written, and hash it")
	outcomes, f := fit(target, reader, outcomes, inventory, conf, world, options.Fit)
	verdict, next, change := f.verdict, f.next, f.change
	trial := armingOf(fw, next)
	if oddRecord == nil {
		if change, err = withTrial(change, trial, trialOf(next, mains(outcomes)), next.Forget, record, recordText, options.Today); err != nil {
			return nil, err
		}
	}
	change = withStaleDirectories(change)
	steps, spaceErr := transaction.Plan(change)
	var noSpace *transaction.SpaceError
	if spaceErr != nil && !errors.As(spaceErr, &noSpace) {
		return nil, spaceErr
	}
	warnings = append(warnings, passedOver(target, found)...)
	warnings = append(warnings, advice...)
	warnings = append(warnings, warn(target, options, fw, inventory, conf, outcomes, verdict, next, false)...)
	watch.done("decide what is written and removed, and what starts next")
	return &Plan{
		target: target, options: options, firmware: fw, stages: watch.stages, inventory: inventory, reader: reader,
		outcomes: outcomes, verdict: verdict, next: next, conf: conf,
		arm: trial, record: record, change: change, steps: steps, space: spaceErr, warnings: warnings, resources: res, applied: new(atomic.Bool),
	}, nil
}

// arming is what is started once, at the next boot only.
type arming struct {
	value  string // of LoaderEntryOneShot, "" to leave it
	disarm bool   // it names a trial that nobody wants any more: it is removed
}

// armingOf is what becomes of LoaderEntryOneShot, unless it is so already.
func armingOf(fw firmwareState, d nextboot.Decision) arming {
	switch {
	case d.Disarm && fw.canArm:
		return arming{disarm: true}
	case d.OneShot != fw.vars.OneShot:
		return arming{value: d.OneShot}
	}
	return arming{}
}

// trialOf is the toplevel of what is on trial, "" for none.
func trialOf(d nextboot.Decision, outcomes []outcome) string {
	if d.OneShot == "" || d.Trial < 0 || d.Trial >= len(outcomes) {
		return ""
	}
	return outcomes[d.Trial].Toplevel
}

// Close lets go of the locks and the root directory, and removes what was made for the run.
func (p *Plan) Close() error { return p.resources.close() }

// Changes reports whether applying the plan would change anything. Once it is applied, nothing is
// left to change.
func (p *Plan) Changes() bool {
	return !p.applied.Load() && p.changes()
}

func (p *Plan) changes() bool {
	return p.space != nil || len(p.change.Writes) > 0 || len(p.change.StalePayload) > 0 || p.verdict.removes() || p.conf.changed(p.next) || p.arm != (arming{})
}

// Check says, without writing, what would keep [Plan.Apply] from succeeding: no disk space, a
// read-only file system, or a default generation that can't be built.
func (p *Plan) Check() error {
	if p.space != nil {
		return fileHint(p.space)
	}
	if p.changes() {
		for _, fsys := range []Target{p.target} {
			if _, err := fsys.Boot.Space(); err != nil {
				return fileHint(err)
			}
			if _, err := fsys.ESP.Space(); err != nil {
				return fileHint(err)
			}
		}
	}
	return p.failed()
}

// failed is the error of a default generation that could not be built: everything else may be in
// place, but what the machine starts is not what was asked for. One without a boot.json is
// none: nothing says that it has Xen. Nor is an entry that selects no generation. A removal has failed where something
// that can't be read keeps all that is ours where it is.
func (p *Plan) failed() error {
	if p.removal && p.verdict.blocked != nil {
		return fmt.Errorf("nothing is removed, it could break what can't be read: %w", p.verdict.blocked)
	}
	for _, o := range p.outcomes {
		if !o.isDefault || !o.skip.Failed() || o.skip.Reason == BootspecMissing || o.SelectsNothing() {
			continue
		}
		if o.skip.Reason == EntryInvalid && o.Nobodys {
			continue
		}
		if kept := p.verdict.keptFor(o.Generation); kept != nil {
			return fmt.Errorf("the Xen entry of the default, %v, could not be made anew, and is kept as it was: %w", o.Generation, o.skip)
		}
		return fmt.Errorf("no Xen entry for the default, %v: %w", o.Generation, o.skip)
	}
	return nil
}
