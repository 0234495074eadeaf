package screen

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"plain", "NixOS 26.11 (Linux 6.12.58)", "NixOS 26.11 (Linux 6.12.58)"},
		{"empty", "", ""},
		{"a path of FAT", `\EFI\nixos\x.efi`, `\EFI\nixos\x.efi`},
		{"other scripts", "büro Ελλάδα 機械 שלום", "büro Ελλάδα 機械 שלום"},
		{"escape sequence", "a\x1b[31mb", `a\x1b[31mb`},
		{"C1 control", "a\u009b31mb", `a\u009b31mb`},
		{"carriage return", "real\rfake", `real\x0dfake`},
		{"newline and tab", "a\nb\tc", `a\nb\tc`},
		{"delete", "a\x7f", `a\x7f`},
		{"not UTF-8", "a\xffb\xc3", `a\xffb\xc3`},
		{"the replacement character itself", "a\ufffdb", "a\ufffdb"},
		{"right-to-left override", "xen-\u202efed.efi", `xen-\u202efed.efi`},
		{"isolates", "\u2066a\u2069", `\u2066a\u2069`},
		{"zero-width space and joiner", "a\u200bb\u200dc", `a\u200bb\u200dc`},
		{"byte order mark", "\ufeffa", `\ufeffa`},
		{"soft hyphen", "no\u00adde", `no\u00adde`},
		{"no-break space", "a\u00a0b", `a\u00a0b`},
		{"invisible letter", "a\u3164b", `a\u3164b`},
		{"variation selector", "a\ufe0f", `a\ufe0f`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"tag", "a\U000e0041", `a\U000e0041`},
		{"combining mark", "o\u0308", "o\u0308"},
		{"combining mark with nothing before it", "\u0308o", `\u0308o`},
	} {
		if got := Printable(c.in); got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestPrintableText(t *testing.T) {
	t.Parallel()
	const in, want = "a\tb\n\u0308c\r\n", "a\tb\n" + `\u0308c\x0d` + "\n"
	if got := PrintableText(in); got != want {
		t.Errorf("%q becomes %q, want %q", in, got, want)
	}
}

// FuzzPrintable: nothing that a terminal acts on is left, and doing it twice changes nothing.
func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"a\x1b]0;x\x07", "\u202e", "\xf0\x9f", "\u0301", "a\u0301\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := Printable(in)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool {
			return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Bidi_Control)
		}) {
			t.Errorf("%q becomes %q", in, got)
		}
		if again := Printable(got); again != got {
			t.Errorf("%q becomes %q, then %q", in, got, again)
		}
	})
}
