package esp

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// BootPath turns a path as entries and Xen write it (`/EFI/nixos/x.efi`, `EFI\nixos\x.efi`)
// into a name on an [FS]. Both slashes separate, as in systemd-boot, and doubled ones
// count once. It is false for a path that names no file: an empty one, one with a
// `..` component, a control character or invalid UTF-8.
func BootPath(p string) (name string, ok bool) {
	if !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) {
		return "", false
	}
	p = strings.ReplaceAll(p, `\`, "/")
	if strings.Contains(p, "..") && slices.Contains(strings.Split(p, "/"), "..") {
		return "", false
	}
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	name = strings.TrimPrefix(path.Clean(p), "/")
	return name, name != ""
}

// maxFileName is the longest name that FAT can hold, in UTF-16 code units.
const maxFileName = 255

// ValidFileName says why FAT can't hold a file of that name: the rules for long names of
// Microsoft's FAT specification (1.03). Windows' device names (NUL, CON) are not refused.
func ValidFileName(name string) error {
	if err := checkFileName(name); err != nil {
		return fmt.Errorf("file name %q: %w", name, err)
	}
	return nil
}

func checkFileName(name string) error {
	if name == "" {
		return errors.New("empty")
	}
	n, err := countUnits(name)
	if err != nil {
		return err
	}
	if n > maxFileName {
		return fmt.Errorf("%d UTF-16 units, more than %d", n, maxFileName)
	}
	// FAT drivers drop them, so that the name would not be found again, or be another file's.
	if last := name[len(name)-1]; last == '.' || last == ' ' {
		return fmt.Errorf("%q at the end is not possible on FAT", last)
	}
	return nil
}

// isPossibleStem reports whether FAT can hold a file of this name with a suffix of that length behind it.
func isPossibleStem(stem string, suffix int) bool {
	n, err := countUnits(stem)
	return err == nil && n+suffix <= maxFileName
}

// countUnits gives the length of a name as FAT holds it, in UTF-16 code units, and an error for what it can't hold.
func countUnits(name string) (n int, err error) {
	if !utf8.ValidString(name) {
		return 0, errors.New("invalid UTF-8")
	}
	for _, r := range name {
		if unicode.IsControl(r) || isReserved(r) {
			return 0, fmt.Errorf("%q is not possible on FAT", r)
		}
		n += utf16.RuneLen(r)
	}
	return n, nil
}

func isReserved(r rune) bool {
	switch r {
	case '"', '*', '/', ':', '<', '>', '?', '\\', '|':
		return true
	}
	return false
}
