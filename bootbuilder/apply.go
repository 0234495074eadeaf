package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/efivars"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/proven"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
)

// Record is what [Plan.Apply] really did, also where it failed or was interrupted.
type Record struct {
	done  transaction.Record
	sign  time.Duration
	armed bool // LoaderEntryOneShot was written or removed
	ended bool // all steps were taken
}

// Apply brings $BOOT in line with the plan, once. At any moment, and after a power cut at any
// moment, every entry names files that are complete; docs/reliability.md has the order.
//
// sign signs unified images; nil where the plan has no certificate. ctx ending stops the run at
// the next point where that is safe. The record says what was done, with an error too.
func (p *Plan) Apply(ctx context.Context, sign Signer, observer Observer) (*Record, error) {
	if !p.Changes() {
		return &Record{ended: true}, p.failed()
	}
	if err := p.checkSigner(sign); err != nil {
		return &Record{}, err
	}
	steps := p.steps
	if p.space != nil { // there may be disk space by now
		var err error
		if steps, err = transaction.Plan(p.change); err != nil {
			return &Record{}, fileHint(err)
		}
	}
	p.applied.Store(true)
	record := &Record{}
	done, err := steps.Run(withSigner(ctx, timed(sign, &record.sign)), observer.transaction())
	record.done, record.ended = done, err == nil
	if err != nil {
		return record, fileHint(err)
	}
	if p.arm.disarm {
		if err := efivars.At(p.options.EFIVars).ClearOneShot(); err != nil {
			return record, armHint(err)
		}
		record.armed = true
	}
	if p.arm.value != "" {
		if err := efivars.At(p.options.EFIVars).SetOneShot(p.arm.value); err != nil {
			err = armHint(err)
			if p.notesTrial() {
				err = errors.Join(err, takeBack(ctx, p.target, p.record))
			}
			return record, err
		}
		record.armed = true
	}
	return record, p.failed()
}

// notesTrial reports whether the plan writes down what is on trial.
func (p *Plan) notesTrial() bool {
	return slices.ContainsFunc(p.change.Writes, func(w transaction.Write) bool { return w.Name == proven.File })
}

// checkSigner refuses a signer that is not the one that was planned with.
func (p *Plan) checkSigner(sign Signer) error {
	if !p.options.signs() {
		return nil
	}
	for _, f := range p.verdict.writes {
		if f.Kind != KindImage {
			continue
		}
		if sign == nil {
			return errors.New("there is no key to sign with")
		}
		if !sign.Certificate().Equal(p.options.Certificate) {
			return fmt.Errorf("the signer's certificate is not the one that the plan was made with")
		}
	}
	return nil
}

// Steps are all that [Plan.Apply] does, in order, a line each.
func (p *Plan) Steps() []string {
	if p.steps == nil || !p.Changes() {
		return nil
	}
	var list []string
	for s := range p.steps.All() {
		list = append(list, s.String())
	}
	return list
}
