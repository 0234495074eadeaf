// Package osrelease writes and reads the os-release text that a type #2 image carries in its
// .osrel section, as systemd-boot reads it (src/boot, systemd 252 and later): lines of
// KEY=VALUE, double quotes around a value taken off, nothing unescaped. What a shell would
// escape, systemd-boot would show with its backslashes; so nothing is escaped here.
//
// Left out: the shell's quoting of os-release(5), which systemd-boot does not know.
package osrelease

import (
	"fmt"
	"strings"
	"unicode"
)

// Field is one assignment.
type Field struct{ Key, Value string }

// Encode makes the text. A value that does not come back as it was given is an error: one
// with a control character of any kind, or a line separator.
func Encode(fields ...Field) ([]byte, error) {
	var b strings.Builder
	for _, f := range fields {
		if strings.ContainsFunc(f.Value, Unprintable) {
			return nil, fmt.Errorf("%s: %q holds a control character", f.Key, f.Value)
		}
		fmt.Fprintf(&b, "%s=\"%s\"\n", f.Key, f.Value)
	}
	return []byte(b.String()), nil
}

// Unprintable is of characters that end a line or are acted on: C0, DEL, C1 (U+0085 among
// them), and Unicode's line and paragraph separators.
func Unprintable(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar
}

// Parse reads the assignments, up to the first NUL; of a key that is there more often, the last
// one counts. A carriage return ends a line too.
func Parse(text string) map[string]string {
	text, _, _ = strings.Cut(text, "\x00")
	values := make(map[string]string)
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.Trim(line, " \t")
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		value = strings.TrimLeft(value, "=")
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		values[key] = value
	}
	return values
}
