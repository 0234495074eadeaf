package fatimage

import (
	"fmt"
	"strings"
	"unicode"
)

// CheckName refuses what can't be a new file's name: what FAT can't hold, and what mtools would
// change or read as a drive.
func (v *volume) CheckName(name string) error {
	switch limit := v.maxName(); {
	case len(name) > limit:
		return fmt.Errorf("the name has more than %d characters", limit)
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") || strings.HasPrefix(name, " "):
		return fmt.Errorf("FAT names don't begin with a space or end with a space or dot")
	}
	for _, r := range name {
		if !printable(r) || strings.ContainsRune(`"*/:<>?\|`, r) {
			return fmt.Errorf("%q can't be in the name of a file on FAT", r)
		}
	}
	return nil
}

// maxName is the length of a long name in characters: 255, or what fits into a cluster with the
// entry itself, since mtools lengthens a directory by one cluster at most for a name.
func (v *volume) maxName() int {
	const entrySize, perEntry = 32, 13
	return int(min(255, (v.fat.ClusterSize()/entrySize-1)*perEntry))
}

// printable reports whether mtools takes a character as it is: it has one UTF-16 unit for each.
func printable(r rune) bool {
	return r <= 0xffff && r != unicode.ReplacementChar && (unicode.IsPrint(r) || unicode.IsMark(r))
}

// checkPath refuses names of existing files that mtools can't be told.
func checkPath(name string) error {
	for _, r := range name {
		if !printable(r) || strings.ContainsRune(`*?\`, r) {
			return fmt.Errorf("mtools can't be given a name with %q", r)
		}
	}
	return nil
}

// escapePattern makes a name match itself only, for mtools as for [filepath.Match].
func escapePattern(name string) string {
	return strings.NewReplacer(`\`, `\\`, `[`, `\[`, `*`, `\*`, `?`, `\?`).Replace(name)
}
