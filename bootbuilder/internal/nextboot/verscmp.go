package nextboot

import (
	"cmp"
	"strings"
)

// compareVersions orders versions from old to new as systemd's strverscmp_improved does
// (UAPI.10, Version Format Specification): segments of digits or of letters one by one, `~`
// before the end of the version before `-` before `^` before `.` before a segment. Any other
// character only ends a segment.
func compareVersions(a, b string) int {
	for {
		segment(&a, notInVersion)
		segment(&b, notInVersion)
		if c := skipMark(&a, &b, '~'); c != 0 {
			return c
		}
		if a == "" || b == "" {
			return cmp.Compare(len(a), len(b))
		}
		for _, mark := range [...]byte{'-', '^', '.'} {
			if c := skipMark(&a, &b, mark); c != 0 {
				return c
			}
		}
		if startsWith(a, isDigit) || startsWith(b, isDigit) {
			x, y := segment(&a, isDigit), segment(&b, isDigit)
			if c := compareBool(x != "", y != ""); c != 0 {
				return c
			}
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
				return c
			}
			continue
		}
		// Go's order of strings is that of the common length, then the shorter first: the same.
		if c := cmp.Compare(segment(&a, isLetter), segment(&b, isLetter)); c != 0 {
			return c
		}
	}
}

// skipMark drops a mark that both begin with. Where only one does, that one is older.
func skipMark(a, b *string, mark byte) int {
	x, y := *a != "" && (*a)[0] == mark, *b != "" && (*b)[0] == mark
	switch {
	case x && y:
		*a, *b = (*a)[1:], (*b)[1:]
	case x:
		return -1
	case y:
		return 1
	}
	return 0
}

// segment cuts off the characters of one class that s begins with.
func segment(s *string, class func(byte) bool) string {
	n := 0
	for n < len(*s) && class((*s)[n]) {
		n++
	}
	head := (*s)[:n]
	*s = (*s)[n:]
	return head
}

func startsWith(s string, class func(byte) bool) bool { return s != "" && class(s[0]) }

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func notInVersion(c byte) bool {
	return !isDigit(c) && !isLetter(c) && c != '~' && c != '-' && c != '^' && c != '.'
}
