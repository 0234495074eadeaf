package nextboot

import (
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// A value for an entry with a boot counter has to match "xen-2+2.efi" and "xen-2+1-1.efi", which
// are ids in systemd-boot 252, and "xen-2.efi", the id in 259. After the name comes a dot or a plus sign, then a letter of
// the suffix or a digit: `xen-2[+.][1-9e]*fi`. Without the 0 among the digits it
// does not match what has no tries left.
const (
	counterSet = "[+."
	liveDigits = "[1-9"
	allDigits  = "[0-9"
)

// ValueFor is the value of default, preferred or LoaderEntryOneShot that names an entry and no
// other one, whatever happens to its boot counter, in every version of systemd-boot.
func ValueFor(e Entry) string {
	tries := e.Tries()
	if tries == nil {
		return esp.EscapePattern(e.File)
	}
	id, _ := esp.CutTries(e.File)
	dot := strings.LastIndexByte(id, '.')
	digits := liveDigits
	if tries.Left == 0 {
		digits = allDigits
	}
	// Some versions don't lower the letters of such an id, but do lower those of the value.
	base := strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return '?'
		}
		return r
	}, id[:dot])
	return escapeAll(base) + counterSet + "]" + digits + id[dot+1:dot+2] + "]*" + id[dot+2:]
}

// escapeAll is [esp.EscapePattern] but for question marks.
func escapeAll(s string) string {
	parts := strings.Split(s, "?")
	for i, p := range parts {
		parts[i] = esp.EscapePattern(p)
	}
	return strings.Join(parts, "?")
}

// literal returns the one id that a value names, as a pattern for an id without counter. ok is
// false for a glob that is not of [ValueFor]'s making.
func literal(value string) (id string, ok bool) {
	if i := strings.LastIndex(value, counterSet+"]["); i > 0 {
		base, tail := value[:i], asciiLower(value[i+len(counterSet)+1:])
		for _, suffix := range []string{".conf", ".efi"} {
			for _, digits := range []string{liveDigits, allDigits} {
				if tail == digits+suffix[1:2]+"]*"+suffix[2:] && !esp.IsGlob(strings.ReplaceAll(base, "?", "")) {
					return base + suffix, true
				}
			}
		}
	}
	if esp.IsGlob(value) {
		return "", false
	}
	id, _ = esp.CutTries(value)
	return id, true
}

// named reports whether a literal value names an entry, with or without its counter. loose is for the
// way of systemd before 245, without suffix: no systemd-boot of today finds an entry by it.
func named(lit string, e Entry, loose bool) bool {
	if esp.MatchPattern(lit, e.ID()) {
		return true
	}
	if !loose {
		return false
	}
	for _, suffix := range []string{".conf", ".efi"} {
		id, _ := esp.CutTries(lit + suffix)
		if esp.MatchPattern(id, e.ID()) {
			return true
		}
	}
	return false
}
