// Package efivars reads and writes the EFI variables by which systemd-boot and the system talk
// (The Boot Loader Interface, https://systemd.io/BOOT_LOADER_INTERFACE), below a directory that is
// handed in and laid out as Linux' efivarfs is: a file for each variable, named
// NAME-GUID, with four bytes of attributes in front of the value.
//
// Only what concerns the choice of an entry is here. Of all variables only
// LoaderEntryOneShot is ever written: systemd-boot forgets it by itself.
package efivars

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
)

// vendor is the GUID of the Boot Loader Interface.
const vendor = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

const (
	attributesLen = 4
	// attributes are those of a variable that outlives a reboot and that firmware and
	// system can read: non-volatile, boot service access, runtime access.
	attributes = 7
	// maxVariable bounds what is read of a variable, in bytes.
	maxVariable = 64 << 10
)

// Store is a directory of variables: /sys/firmware/efi/efivars.
type Store struct{ dir string }

// At is the store in a directory.
func At(dir string) Store { return Store{dir: dir} }

// Exists reports whether there is such a directory with variables in it: without it the system
// was not started by UEFI, or efivarfs is not mounted.
func (s Store) Exists() bool {
	f, err := os.Open(s.dir)
	if err != nil {
		return false
	}
	defer f.Close()
	names, _ := f.Readdirnames(1)
	return len(names) > 0
}

// Loader is what systemd-boot and the system told each other. A text is "" where its variable is not set.
type Loader struct {
	Info     string // LoaderInfo: who started the system, "systemd-boot 252.39-1~deb12u2"
	Selected string // LoaderEntrySelected: the id of the entry that was started
	PartUUID string // LoaderDevicePartUUID: the ESP that it was started from, lower-case
	Features Features

	OneShot    string // LoaderEntryOneShot
	Preferred  string // LoaderEntryPreferred
	Default    string // LoaderEntryDefault
	LastBooted string // LoaderEntryLastBooted
}

// Features are the bits of LoaderFeatures.
type Features uint64

// The features that concern the choice of an entry.
const (
	EntryDefault Features = 1 << 2 // it heeds LoaderEntryDefault
	EntryOneShot Features = 1 << 3 // it heeds LoaderEntryOneShot
	BootCounting Features = 1 << 4
	SavedEntry   Features = 1 << 9 // it knows @saved
)

// Read reads all of them. A variable that is not set is no error.
func (s Store) Read() (Loader, error) {
	var l Loader
	var errs []error
	for _, v := range []struct {
		name string
		to   *string
	}{
		{"LoaderInfo", &l.Info},
		{"LoaderEntrySelected", &l.Selected},
		{"LoaderDevicePartUUID", &l.PartUUID},
		{"LoaderEntryOneShot", &l.OneShot},
		{"LoaderEntryPreferred", &l.Preferred},
		{"LoaderEntryDefault", &l.Default},
		{"LoaderEntryLastBooted", &l.LastBooted},
	} {
		text, err := s.text(v.name)
		if err != nil {
			errs = append(errs, err)
		}
		*v.to = text
	}
	l.PartUUID = strings.ToLower(l.PartUUID)
	b, err := s.value("LoaderFeatures")
	switch {
	case err != nil:
		errs = append(errs, err)
	case len(b) == 8:
		l.Features = Features(binary.LittleEndian.Uint64(b))
	}
	return l, errors.Join(errs...)
}

// SetOneShot makes systemd-boot start the entry with this id at the next boot only.
func (s Store) SetOneShot(id string) error {
	if err := s.write("LoaderEntryOneShot", id); err != nil {
		return fmt.Errorf("set EFI variable LoaderEntryOneShot: %w", err)
	}
	return nil
}

// ClearOneShot takes that back. It is no error where nothing is set.
func (s Store) ClearOneShot() error {
	file := s.path("LoaderEntryOneShot")
	if err := mutable(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear EFI variable LoaderEntryOneShot: %w", err)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear EFI variable LoaderEntryOneShot: %w", err)
	}
	return nil
}

func (s Store) path(name string) string { return filepath.Join(s.dir, name+"-"+vendor) }

// value is a variable without its attributes, nil where it is not set.
func (s Store) value(name string) ([]byte, error) {
	f, err := os.Open(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, maxVariable)
	n, err := readOnce(f, b)
	if err != nil {
		return nil, err
	}
	if n <= attributesLen {
		return nil, nil // what is left of a variable whose writing failed
	}
	return b[attributesLen:n], nil
}

// text is a variable that holds text.
func (s Store) text(name string) (string, error) {
	b, err := s.value(name)
	if err != nil || b == nil {
		return "", err
	}
	text, ok := decode(b)
	if !ok {
		return "", fmt.Errorf("EFI variable %s is not UTF-16 text", name)
	}
	return text, nil
}

// decode reads UTF-16, little-endian, up to the first NUL if there is one.
func decode(b []byte) (string, bool) {
	if len(b)%2 != 0 {
		return "", false
	}
	var units []uint16
	for i := 0; i < len(b); i += 2 {
		u := binary.LittleEndian.Uint16(b[i:])
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	runes := utf16.Decode(units)
	return string(runes), true
}

// encode is text as a variable holds it, attributes in front and a NUL behind.
func encode(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("empty id")
	}
	b := binary.LittleEndian.AppendUint32(nil, attributes)
	for _, u := range utf16.Encode([]rune(text)) {
		if u == 0 {
			return nil, fmt.Errorf("NUL in %q", text)
		}
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return append(b, 0, 0), nil
}
