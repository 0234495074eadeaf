package esp

import (
	"strings"
	"unicode/utf8"
)

// A name longer than 8.3 takes several slots of a FAT directory, often in two sectors. Where a power cut takes the one with
// the long part, the file is left under its short name. Linux makes that of the name's first letters, in capitals, and a
// number behind a tilde; from some number on of two letters and four hexadecimal digits (fs/fat/namei_vfat.c,
// vfat_create_shortname).

// cutShort takes a short name apart: up to six letters, a tilde, a number, and up to three letters behind a dot.
func cutShort(name string) (stem, extension string, ok bool) {
	rest, extension, dot := strings.Cut(name, ".")
	stem, number, tilde := strings.Cut(rest, "~")
	if !tilde || !upTo(stem, 6) || !upTo(number, 6) || strings.Trim(number, "0123456789") != "" || dot && !upTo(extension, 3) {
		return "", "", false
	}
	return stem, extension, !strings.ContainsAny(stem, " ") && !strings.ContainsAny(extension, ". ")
}

// upTo reports whether a text has one to n letters.
func upTo(s string, n int) bool { return s != "" && utf8.RuneCountInString(s) <= n }

// IsShortName reports whether name has the form of a short name that was made for a longer one.
func IsShortName(name string) bool {
	_, _, ok := cutShort(name)
	return ok && len(name) <= 12
}

// IsShortNameOf reports whether a file whose name begins so, and has that extension, may be left under this short name:
// ("XEN-GE~2.EFI", "xen-", "efi"), ("XE1F3A~1.CON", "xen-", "conf").
func IsShortNameOf(name, prefix, extension string) bool {
	stem, have, ok := cutShort(name)
	if !ok || len(name) > 12 {
		return false
	}
	stem, short := strings.ToUpper(stem), shortLetters(prefix)
	if ext := shortLetters(extension); !strings.EqualFold(have, ext[:min(3, len(ext))]) {
		return false
	}
	n := min(len(stem), len(short))
	return stem[:n] == short[:n] || len(stem) == 6 && len(short) >= 2 && stem[:2] == short[:2] && strings.Trim(stem[2:], "0123456789ABCDEF") == ""
}

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
