package esp

import (
	"fmt"
	"strconv"
	"strings"
)

// Tries is the boot counter in a file name: +LEFT or +LEFT-DONE.
type Tries struct {
	Left, Done uint
	HasDone    bool // whether Done is in the name
}

// String is the counter as it stands in a name: "+2-1".
func (t Tries) String() string {
	if t.HasDone {
		return fmt.Sprintf("+%d-%d", t.Left, t.Done)
	}
	return fmt.Sprintf("+%d", t.Left)
}

// splitTries cuts the boot counter off a file name without suffix. It is what systemd-boot takes
// for one (boot_entry_parse_tries in src/boot/boot.c): what follows the last plus sign, if
// that is one number, or two with a minus between, neither above 2³¹-1.
func splitTries(stem string) (string, *Tries) {
	plus := strings.LastIndexByte(stem, '+')
	if plus < 0 {
		return stem, nil
	}
	left, done, hasDone := strings.Cut(stem[plus+1:], "-")
	t := Tries{HasDone: hasDone}
	var ok bool
	if t.Left, ok = parseTry(left); !ok {
		return stem, nil
	}
	if hasDone {
		if t.Done, ok = parseTry(done); !ok {
			return stem, nil
		}
	}
	return stem[:plus], &t
}

func parseTry(s string) (uint, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return uint(n), err == nil
}

// CutTries splits the file name of an entry or image into the name without its boot
// counter, suffix kept, and the counter, nil where it has none:
// "nixos-2+3.conf" is "nixos-2.conf" and +3.
func CutTries(file string) (string, *Tries) {
	for _, suffix := range []string{entrySuffix, stubSuffix} {
		if stem, ok := cutSuffix(file, suffix); ok {
			base, tries := splitTries(stem)
			if tries == nil {
				return file, nil
			}
			return base + file[len(stem):], tries
		}
	}
	return file, nil
}
