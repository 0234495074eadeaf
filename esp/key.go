package esp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Key is a name as FAT compares it: two names are one file's if their keys are equal.
//
// FAT holds names in upper case and compares them so; what Linux' vfat, mtools and
// systemd-boot take for equal beyond ASCII differs a little. A Key takes all for equal
// that any of them does: two files that only some of them tell apart are asking for trouble.
type Key string

// KeyOf is the key of a name: of a file's, or of a path below the file system's root.
func KeyOf(name string) Key {
	at := 0 // of the first capital
	for at < len(name) && lowerASCII(name[at]) == name[at] && name[at] < utf8.RuneSelf {
		at++
	}
	if at == len(name) {
		return Key(name) // nearly every name
	}
	var b strings.Builder
	b.Grow(len(name))
	b.WriteString(name[:at])
	for ; at < len(name); at++ {
		if name[at] >= utf8.RuneSelf {
			return Key(strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, name))
		}
		b.WriteByte(lowerASCII(name[at]))
	}
	return Key(b.String())
}

// SameName reports whether two names have the same key.
func SameName(a, b string) bool {
	if a == b {
		return true
	}
	for i := range min(len(a), len(b)) {
		switch x, y := a[i], b[i]; {
		case x >= utf8.RuneSelf || y >= utf8.RuneSelf:
			return KeyOf(a) == KeyOf(b)
		case x != y && lowerASCII(x) != lowerASCII(y):
			return false
		}
	}
	return len(a) == len(b)
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
