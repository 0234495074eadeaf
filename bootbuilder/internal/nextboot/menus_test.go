package nextboot

import (
	"slices"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// TestMenus orders a menu for all variants as it orders it for each: with counters and capitals, which ids differ by.
func TestMenus(t *testing.T) {
	t.Parallel()
	var entries []Entry
	for _, file := range []string{
		"nixos-generation-1.conf", "nixos-generation-2+3.conf", "Nixos-Generation-10+2-1.conf", "nixos-generation-10.conf",
		"xen-generation-2+0-3.efi", "XEN-generation-2.efi", "Other+1.conf", "other.conf",
	} {
		for _, key := range []string{"", "nixos"} {
			entries = append(entries, Entry{File: file, SortKey: key, Version: "Generation 2"})
		}
	}
	for _, major := range []int{0, 252, 256, 257, 258, 259, 260} {
		variants := Version{Major: major}.behaviours()
		for i, b := range variants {
			for _, list := range [][]Entry{entries, entries[:2]} {
				got, want := menus(variants, list)[i], b.menu(list)
				if !slices.EqualFunc(got, want, func(a, b row) bool { return a.Entry == b.Entry && a.id == b.id && a.image == b.image }) {
					t.Errorf("version %d, variant %d: %v; want %v", major, i, got, want)
				}
			}
		}
	}
}

// TestPlainPattern has ids that a pattern without anything special means.
func TestPlainPattern(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, id string
		want        bool
	}{
		{"nixos-2.conf", "NIXOS-2.conf", true}, {"Nixos-2.conf", "nixos-2.conf", true}, {"nixos-2.conf", "nixos-2.con", false},
		{"", "", true}, {"", "a", false}, {"[", "[", false}, {"k.conf", "\u212a.conf", false}, {"kkk.conf", "\u212a.conf", false},
	} {
		if got := esp.MatchPattern(c.pattern, c.id); got != c.want {
			t.Errorf("%q, %q: %v", c.pattern, c.id, got)
		}
	}
}
