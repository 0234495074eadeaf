package bootbuilder

import (
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

// fit decides everything that follows from the outcomes.
func fit(
	target Target, reader *content.Reader, outcomes []outcome, inv *installed.Inventory, conf loaderConf, w world,
) fitted {
	v := reconcile(outcomes, inv, false).withSizes()
	next := nextboot.Decide(w.after(outcomes, v))
	return fitted{v, next, changeOf(target, reader, outcomes, inv, v, conf, next)}
}

// space is why there is no disk space; nil if there is.
func (f fitted) space() error {
	_, err := transaction.Plan(f.change)
	return err
}

// withoutOldest leaves out the oldest generation that has files, but never the default, nor what has proven itself. It is false
// where none is left.
func withoutOldest(outcomes []outcome) ([]outcome, bool) {
	oldest := -1
	for i, o := range outcomes {
		if o.files == nil || o.isNeeded {
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
