package esp

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MatchPattern reports whether systemd-boot would take the entry with this id for the
// one that a default or preferred value names. An id is an entry's whole file name, with
// its counter and suffix.
//
// It follows efi_fnmatch (src/boot/efi-string.c, systemd 252 and later): `*` is any text, `?` one character, `[a-z]` one
// of a set, `\` takes the next character as it is. ASCII letters match in either case.
// There is no negation of a set; a set that is not closed and a `\` at the end match nothing.
func MatchPattern(pattern, id string) bool {
	if isPlain(pattern) {
		return len(id) == len(pattern) && asciiLower(id) == asciiLower(pattern)
	}
	p, ok := compilePattern(asciiLower(pattern))
	return ok && p.match(utf16Units(asciiLower(id)))
}

// isPlain reports whether a pattern is ASCII text that matches itself alone, as most are.
func isPlain(pattern string) bool {
	for i := range len(pattern) {
		switch c := pattern[i]; {
		case c >= utf8.RuneSelf, c == '*', c == '?', c == '[', c == '\\':
			return false
		}
	}
	return true
}

// IsGlob reports whether a value can match more than one id. What [EscapePattern] returns
// for an id within the Basic Multilingual Plane is not a glob.
func IsGlob(pattern string) bool {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}

// EscapePattern makes the value that matches only the entry with this id.
//
// systemd-boot drops characters above U+FFFF from loader.conf, while file names hold them
// as two UTF-16 units. `??` is the closest pattern for one.
func EscapePattern(id string) string {
	var b strings.Builder
	for _, r := range id {
		switch {
		case strings.ContainsRune(`*?[\`, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r > 0xFFFF:
			b.WriteString("??")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// glob is a pattern as a sequence of elements.
type glob []element

// element is `*`, or a set of characters, one of which has to be there.
type element struct {
	star bool
	one  span // what most sets are
	set  []span
}

// span is a range of UTF-16 units. Like systemd-boot, one whose ends are swapped is empty.
type span struct{ low, high uint16 }

func (e element) has(u uint16) bool {
	if e.set == nil {
		return e.one.low <= u && u <= e.one.high
	}
	for _, s := range e.set {
		if s.low <= u && u <= s.high {
			return true
		}
	}
	return false
}

func compilePattern(pattern string) (glob, bool) {
	units := make([]uint16, 0, len(pattern))
	for i, r := range pattern {
		if r == utf8.RuneError && !strings.HasPrefix(pattern[i:], "\uFFFD") || r > 0xFFFF {
			continue // as systemd-boot does
		}
		units = append(units, uint16(r))
	}
	g := make(glob, 0, len(units))
	for len(units) > 0 {
		u := units[0]
		units = units[1:]
		switch u {
		case '*':
			g = append(g, element{star: true})
			continue
		case '?':
			g = append(g, element{one: span{0, 0xFFFF}})
			continue
		case '[':
			set, rest, ok := compileSet(units)
			if !ok {
				return nil, false
			}
			g = append(g, element{set: set})
			units = rest
			continue
		case '\\':
			if len(units) == 0 {
				return nil, false
			}
			u = units[0]
			units = units[1:]
		}
		g = append(g, element{one: span{u, u}})
	}
	return g, true
}

// compileSet reads a set behind its `[` and returns what follows its `]`. A `]` in first
// place is a member; a `-` is one in first or last place and behind a range.
func compileSet(units []uint16) (set []span, rest []uint16, ok bool) {
	canRange := false // whether a - here would make a range of the unit before it
	for i := 0; i < len(units); i++ {
		u := units[i]
		switch {
		case u == ']' && i > 0:
			return set, units[i+1:], true
		case u == '-' && canRange && i+1 < len(units) && units[i+1] != ']':
			low := units[i-1]
			i++
			if units[i] == '\\' {
				i++
			}
			if i == len(units) {
				return nil, nil, false
			}
			set = append(set, span{low, units[i]})
			canRange = false
			continue
		case u == '\\':
			i++
			if i == len(units) {
				return nil, nil, false
			}
			u = units[i]
		}
		set = append(set, span{u, u})
		canRange = true
	}
	return nil, nil, false
}

// match goes back to the last star only, so that it takes at most len(g)·len(s) steps.
func (g glob) match(s []uint16) bool {
	star, from := -1, 0 // the last star, and where in s what follows it was last tried
	i, j := 0, 0
	for j < len(s) || i < len(g) {
		switch {
		case i < len(g) && g[i].star:
			star, from = i, j
			i++
		case i < len(g) && j < len(s) && g[i].has(s[j]):
			i++
			j++
		case star >= 0 && from < len(s):
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	return true
}

// utf16Units is a name as FAT and the firmware hold it.
func utf16Units(s string) []uint16 { return utf16.Encode([]rune(s)) }

// asciiLower lowers ASCII letters only, as systemd-boot does to ids and patterns.
func asciiLower(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return 'A' <= r && r <= 'Z' }) < 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b)
}
