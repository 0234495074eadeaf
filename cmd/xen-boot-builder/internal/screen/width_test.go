package screen

import (
	"strings"
	"testing"
)

func TestWidth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"":                   0,
		"abc":                3,
		"büro":               4,
		"bu\u0308ro":         4, // the same with a combining mark
		"機械":                 4,
		"ｘ":                  2, // full width
		"ｱ":                  1, // half width
		"한글":                 4,
		"\u1112\u1161\u11ab": 2, // the first of them, as a sequence
		"…":                  1,
		"😀":                  2,
	} {
		if got := Width(text); got != want {
			t.Errorf("Width(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{
		{"abcdef", 6, "abcdef"},
		{"abcdef", 5, "abcd…"},
		{"abcdef", 1, "…"},
		{"abcdef", 0, ""},
		{"abcdef", -1, ""},
		{"", 0, ""},
		{"機械学習", 8, "機械学習"},
		{"機械学習", 7, "機械学…"},
		{"機械学習", 6, "機械…"}, // half of a character can't be shown
		{"o\u0308o\u0308o\u0308", 2, "o\u0308…"},
	} {
		if got := Cut(c.text, c.columns); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.text, c.columns, got, c.want)
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100)
	if got := (Screen{}).Line(long + "\n"); got != long+`\n` {
		t.Errorf("in a pipe: %q", got)
	}
	if got := (Screen{Width: 80}).Line(long); got != long[:79]+"…" {
		t.Errorf("on a terminal: %q", got)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	const text = "the kernel  機械機械 is missing: /nix/store/aaaaaaaaaaaaaaaaaaaaaaaa\nreally"
	const line = "  the kernel 機械機械 is missing: /nix/store/aaaaaaaaaaaaaaaaaaaaaaaa"
	for _, c := range []struct {
		width int
		want  string
	}{
		{0, line + `\nreally`},
		{100, line + `\nreally`},
		{22, "  the kernel 機械機械\n  is missing:\n  " + `/nix/store/aaaaaaaaaaaaaaaaaaaaaaaa\nreally`},
		{1, "  the\n  kernel\n  機械機械\n  is\n  missing:\n  " + `/nix/store/aaaaaaaaaaaaaaaaaaaaaaaa\nreally`},
	} {
		if got := strings.Join((Screen{Width: c.width}).Wrap("  ", text), "\n"); got != c.want {
			t.Errorf("at %d columns:\n%s\nwant:\n%s", c.width, got, c.want)
		}
	}
}
