package secureboot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// State is how the firmware that is running handles signatures.
type State struct {
	Enabled   bool // images have to be signed
	SetupMode bool // keys can be enrolled by anyone: no platform key is set
	Known     bool // the firmware could be asked; without it the rest is false
}

// ReadState reads the UEFI variables SecureBoot and SetupMode from efivars, where
// efivarfs is mounted (usually /sys/firmware/efi/efivars). On a machine that was
// not started by UEFI, or inside an installer's root without efivarfs, the state
// is not known, which is no error.
func ReadState(efivars string) (State, error) {
	enabled, err := readFlag(efivars, "SecureBoot")
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("reading Secure Boot state: %w", err)
	}
	setup, err := readFlag(efivars, "SetupMode")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return State{}, fmt.Errorf("reading Secure Boot state: %w", err)
	}
	return State{Enabled: enabled, SetupMode: setup, Known: true}, nil
}

// readFlag reads a boolean of the EFI_GLOBAL_VARIABLE namespace. efivarfs puts
// 4 bytes of attributes before the value.
func readFlag(efivars, name string) (bool, error) {
	file := filepath.Join(efivars, name+"-8be4df61-93ca-11d2-aa0d-00e098032b8c")
	data, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	if len(data) != 5 || data[4] > 1 {
		return false, fmt.Errorf("%s: %d bytes that are not a boolean", file, len(data))
	}
	return data[4] == 1, nil
}
