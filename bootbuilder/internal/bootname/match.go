package bootname

import "strings"

// The forms of names are matched by hand: names are looked at by the thousand, and a program that starts for a
// word of help has no regular expressions to compile.

// Digits of the hashes in names of ours.
const (
	sharedDigits  = 20
	ramdiskDigits = 32
	hashDigits    = 16
)

// matchShared is xen-VERSION-HASH.efi or xen-HASH.efi.
func matchShared(base string) (version, hash string, ok bool) {
	stem, ok := cutSuffix(base, ".efi")
	if !ok || !hasPrefix(stem, "xen-") {
		return "", "", false
	}
	rest, hash, ok := cutDigits(stem, sharedDigits)
	if !ok || len(rest) < len("xen-") {
		return "", hash, ok && len(rest) == len("xen")
	}
	version = rest[len("xen-"):]
	return version, hash, version != "" && all(version, isVersion)
}

// matchRamdisk is initrd-HASH.img.
func matchRamdisk(base string) (hash string, ok bool) {
	stem, ok := cutSuffix(base, ".img")
	if !ok {
		return "", false
	}
	rest, hash, ok := cutDigits(stem, ramdiskDigits)
	return hash, ok && strings.EqualFold(rest, "initrd")
}

// matchCopy is a store path's name with .efi behind it.
func matchCopy(base string) (store string, ok bool) {
	store, ok = cutSuffix(base, ".efi")
	return store, ok && IsStoreName(strings.ToLower(store)) && !strings.Contains(store, "\n")
}

// cutHash is ID-HASH.
func cutHash(stem string) (id, hash string, ok bool) {
	id, hash, ok = cutDigits(stem, hashDigits)
	if !ok || id == "" || strings.Contains(id, "\n") {
		return "", "", false
	}
	return id, hash, true
}

// storeHash is how many characters the hash of a store path has, in Nix' base32.
const storeHash = 32

// IsStoreName reports whether a name is that of a store path: a hash, a dash, and more.
func IsStoreName(name string) bool {
	return len(name) > storeHash+1 && name[storeHash] == '-' && name[storeHash+1] != '\n' && all(name[:storeHash], isBase32)
}

// cutDigits takes a dash and that many hexadecimal digits off the end of a name.
func cutDigits(name string, digits int) (rest, hash string, ok bool) {
	at := len(name) - digits
	if at < 1 || name[at-1] != '-' || !all(name[at:], isHex) {
		return "", "", false
	}
	return name[:at-1], strings.ToLower(name[at:]), true
}

// cutSuffix is strings.CutSuffix in any letter case.
func cutSuffix(name, suffix string) (string, bool) {
	at := len(name) - len(suffix)
	if at < 0 || !strings.EqualFold(name[at:], suffix) {
		return name, false
	}
	return name[:at], true
}

func hasPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// all reports whether each byte is of a kind.
func all(s string, kind func(byte) bool) bool {
	for i := range len(s) {
		if !kind(s[i]) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// isBase32 is of Nix' alphabet: digits and small letters without e, o, t and u.
func isBase32(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' && c != 'e' && c != 'o' && c != 't' && c != 'u'
}

func isVersion(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '.' || c == '_'
}
