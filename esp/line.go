package esp

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Entries and loader.conf share one syntax. What is here follows systemd-boot's own
// reader (line_get_key_value in src/boot/efi-string.c), as that is what decides at boot:
// LF and CR both end a line, blanks and tabs separate, keys are compared with their
// letter case, and a pair of quotes around the value is not part of it.

// blanks separates a key from its value, and is dropped at both ends of a line.
const blanks = " \t"

// line is one line of a file, and what ends it: "\n", "\r\n", "\r", or "" at the end of the file.
type line struct {
	text, end string
}

func splitLines(s string) []line {
	lines := make([]line, 0, strings.Count(s, "\n")+1)
	for s != "" {
		i := strings.IndexAny(s, "\r\n")
		if i < 0 {
			return append(lines, line{text: s})
		}
		n := 1
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		lines = append(lines, line{text: s[:i], end: s[i : i+n]})
		s = s[i+n:]
	}
	return lines
}

// field is a line's key and value. The value, with any quotes around it, is text[start:end].
type field struct {
	key, value string
	start, end int
}

// parseField finds the key and the value of a line. A comment, a blank line and a
// key without a value have none.
func parseField(text string) (field, bool) {
	body := strings.TrimLeft(text, blanks)
	offset := len(text) - len(body)
	body = strings.TrimRight(body, blanks)
	key := strings.IndexAny(body, blanks)
	if key < 0 || body[0] == '#' {
		return field{}, false
	}
	value := strings.TrimLeft(body[key:], blanks)
	f := field{
		key:   body[:key],
		value: value,
		start: offset + len(body) - len(value),
		end:   offset + len(body),
	}
	// A single quote character is both the first and the last: nothing is left of it.
	if q := value[0]; (q == '"' || q == '\'') && value[len(value)-1] == q {
		f.value = strings.TrimSuffix(value[1:], string(q))
	}
	return f, true
}

// checkField refuses a key and a value that would not be read back as they are given.
func checkField(key, value string) error {
	for _, s := range []string{key, value} {
		if !utf8.ValidString(s) {
			return errors.New("invalid UTF-8")
		}
		if strings.ContainsFunc(s, unicode.IsControl) {
			return errors.New("control character")
		}
	}
	if strings.ContainsAny(key, blanks) {
		return errors.New("blank in the key")
	}
	if value == "" {
		return errors.New("empty value")
	}
	if f, ok := parseField(key + " " + value); !ok || f.value != value {
		return errors.New("it would be read back differently")
	}
	return nil
}
