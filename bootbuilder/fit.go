package bootbuilder

import (
	"errors"
	"fmt"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// fitted is what comes of a set of outcomes.
type fitted struct {
	verdict verdict
	next    nextboot.Decision
	change  transaction.Change
}

// follow decides everything that follows from the outcomes.
func follow(
	target Target, reader *content.Reader, outcomes []outcome, inv *installed.Inventory, conf loaderConf, w world,
) fitted {
	v := reconcile(outcomes, inv, false).withSizes()
	next := nextboot.Decide(w.after(outcomes, v))
	return fitted{v, next, changeOf(target, reader, outcomes, inv, v, conf, next)}
}

// fit is follow, with as few of the oldest generations left out as there is disk space for where that is asked for.
func fit(
	target Target, reader *content.Reader, outcomes []outcome, inv *installed.Inventory, conf loaderConf, w world, asked bool,
) ([]outcome, fitted) {
	for {
		f := follow(target, reader, outcomes, inv, conf, w)
		if !asked || !f.full() {
			return outcomes, f
		}
		fewer, ok := withoutOldest(outcomes)
		if !ok {
			return outcomes, f
		}
		outcomes = fewer
	}
}

// full reports whether there is no disk space for it.
func (f fitted) full() bool {
	_, err := transaction.Plan(f.change)
	var full *transaction.SpaceError
	return errors.As(err, &full)
}

// withoutOldest leaves out the oldest generation that has files, but never the default. It is false
// where none is left.
func withoutOldest(outcomes []outcome) ([]outcome, bool) {
	oldest := -1
	for i, o := range outcomes {
		if o.files == nil || o.isDefault {
			continue
		}
		if oldest < 0 || o.Name.Generation < outcomes[oldest].Name.Generation || o.variant.Name != "" && outcomes[oldest].variant.Name == "" {
			oldest = i
		}
	}
	if oldest < 0 {
		return nil, false
	}
	fewer := append([]outcome(nil), outcomes...)
	var size int64
	for _, f := range fewer[oldest].files.files {
		size += f.size
	}
	fewer[oldest].files = nil
	fewer[oldest].skip = &generation.Skip{Reason: NoSpace, Err: fmt.Errorf("there is no disk space for it: it needs %s", esp.FormatSize(size))}
	return fewer, true
}
