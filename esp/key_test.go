package esp_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// slowKey is a key by its definition.
func slowKey(name string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, name)
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	names := []string{
		"", "a", "A", "b", "ab", "aB", "AB", "xen-generation-1.conf", "XEN-GENERATION-1.CONF", "xen-generation-1.con",
		"büro", "BÜRO", "buro", "\u212a", "k", "K", "ı", "i", "I", "ſ", "s", "S", "aı", "aI", "straße", "STRASSE", "a\xff", "A\xff", "[", "{", "@", "`",
	}
	for _, a := range names {
		if got := string(esp.KeyOf(a)); got != slowKey(a) {
			t.Errorf("KeyOf(%q) = %q, want %q", a, got, slowKey(a))
		}
		for _, b := range names {
			if got, want := esp.SameName(a, b), slowKey(a) == slowKey(b); got != want {
				t.Errorf("SameName(%q, %q) = %v, want %v", a, b, got, want)
			}
		}
	}
	if !slices.Contains(names, "ı") || !esp.SameName("ı", "I") {
		t.Error("the table lacks letters that only their keys tell to be one")
	}
}

// TestEntryPadding: entries are filled up with newlines, and keep them.
func TestEntryPadding(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "\n\n\n", "title x\n", "title x\n\n", "title x\n\n\n\n", "\n\ntitle x\n\n", "title x\r\n\n\n"} {
		e, err := esp.ParseEntry([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		again, err := e.Encode()
		if want := strings.ReplaceAll(text, "\r\n", "\n"); err != nil || string(again) != want {
			t.Errorf("%q became %q, %v", text, again, err)
		}
		e.Add("version", "1")
		if again, err := e.Encode(); err != nil || string(again) != strings.ReplaceAll(text, "\r\n", "\n")+"version 1\n" {
			t.Errorf("%q with a line became %q, %v", text, again, err)
		}
	}
}
