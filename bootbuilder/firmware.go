package bootbuilder

import (
	"fmt"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/efivars"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

// firmware is what the running machine's EFI variables say.
type firmwareState struct {
	state  secureboot.State
	vars   nextboot.Vars
	canArm bool // LoaderEntryOneShot can be written
	// selected is the id of the entry that was started (LoaderEntrySelected).
	selected string
	loader   string // what systemd-boot calls itself (LoaderInfo)
}

// enforcing reports whether the firmware is known to refuse unsigned images.
func (f firmwareState) enforcing() bool { return f.state.Known && f.state.Enabled }

// readFirmware reads the variables, where the options name them.
func readFirmware(dir string) (firmwareState, []Warning) {
	if dir == "" {
		return firmwareState{}, nil
	}
	var f firmwareState
	var warnings []Warning
	var err error
	if f.state, err = secureboot.ReadState(dir); err != nil {
		warnings = append(warnings, Warning{Advice: true, Message: fmt.Sprintf("whether Secure Boot is on is not known: %v", err)})
	}
	store := efivars.At(dir)
	loader, err := store.Read()
	if err != nil {
		warnings = append(warnings, Warning{Advice: true, Message: fmt.Sprintf("what systemd-boot's EFI variables say is not known: %v", err)})
	}
	f.vars = nextboot.Vars{
		OneShot: loader.OneShot, Preferred: loader.Preferred, Default: loader.Default, LastBooted: loader.LastBooted,
	}
	f.selected, f.loader = loader.Selected, loader.Info
	f.canArm = store.Exists() && loader.Features&efivars.EntryOneShot != 0
	return f, warnings
}
