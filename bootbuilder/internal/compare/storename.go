package compare

import (
	"slices"
	"strings"
)

const (
	storeDir   = "/nix/store/"
	hashLength = 32 // letters of Nix's base 32
	shortHash  = 6  // as many as tell two apart, for people
)

// outputs are what nixpkgs appends to the names of packages that have several.
var outputs = []string{"bin", "boot", "dev", "dist", "doc", "lib", "man", "modules", "out"}

// SplitStorePath takes a path in the store apart, as Nix does: the version begins behind the first
// dash that no letter follows. "/nix/store/<hash>-linux-6.12.58/bzImage" is linux, 6.12.58. ok is
// false for any other path.
func SplitStorePath(path string) (hash, name, version string, ok bool) {
	rest, in := strings.CutPrefix(path, storeDir)
	top, _, _ := strings.Cut(rest, "/")
	if !in || len(top) < hashLength+2 || top[hashLength] != '-' {
		return "", "", "", false
	}
	hash, name = top[:hashLength], top[hashLength+1:]
	if strings.ContainsFunc(hash, func(r rune) bool {
		return !strings.ContainsRune("0123456789abcdfghijklmnpqrsvwxyz", r)
	}) {
		return "", "", "", false
	}
	for i := 1; i < len(name)-1; i++ {
		if next := name[i+1] | 0x20; name[i] == '-' && (next < 'a' || next > 'z') {
			name, version = name[:i], name[i+1:]
			break
		}
	}
	if i := strings.LastIndexByte(version, '-'); i > 0 && slices.Contains(outputs, version[i+1:]) {
		version = version[:i]
	}
	return hash, name, version, true
}

// named is a file, and what people call it.
type named struct {
	path          string
	hash          string // "" outside the store
	name, version string
}

// name names a file, by its version where that is known from elsewhere.
func name(path, version string) named {
	n := named{path: path, version: version}
	hash, pkg, v, ok := SplitStorePath(path)
	if ok {
		n.hash, n.name = hash, pkg
		if version == "" {
			n.version = v
		}
	}
	return n
}

// shortest are two names that are not the same text: the versions alone if that is all that
// differs, with the packages' names if those do, and with hashes where neither does.
func shortest(a, b named) (before, after string, rebuilt bool) {
	sameName := a.name == b.name && a.hash != "" && b.hash != "" && a.version != "" && b.version != ""
	before, after = a.text(!sameName), b.text(!sameName)
	if before != after {
		return before, after, false
	}
	if a.hash != b.hash {
		return before + " (" + a.hash[:shortHash] + ")", after + " (" + b.hash[:shortHash] + ")", true
	}
	return a.path, b.path, false // two files of one package
}

func (n named) text(withName bool) string {
	switch {
	case n.path == "":
		return ""
	case n.hash == "" && n.version != "":
		return n.version + " (" + n.path + ")"
	case n.hash == "":
		return n.path
	case !withName:
		return n.version
	case n.version == "":
		return n.name
	}
	return n.name + " " + n.version
}
