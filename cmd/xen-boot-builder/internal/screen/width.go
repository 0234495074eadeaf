package screen

import (
	"unicode"

	"golang.org/x/text/width"
)

// Width is how many columns a printable text takes.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300: // all that most texts have
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me), 0x1160 <= r && r < 0x1200: // marks, and what joins a Hangul syllable
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// ellipsis stands for what was cut.
const ellipsis = "…"

// Cut shortens a printable text on the right, so that it takes at most so many columns.
func Cut(s string, columns int) string {
	if Width(s) <= columns {
		return s
	}
	if columns < 1 {
		return ""
	}
	used := 0
	for i, r := range s {
		w := runeWidth(r)
		if used+w > columns-1 {
			return s[:i] + ellipsis
		}
		used += w
	}
	return s
}
