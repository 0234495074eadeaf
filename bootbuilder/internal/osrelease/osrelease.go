// Package osrelease writes and reads the .osrel section of unified images, which is a text in the
// form of os-release(5).
//
// systemd-boot makes a menu entry of it (Boot Loader Specification, "Type #2 EFI Unified Kernel
// Images"): PRETTY_NAME is the title, VERSION_ID the version, ID the sort-key. Its reader does
// less than os-release(5) asks for: it takes the quotes off a value, and undoes no escapes, so that
// what is escaped is shown with its backslashes; older versions know double quotes only. So values
// are written in double quotes, and those that a shell reads otherwise than systemd-boot not at all.
//
// Left out: assignments over several lines, and everything else that only a shell knows.
package osrelease

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Why a value can't be written.
var (
	// ErrControl is returned for a value with control characters (C0, DEL, C1), line or
	// paragraph separators, or bytes that are not UTF-8.
	ErrControl = errors.New("it holds a control character")
	// ErrQuoting is returned for one with a character that is to be escaped by os-release(5), which
	// systemd-boot would show with its backslash. [Plain] writes it otherwise.
	ErrQuoting = errors.New("it holds a character that can't be written without a backslash in the menu")
)

// special are the characters to be escaped between double quotes.
const special = "\"\\$`"

// Field is one assignment.
type Field struct{ Key, Value string }

// Encode writes fields in their order.
func Encode(fields ...Field) ([]byte, error) {
	var b []byte
	for _, f := range fields {
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("os-release: %s: %q: %w", f.Key, f.Value, err)
		}
		b = fmt.Appendf(b, "%s=\"%s\"\n", f.Key, f.Value)
	}
	return b, nil
}

func (f Field) check() error {
	switch {
	case f.Key == "" || strings.Trim(f.Key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || unicode.IsDigit(rune(f.Key[0])):
		return errors.New("not the name of a variable")
	case !utf8.ValidString(f.Value) || strings.ContainsFunc(f.Value, control):
		return ErrControl
	case strings.ContainsAny(f.Value, special):
		return ErrQuoting
	}
	return nil
}

// control reports whether a character can end a line for some reader, or do anything but show.
func control(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// Plain puts characters in place of those that [Encode] refuses with [ErrQuoting], which look nearly
// like them: for titles, which are only read by people.
func Plain(value string) string {
	return strings.NewReplacer(`"`, "'", "`", "'", `\`, "/", "$", "_").Replace(value)
}

// Decode reads a text as systemd-boot does. Of a key that is there more than once, the last
// counts.
func Decode(text []byte) map[string]string {
	content, _, _ := strings.Cut(string(text), "\x00")
	values := make(map[string]string)
	for line := range strings.FieldsFuncSeq(content, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.Trim(line, " \t")
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		values[key] = unquote(strings.TrimLeft(value, "="))
	}
	return values
}

// unquote takes off quotes, and undoes no escape.
func unquote(value string) string {
	n := len(value)
	if n == 0 || value[0] != '"' && value[0] != '\'' || value[n-1] != value[0] {
		return value
	}
	return value[1:max(n-1, 1)]
}
