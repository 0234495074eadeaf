package esp

import (
	"regexp"
	"strings"
)

// A name longer than 8.3 takes several slots of a FAT directory, often in two sectors. Where a power cut takes the one with
// the long part, the file is left under its short name. Linux makes that of the name's first letters, in capitals, and a
// number behind a tilde; from some number on of two letters and four hexadecimal digits (fs/fat/namei_vfat.c,
// vfat_create_shortname).

var shortName = regexp.MustCompile(`^([^.~ ]{1,6})~[0-9]{1,6}(?:\.([^. ]{1,3}))?$`)

// IsShortName reports whether name has the form of a short name that was made for a longer one.
func IsShortName(name string) bool { return len(name) <= 12 && shortName.MatchString(name) }

// IsShortNameOf reports whether a file whose name begins so, and has that extension, may be left under this short name:
// ("XEN-GE~2.EFI", "xen-", "efi"), ("XE1F3A~1.CON", "xen-", "conf").
func IsShortNameOf(name, prefix, extension string) bool {
	m := shortName.FindStringSubmatch(name)
	if m == nil || len(name) > 12 {
		return false
	}
	stem, short := strings.ToUpper(m[1]), shortLetters(prefix)
	if ext := shortLetters(extension); !strings.EqualFold(m[2], ext[:min(3, len(ext))]) {
		return false
	}
	n := min(len(stem), len(short))
	return stem[:n] == short[:n] || len(stem) == 6 && len(short) >= 2 && stem[:2] == short[:2] && hexadecimal.MatchString(stem[2:])
}

var hexadecimal = regexp.MustCompile(`^[0-9A-F]{4}$`)

// shortLetters is what of a name goes into a short one: no dots in front and no blanks, capitals, and an underscore for what
// FAT does not take.
func shortLetters(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '.':
			return -1
		case strings.ContainsRune("+,;=[]", r):
			return '_'
		}
		return r
	}, strings.ToUpper(name))
}
