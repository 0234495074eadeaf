package screen

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes one line of a text: whatever is not seen as itself becomes an escape. Those are
// control characters (newlines and tabs too), what turns the direction of writing, what has no
// width, blanks other than the space, and bytes that are not UTF-8. Such a text can neither steer
// a terminal nor pass for another.
func Printable(s string) string { return escape(s, "") }

// PrintableText is Printable for a text of several lines: newlines and tabs stay.
func PrintableText(s string) string { return escape(s, "\n\t") }

func escape(s, keep string) string {
	var b strings.Builder
	done := 0 // so much of s is in b, where anything is escaped at all
	first := true
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		invalid := r == utf8.RuneError && size == 1
		switch {
		case strings.ContainsRune(keep, r) && !invalid:
			first = r == '\n'
		case invalid || hidden(r) || first && unicode.Is(unicode.M, r):
			b.WriteString(s[done:i])
			b.WriteString(escaped(r, s[i], invalid))
			done = i + size
			first = false
		default:
			first = false
		}
		i += size
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// hidden reports whether a character can't be seen as what it is.
func hidden(r rune) bool {
	return !unicode.IsPrint(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// escaped is a character as Go writes it in a string.
func escaped(r rune, raw byte, invalid bool) string {
	switch {
	case invalid:
		return fmt.Sprintf(`\x%02x`, raw)
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
