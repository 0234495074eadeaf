package bootspec

import (
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

// The rules for the values that are used. Each returns why a value is refused, or "".

// textFault: a line break would add lines to a boot entry or to xen.cfg, and a NUL would
// end the text there.
func textFault(s string) string {
	switch i := strings.IndexAny(s, "\x00\n\r"); {
	case !utf8.ValidString(s):
		return "is not valid UTF-8: " + quote(s)
	case i < 0:
		return ""
	case s[i] == 0:
		return "contains a NUL: " + quote(s)
	default:
		return "contains a line break: " + quote(s)
	}
}

// pathFault asks for one spelling of each path, so that equal paths are equal strings and
// none climbs out of where it seems to be.
func pathFault(s string) string {
	if reason := textFault(s); reason != "" {
		return reason
	}
	switch {
	case !path.IsAbs(s):
		return "is not an absolute path: " + quote(s)
	case path.Clean(s) != s:
		return "is not a clean path: " + quote(s)
	}
	return ""
}

// espPathFault is for paths relative to the ESP, already without a leading slash. The
// firmware takes a backslash for a separator, so that one could hide a "..".
func espPathFault(s string) string {
	if reason := textFault(s); reason != "" {
		return reason
	}
	if s == "." || !fs.ValidPath(s) || strings.Contains(s, `\`) {
		return "is not a clean path relative to the ESP: " + quote(s)
	}
	return ""
}

// nameFault: specialisation names become parts of file names.
func nameFault(s string) string {
	switch {
	case s == "":
		return "a specialisation's name is empty"
	case s == "." || s == "..":
		return "a specialisation can't be called " + quote(s)
	case strings.Contains(s, "/"):
		return "a specialisation's name contains a slash"
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return "a specialisation's name contains a control byte"
		}
	}
	return ""
}
