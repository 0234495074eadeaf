package esp

import (
	"strings"
	"unicode"
)

// Key is a name as FAT compares it: two names are one file's if their keys are equal.
//
// FAT holds names in upper case and compares them so; what Linux' vfat, mtools and
// systemd-boot take for equal beyond ASCII differs a little. A Key takes all for equal
// that any of them does: two files that only some of them tell apart are asking for trouble.
type Key string

// KeyOf is the key of a name: of a file's, or of a path below the file system's root.
func KeyOf(name string) Key {
	return Key(strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, name))
}
