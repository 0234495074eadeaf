package osrelease

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"", "nixos", `Nix "OS" $5`, `a\b`, "`x`", `"`, `""`, `"quoted"`, "it's", "Ä → ✓", "a=b", "#", " lead and trail ",
	} {
		text, err := Encode(Field{"ID", value}, Field{"PRETTY_NAME", "x"})
		if err != nil {
			t.Errorf("%q: %v", value, err)
		}
		if d := cmp.Diff(map[string]string{"ID": value, "PRETTY_NAME": "x"}, Parse(string(text))); d != "" {
			t.Errorf("%q (-given +read)\n%s", value, d)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"a\nb", "\t", "\x00", "\x7f", "\u0085", "\u009b", "\u2028", "\u2029", "\xff"} {
		if text, err := Encode(Field{"ID", value}); err == nil {
			t.Errorf("%q gives %q", value, text)
		}
	}
}

// TestParse: what systemd-boot would make of it.
func TestParse(t *testing.T) {
	t.Parallel()
	got := Parse("# comment=1\n\nID=lanza\nPRETTY_NAME=\"NixOS \\\"x\\\"\"\r\nVERSION_ID='5'\nID=last\nnonsense\n")
	want := map[string]string{"ID": "last", "PRETTY_NAME": `NixOS \"x\"`, "VERSION_ID": "'5'"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got = Parse("A==1\rB=\"=2\"\r\n \tC= 3 \n#D=4\n\x00E=5")
	if d := cmp.Diff(map[string]string{"A": "1", "B": "=2", "C": " 3"}, got); d != "" {
		t.Error(d)
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(`Nix "OS" $5`)
	f.Add("\u0085")
	f.Fuzz(func(t *testing.T, value string) {
		text, err := Encode(Field{"ID", value})
		if err != nil {
			return
		}
		if got := Parse(string(text))["ID"]; got != value {
			t.Errorf("%q comes back as %q", value, got)
		}
	})
}
