package screen

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listing is a table as list prints it.
func listing() Table {
	cells := func(texts ...string) []Cell {
		row := make([]Cell, len(texts))
		for i, text := range texts {
			row[i].Text = text
		}
		return row
	}
	broken := cells("", "41", "2026-11-02", "6.12.41", "4.19.3", "shared", "1.1 KiB", "broken", "", "/nix/store/aaaaaaaa-nixos-system-機械-26.11")
	broken[7].Style = Red
	return Table{
		Columns: []Column{
			{},
			{Title: "GEN", Right: true},
			{Title: "BUILT", Drop: 2},
			{Title: "LINUX", Min: 6},
			{Title: "XEN"},
			{Title: "LAYOUT", Drop: 1},
			{Title: "SIZE", Right: true},
			{Title: "STATE"},
			{Title: "PROFILE"}, // nobody has one
			{Title: "TOPLEVEL", Min: 12, Drop: 3},
		},
		Rows: []Row{
			{Cells: cells("*", "42", "2026-11-24", "6.12.58", "4.20.2", "unified", "29.6 MiB", "ok", "", "/nix/store/bbbbbbbb-nixos-system-büro-26.11")},
			{Cells: broken, Below: []Cell{{Text: "EFI/nixos/kernel.efi is missing", Style: Red}}},
			{Cells: cells(">", "9", "2026-01-02", "6.12.0-rc1-long", "-", "shared", "0 B", "ok")},
		},
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		screen Screen
		want   string
	}{
		{"a pipe", Screen{}, `
   GEN  BUILT       LINUX            XEN     LAYOUT       SIZE  STATE   TOPLEVEL
*   42  2026-11-24  6.12.58          4.20.2  unified  29.6 MiB  ok      /nix/store/bbbbbbbb-nixos-system-büro-26.11
    41  2026-11-02  6.12.41          4.19.3  shared    1.1 KiB  broken  /nix/store/aaaaaaaa-nixos-system-機械-26.11
    EFI/nixos/kernel.efi is missing
>    9  2026-01-02  6.12.0-rc1-long  -       shared        0 B  ok
`},
		{"120 columns: all fits", Screen{Width: 120}, `
   GEN  BUILT       LINUX            XEN     LAYOUT       SIZE  STATE   TOPLEVEL
*   42  2026-11-24  6.12.58          4.20.2  unified  29.6 MiB  ok      /nix/store/bbbbbbbb-nixos-system-büro-26.11
    41  2026-11-02  6.12.41          4.19.3  shared    1.1 KiB  broken  /nix/store/aaaaaaaa-nixos-system-機械-26.11
    EFI/nixos/kernel.efi is missing
>    9  2026-01-02  6.12.0-rc1-long  -       shared        0 B  ok
`},
		{"100 columns: the widest column that may is cut", Screen{Width: 100}, `
   GEN  BUILT       LINUX            XEN     LAYOUT       SIZE  STATE   TOPLEVEL
*   42  2026-11-24  6.12.58          4.20.2  unified  29.6 MiB  ok      /nix/store/bbbbbbbb-nixos-s…
    41  2026-11-02  6.12.41          4.19.3  shared    1.1 KiB  broken  /nix/store/aaaaaaaa-nixos-s…
    EFI/nixos/kernel.efi is missing
>    9  2026-01-02  6.12.0-rc1-long  -       shared        0 B  ok
`},
		{"80 columns: two are cut", Screen{Width: 80}, `
   GEN  BUILT       LINUX        XEN     LAYOUT       SIZE  STATE   TOPLEVEL
*   42  2026-11-24  6.12.58      4.20.2  unified  29.6 MiB  ok      /nix/store/…
    41  2026-11-02  6.12.41      4.19.3  shared    1.1 KiB  broken  /nix/store/…
    EFI/nixos/kernel.efi is missing
>    9  2026-01-02  6.12.0-rc1…  -       shared        0 B  ok
`},
		{"61 columns: the toplevel goes", Screen{Width: 61}, `
   GEN  BUILT       LINUX   XEN     LAYOUT       SIZE  STATE
*   42  2026-11-24  6.12.…  4.20.2  unified  29.6 MiB  ok
    41  2026-11-02  6.12.…  4.19.3  shared    1.1 KiB  broken
    EFI/nixos/kernel.efi is missing
>    9  2026-01-02  6.12.…  -       shared        0 B  ok
`},
		{"60 columns: so does the day it was built, and the others get its place", Screen{Width: 60}, `
   GEN  LINUX            XEN     LAYOUT       SIZE  STATE
*   42  6.12.58          4.20.2  unified  29.6 MiB  ok
    41  6.12.41          4.19.3  shared    1.1 KiB  broken
    EFI/nixos/kernel.efi is missing
>    9  6.12.0-rc1-long  -       shared        0 B  ok
`},
		{"50 columns", Screen{Width: 50}, `
   GEN  LINUX    XEN     LAYOUT       SIZE  STATE
*   42  6.12.58  4.20.2  unified  29.6 MiB  ok
    41  6.12.41  4.19.3  shared    1.1 KiB  broken
    EFI/nixos/kernel.efi is missing
>    9  6.12.0…  -       shared        0 B  ok
`},
		{"20 columns: what can't go is too wide", Screen{Width: 20}, `
   GEN  LINUX   XEN         SIZE  STATE
*   42  6.12.…  4.20.2  29.6 MiB  ok
    41  6.12.…  4.19.3   1.1 KiB  broken
    EFI/nixos/kernel.efi
    is missing
>    9  6.12.…  -            0 B  ok
`},
	} {
		lines := listing().Lines(c.screen)
		if d := cmp.Diff(strings.Split(strings.Trim(c.want, "\n"), "\n"), lines); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
		for _, line := range lines {
			if c.screen.Width > 40 && Width(line) > c.screen.Width || strings.HasSuffix(line, " ") {
				t.Errorf("%s: a line is too long or ends in a blank: %q", c.name, line)
			}
		}
	}
}

func TestTableInColor(t *testing.T) {
	t.Parallel()
	table := Table{
		Columns: []Column{{Title: "ID"}, {Title: "STATE", Right: true}, {Title: "SIZE"}},
		Rows: []Row{{
			Cells: []Cell{{Text: "機械\x1b[0m"}, {"ok", Green}},
			Below: []Cell{{"why", Red}},
		}},
	}
	want := []string{
		"\x1b[1mID\x1b[0m           \x1b[1mSTATE\x1b[0m",
		`機械\x1b[0m     ` + "\x1b[32mok\x1b[0m",
		"    \x1b[31mwhy\x1b[0m",
	}
	if d := cmp.Diff(want, table.Lines(Screen{Color: true})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestTableOfNothing: no rows are a line of titles, no titles are none.
func TestTableOfNothing(t *testing.T) {
	t.Parallel()
	if got := (Table{Columns: []Column{{Title: "A"}, {Title: "B"}}}).Lines(Screen{}); !cmp.Equal(got, []string{"A  B"}) {
		t.Errorf("without rows: %q", got)
	}
	bare := Table{Columns: make([]Column, 2), Rows: []Row{{Cells: []Cell{{Text: "a"}, {Text: "b"}, {Text: "more than columns"}}}}}
	if got := bare.Lines(Screen{}); !cmp.Equal(got, []string{"a  b"}) {
		t.Errorf("without titles: %q", got)
	}
	if got := (Table{}).Lines(Screen{Width: 80}); got != nil {
		t.Errorf("an empty table: %q", got)
	}
}
