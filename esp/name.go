package esp

import (
	"cmp"
	"strconv"
	"strings"
)

// Kind says who an entry belongs to.
type Kind int

// The kinds of entries.
const (
	NixOS Kind = iota // written by NixOS' systemd-boot-builder or by Lanzaboote
	Xen               // the Xen sibling of a NixOS entry, written by us
)

// String is what names of this kind begin with: "nixos" or "xen".
func (k Kind) String() string {
	if k == Xen {
		return "xen"
	}
	return "nixos"
}

// Name is what the file name of an entry says. There are two forms, for both kinds:
//
//	nixos[-PROFILE]-generation-N[-specialisation-S][-variant-V][+LEFT[-DONE]].conf
//	nixos-HASH[+LEFT[-DONE]].conf
//
// The second one, of nixpkgs since its PR 447173, has 64 hexadecimal digits in place of all the rest. Only
// Xen entries have variants.
type Name struct {
	Kind           Kind
	Profile        string // "" for the system profile
	Generation     uint64
	Specialisation string // "" for none
	Variant        string // of a Xen entry: another way to start the same generation; "" for none
	Hash           string // SHA-256 in hexadecimal, or in base32 for a stub (see [ParseStubName]); "" for none
	Tries          *Tries // the boot counter; nil for none
}

const (
	entrySuffix        = ".conf"
	stubSuffix         = ".efi"
	generationPart     = "generation-"
	specialisationPart = "-specialisation-"
	variantPart        = "-variant-"
)

// ParseName reads the file name of an entry, with its suffix.
//
// FAT does not tell letter cases apart, so that the fixed parts may be in any. Profile and
// specialisation keep theirs, unless the whole name is upper-case: then it is a short
// name that lost its case, and is lowered.
//
// Where a profile or specialisation contains "generation-N" too, the leftmost one that makes the
// whole name valid counts. A number has no leading zeros.
func ParseName(file string) (Name, bool) {
	stem, ok := cutSuffix(file, entrySuffix)
	if !ok {
		return Name{}, false
	}
	return ParseStem(stem)
}

// ParseStem is [ParseName] for a name without suffix, as some loader.conf have it.
//
// A name with a counter in front of the counter is refused: systemd-boot would take
// the first one for the counter of every id made from it.
func ParseStem(stem string) (Name, bool) {
	if !isPossibleStem(stem, len(entrySuffix)) {
		return Name{}, false
	}
	base, tries := splitTries(restoreCase(stem))
	if _, again := splitTries(base); again != nil {
		return Name{}, false
	}
	n, ok := parseID(base)
	n.Tries = tries
	return n, ok
}

// stubHashLen is the length of a SHA-256 in base32 (RFC 4648, lower-case, not padded).
const stubHashLen = 52

// ParseStubName reads the file name of a Lanzaboote stub (lzbt, f142433), always of the system profile:
//
//	nixos-generation-N[-specialisation-S]-HASH[+LEFT[-DONE]].efi
//
// Hash is that of toplevel and signing key.
func ParseStubName(file string) (Name, bool) {
	stem, ok := cutSuffix(file, stubSuffix)
	if !ok || ValidFileName(file) != nil {
		return Name{}, false
	}
	base, tries := splitTries(restoreCase(stem))
	dash := strings.LastIndexByte(base, '-')
	if dash < 0 {
		return Name{}, false
	}
	hash := asciiLower(base[dash+1:])
	if len(hash) != stubHashLen || strings.Trim(hash, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return Name{}, false
	}
	n, ok := parseID(base[:dash])
	if !ok || n.Kind != NixOS || n.Profile != "" || n.Hash != "" {
		return Name{}, false
	}
	n.Hash, n.Tries = hash, tries
	return n, true
}

// ID is the name without counter and suffix: "xen-generation-2".
func (n Name) ID() string {
	var b strings.Builder
	b.Grow(len(n.Profile) + len(n.Specialisation) + len(n.Variant) + len(n.Hash) + 64)
	b.WriteString(n.Kind.String())
	if n.Hash == "" || len(n.Hash) == stubHashLen {
		if n.Profile != "" {
			b.WriteString("-" + n.Profile)
		}
		b.WriteString("-" + generationPart + strconv.FormatUint(n.Generation, 10))
		if n.Specialisation != "" {
			b.WriteString(specialisationPart + n.Specialisation)
		}
	}
	if n.Hash != "" {
		b.WriteString("-" + n.Hash)
	}
	if n.Variant != "" {
		b.WriteString(variantPart + n.Variant)
	}
	return b.String()
}

// As is the name of the same generation's entry of kind k, without the counter: a Xen entry
// is never counted, as systemd-boot counts nothing down for efi entries.
func (n Name) As(k Kind) Name {
	n.Kind, n.Tries = k, nil
	return n
}

// String is the file name of an entry, with counter and suffix.
func (n Name) String() string {
	if n.Tries == nil {
		return n.ID() + entrySuffix
	}
	return n.ID() + n.Tries.String() + entrySuffix
}

// Compare orders names by profile (the system profile first), generation,
// specialisation (none first) and hash. Kind and counter don't matter.
func (n Name) Compare(o Name) int {
	return cmp.Or(
		cmp.Compare(n.Profile, o.Profile),
		cmp.Compare(n.Generation, o.Generation),
		cmp.Compare(n.Specialisation, o.Specialisation),
		cmp.Compare(n.Variant, o.Variant),
		cmp.Compare(n.Hash, o.Hash),
	)
}

// parseID reads a name without counter and suffix.
func parseID(id string) (Name, bool) {
	prefix, rest, _ := strings.Cut(id, "-")
	var n Name
	switch asciiLower(prefix) {
	case NixOS.String():
	case Xen.String():
		n.Kind = Xen
		if i := strings.LastIndex(asciiLower(rest), variantPart); i > 0 && i+len(variantPart) < len(rest) {
			if m, ok := parseID(id[:len(id)-len(rest)+i]); ok && m.Specialisation == "" { // a specialisation has no variants
				m.Variant = rest[i+len(variantPart):]
				return m, true
			}
		}
	default:
		return Name{}, false
	}
	if hash := asciiLower(rest); len(hash) == 64 && strings.Trim(hash, "0123456789abcdef") == "" {
		n.Hash = hash
		return n, true
	}
	low := asciiLower(rest)
	for at := 0; ; at++ {
		i := strings.Index(low[at:], generationPart)
		if i < 0 {
			return Name{}, false
		}
		at += i
		if at == 1 || at > 1 && low[at-1] != '-' {
			continue
		}
		if ok := n.parseGeneration(rest[at+len(generationPart):]); ok {
			n.Profile = rest[:max(at-1, 0)]
			return n, true
		}
	}
}

// parseGeneration reads N[-specialisation-S].
func (n *Name) parseGeneration(s string) bool {
	number, specialisation := s, ""
	if i := strings.IndexByte(s, '-'); i >= 0 {
		var ok bool
		if specialisation, ok = cutPrefix(s[i:], specialisationPart); !ok || specialisation == "" {
			return false
		}
		number = s[:i]
	}
	g, err := strconv.ParseUint(number, 10, 64)
	if err != nil || strconv.FormatUint(g, 10) != number {
		return false
	}
	n.Generation, n.Specialisation = g, specialisation
	return true
}

// restoreCase lowers a name that has no lower-case letter.
func restoreCase(s string) string {
	if strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyz") {
		return s
	}
	return asciiLower(s)
}

// cutPrefix is [strings.CutPrefix] for a lower-case prefix, whatever the letter case in s.
func cutPrefix(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || asciiLower(s[:len(prefix)]) != prefix {
		return s, false
	}
	return s[len(prefix):], true
}

// cutSuffix is the same for a suffix.
func cutSuffix(s, suffix string) (string, bool) {
	at := len(s) - len(suffix)
	if at < 0 || asciiLower(s[at:]) != suffix {
		return s, false
	}
	return s[:at], true
}
