package esp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// LoaderConf is systemd-boot's loader.conf, edited line by line. What is not edited stays
// as it is, byte for byte.
type LoaderConf struct {
	lines []line
	rest  string // from the first NUL byte on, where systemd-boot stops reading
}

// ParseLoaderConf reads loader.conf. Every text is one.
func ParseLoaderConf(b []byte) *LoaderConf {
	text := string(b)
	end := strings.IndexByte(text, 0)
	if end < 0 {
		end = len(text)
	}
	return &LoaderConf{lines: splitLines(text[:end]), rest: text[end:]}
}

// Bytes is the file's text.
func (c *LoaderConf) Bytes() []byte {
	var b []byte
	for _, l := range c.lines {
		b = append(b, l.text...)
		b = append(b, l.end...)
	}
	return append(b, c.rest...)
}

// Get is the value of a key. The last one counts, leaving out values of default,
// preferred, editor and auto-entries that systemd-boot ignores.
func (c *LoaderConf) Get(key string) (value string, ok bool) {
	for _, l := range slices.Backward(c.lines) {
		if f, ok := parseField(l.text); ok && f.key == key && effective(f.key, f.value) {
			return f.value, true
		}
	}
	return "", false
}

// Raw is the value that [LoaderConf.Get] finds as the line has it, with its quotes: systemd-boot
// 252 takes single ones for a part of it.
func (c *LoaderConf) Raw(key string) string {
	for _, l := range slices.Backward(c.lines) {
		if f, ok := parseField(l.text); ok && f.key == key && effective(f.key, f.value) {
			return l.text[f.start:f.end]
		}
	}
	return ""
}

// Set makes value the one that counts for a key: in the last line that has the key, or in
// a new one. A value that a line can't hold or that systemd-boot would ignore is an
// error, and changes nothing.
func (c *LoaderConf) Set(key, value string) error {
	err := checkField(key, value)
	if err == nil && !effective(key, value) {
		err = errors.New("systemd-boot would ignore it")
	}
	if err != nil {
		return fmt.Errorf("set %q in loader.conf to %q: %w", key, value, err)
	}
	for i, l := range slices.Backward(c.lines) {
		f, ok := parseField(l.text)
		if !ok || f.key != key {
			continue
		}
		if f.value != value {
			c.lines[i].text = l.text[:f.start] + value + l.text[f.end:]
		}
		return nil
	}
	c.add(key + " " + value)
	return nil
}

// Unset removes every line that has the key.
func (c *LoaderConf) Unset(key string) {
	c.lines = slices.DeleteFunc(c.lines, func(l line) bool {
		f, ok := parseField(l.text)
		return ok && f.key == key
	})
}

// add appends a line that ends as the first one does.
func (c *LoaderConf) add(text string) {
	end := "\n"
	if len(c.lines) > 0 && c.lines[0].end != "" {
		end = c.lines[0].end
	}
	if n := len(c.lines); n > 0 && c.lines[n-1].end == "" {
		c.lines[n-1].end = end
	}
	c.lines = append(c.lines, line{text: text, end: end})
}

// EditorEnabled reports whether systemd-boot lets the user edit the options of an entry.
// It does where nothing is said.
func (c *LoaderConf) EditorEnabled() bool {
	value, ok := c.Get("editor")
	enabled, _ := parseBool(value)
	return !ok || enabled
}

// AutoEntries reports whether systemd-boot adds entries for what it finds by itself: Windows, an EFI shell. It does where
// nothing is said.
func (c *LoaderConf) AutoEntries() bool {
	value, ok := c.Get("auto-entries")
	enabled, _ := parseBool(value)
	return !ok || enabled
}

// IsSpecial reports whether a value of default or preferred names no entry by its id:
// `@saved` is the entry that was started last. systemd-boot ignores other values with
// an `@` in front. Ids of its own making (auto-windows, auto-efi-shell) are ids like others.
func IsSpecial(value string) bool { return strings.HasPrefix(value, "@") }

// effective reports whether systemd-boot takes the value of a key, rather than passing over the line.
func effective(key, value string) bool {
	switch key {
	case "default", "preferred":
		return !IsSpecial(value) || asciiLower(value) == "@saved"
	case "editor", "auto-entries":
		_, ok := parseBool(value)
		return ok
	}
	return true
}

// parseBool knows the words that parse_boolean of systemd-boot knows, in lower case only.
func parseBool(s string) (value, ok bool) {
	switch s {
	case "1", "yes", "y", "true", "t", "on":
		return true, true
	case "0", "no", "n", "false", "f", "off":
		return false, true
	}
	return false, false
}
