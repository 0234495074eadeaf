package nextboot

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Kind says whose an entry is, and of which type of the Boot Loader Specification.
type Kind int

// The kinds of entries.
const (
	Other    Kind = iota // somebody else's, hand-written too
	NixOS                // type #1, by NixOS' systemd-boot-builder
	Stub                 // type #2, by Lanzaboote
	XenEntry             // type #1, ours
	XenImage             // type #2, ours
	Auto                 // of systemd-boot's own making, for a program that it finds on the ESP: its File is its id
)

// Ours reports whether this project makes entries of this kind.
func (k Kind) Ours() bool { return k == XenEntry || k == XenImage }

// NixOS reports whether NixOS' installers make entries of this kind.
func (k Kind) NixOS() bool { return k == NixOS || k == Stub }

// Entry is one entry of systemd-boot's menu: a file in loader/entries or EFI/Linux of the ESP or of XBOOTLDR.
type Entry struct {
	File string // its file name, counter and suffix with it: "nixos-generation-2+3.conf"
	Kind Kind

	// What its text or .osrel says, "" for nothing.
	SortKey, Version, MachineID string

	Toplevel string // of the generation that it starts, "" where that is unknown

	// Hidden: systemd-boot does not show it, as the image that it names is missing or its text is invalid.
	Hidden bool
	// Dead: systemd-boot shows it, but it can't start: a stub whose kernel is gone.
	Dead bool
}

// ID is the file name in lower case, without the boot counter.
func (e Entry) ID() string {
	id, _ := esp.CutTries(e.File)
	return asciiLower(id)
}

// Tries is the boot counter in the file name, nil for none.
func (e Entry) Tries() *esp.Tries {
	_, t := esp.CutTries(e.File)
	return t
}

// Bad reports whether boot counting has given it up: no tries are left.
func (e Entry) Bad() bool {
	t := e.Tries()
	return t != nil && t.Left == 0
}

// Starts reports whether it is in the menu and there is something to start behind it.
func (e Entry) starts() bool { return !e.Hidden && !e.Dead }

// id is what systemd-boot calls it.
func (b behaviour) id(e Entry) string {
	if b.counterInID {
		return asciiLower(e.File)
	}
	id, tries := esp.CutTries(e.File)
	if tries != nil && b.keepsCase {
		return id
	}
	return asciiLower(id)
}

// matches reports whether a pattern, which systemd-boot lowers, names an entry.
func (b behaviour) matches(pattern string, e row) bool {
	id := e.id
	if b.keepsCase {
		id = strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return 0xE000 + r // a character that no letter of the pattern is
			}
			return r
		}, id)
	}
	return esp.MatchPattern(pattern, id)
}

// visible reports whether systemd-boot shows an entry.
func visible(e Entry) bool {
	name := asciiLower(e.File)
	return e.Kind == Auto || !e.Hidden && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "auto-") &&
		(strings.HasSuffix(name, ".conf") || strings.HasSuffix(name, ".efi"))
}

// row is an entry in the menu, with what is asked of it again and again.
type row struct {
	Entry
	id    string // what this systemd-boot calls it
	tries *esp.Tries
	image bool // of type #2
}

func (b behaviour) row(e Entry) row {
	return row{e, b.id(e), e.Tries(), strings.HasSuffix(asciiLower(e.File), ".efi")}
}

// Bad is [Entry.Bad].
func (r row) Bad() bool { return r.tries != nil && r.tries.Left == 0 }

// menu is what systemd-boot shows, in its order. It reads images before entries, sorts stably, and adds its own.
func (b behaviour) menu(entries []Entry) []row {
	list := make([]row, 0, len(entries))
	for _, e := range entries {
		if visible(e) {
			list = append(list, b.row(e))
		}
	}
	return inOrder(list)
}

func inOrder(list []row) []row {
	slices.SortFunc(list, func(x, y row) int {
		if c := cmp.Or(compareBool(x.Kind == Auto, y.Kind == Auto), compareRows(&x, &y)); c != 0 {
			return c
		}
		return cmp.Or(compareBool(y.image, x.image), cmp.Compare(x.File, y.File))
	})
	return list
}

// menus is a menu as each variant of systemd-boot shows it.
func menus(variants []behaviour, entries []Entry) [][]row {
	list := [][]row{variants[0].menu(entries)}
	for _, b := range variants[1:] {
		list = append(list, b.again(list[0]))
	}
	return list
}

// again is a menu as another variant shows it: no more than ids differ, and those of few entries.
func (b behaviour) again(menu []row) []row {
	if !slices.ContainsFunc(menu, func(r row) bool { return b.id(r.Entry) != r.id }) {
		return menu
	}
	list := slices.Clone(menu)
	for i := range list {
		list[i].id = b.id(list[i].Entry)
	}
	return inOrder(list)
}

// compareRows is boot_entry_compare.
func compareRows(x, y *row) int {
	if c := compareBool(x.Bad(), y.Bad()); c != 0 {
		return c
	}
	if c := compareBool(x.SortKey == "", y.SortKey == ""); c != 0 {
		return c
	}
	if x.SortKey != "" {
		if c := compareUTF16(x.SortKey, y.SortKey); c != 0 {
			return c
		}
		if c := compareUTF16(x.MachineID, y.MachineID); c != 0 {
			return c
		}
		if c := compareVersions(y.Version, x.Version); c != 0 {
			return c
		}
	}
	if c := compareVersions(y.id, x.id); c != 0 {
		return c
	}
	if x.tries == nil || y.tries == nil {
		return 0
	}
	return cmp.Or(cmp.Compare(y.tries.Left, x.tries.Left), cmp.Compare(x.tries.Done, y.tries.Done))
}

// compareBool orders false before true.
func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

// compareUTF16 orders as strcmp16 does.
func compareUTF16(x, y string) int {
	if x == y {
		return 0
	}
	return slices.Compare(utf16.Encode([]rune(x)), utf16.Encode([]rune(y)))
}

// asciiLower lowers ASCII letters only, as systemd-boot does to ids and patterns.
func asciiLower(s string) string {
	for i := range len(s) {
		if isCapital(s[i]) {
			return lowered(s)
		}
	}
	return s // nearly every id
}

func isCapital(c byte) bool { return 'A' <= c && c <= 'Z' }

func lowered(s string) string {
	b := []byte(s)
	for i, c := range b {
		if isCapital(c) {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b)
}
