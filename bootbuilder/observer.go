package bootbuilder

import "github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"

// Observer is told what [Plan.Apply] does; the zero value listens to nothing.
type Observer struct {
	// Step is called before each step, with words for a person: "write /boot/EFI/…".
	Step func(text string)
	// Progress is called while bytes are written: so many bytes of all that are to be written,
	// and the file in hand.
	Progress func(done, total int64, name string)
}

func (o Observer) transaction() transaction.Observer {
	var t transaction.Observer
	if o.Step != nil {
		t.Step = func(s transaction.Step) { o.Step(s.String()) }
	}
	if o.Progress != nil {
		t.Progress = func(done, total int64, at transaction.Place) { o.Progress(done, total, at.Name) }
	}
	return t
}
