package bootbuilder

import "fmt"

// Observer is told what [Plan.Apply] does; the zero value listens to nothing.
type Observer struct {
	// Step is called before each change, with words for a person: "write /boot/EFI/…".
	Step func(text string)
	// Progress is called while bytes are written: so many of all that are to be written,
	// and the file in hand.
	Progress func(done, total int64, name string)
}

func (o Observer) step(format string, args ...any) {
	if o.Step != nil {
		o.Step(fmt.Sprintf(format, args...))
	}
}
