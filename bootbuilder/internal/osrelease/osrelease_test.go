package osrelease_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/osrelease"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value string
		want  error
	}{
		"plain":            {"NixOS 26.05 (Linux 6.12.5)", nil},
		"nothing":          {"", nil},
		"blanks around":    {"  x\u00a0 ", nil},
		"other scripts":    {"grün €, 日本, 😀", nil},
		"an apostrophe":    {"Ada's machine", nil},
		"only apostrophes": {"'x'", nil},
		"equals signs":     {"==a=b=", nil},
		"a comment's sign": {"# x", nil},
		"right to left":    {"a\u202eb", nil}, // shown escaped on terminals
		"newline":          {"a\nINJECTED=b", osrelease.ErrControl},
		"carriage return":  {"a\rb", osrelease.ErrControl},
		"tab":              {"a\tb", osrelease.ErrControl},
		"NUL":              {"a\x00b", osrelease.ErrControl},
		"escape":           {"a\x1b[31mb", osrelease.ErrControl},
		"DEL":              {"a\x7fb", osrelease.ErrControl},
		"NEL":              {"a\u0085b", osrelease.ErrControl},
		"CSI":              {"a\u009bb", osrelease.ErrControl},
		"line separator":   {"a\u2028b", osrelease.ErrControl},
		"paragraphs":       {"a\u2029b", osrelease.ErrControl},
		"not UTF-8":        {"a\xffb", osrelease.ErrControl},
		"C1 as a raw byte": {"a\x9bb", osrelease.ErrControl},
		"quote":            {`the "big" one`, osrelease.ErrQuoting},
		"backslash":        {`a\b`, osrelease.ErrQuoting},
		"dollar":           {"$HOME", osrelease.ErrQuoting},
		"backquote":        {"`id`", osrelease.ErrQuoting},
	} {
		b, err := osrelease.Encode(osrelease.Field{Key: "ID", Value: "nixos"}, osrelease.Field{Key: "PRETTY_NAME", Value: c.value})
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err != nil {
			continue
		}
		if got, want := osrelease.Decode(b), map[string]string{"ID": "nixos", "PRETTY_NAME": c.value}; !maps.Equal(got, want) {
			t.Errorf("%s: read back as %q", name, got)
		}
		if got := byShell(t, b); got != c.value {
			t.Errorf("%s: a shell reads %q", name, got)
		}
	}
	for _, key := range []string{"", "a", "A B", "1A", "A=B", "Ä"} {
		if _, err := osrelease.Encode(osrelease.Field{Key: key}); err == nil {
			t.Errorf("key %q: no error", key)
		}
	}
}

// byShell asks a shell, which os-release(5) is made for.
func byShell(t *testing.T, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "os-release")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", `. "$0" && printf %s "$PRETTY_NAME"`, file).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestDecode has texts of others, and what systemd-boot makes of them.
func TestDecode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want map[string]string
	}{
		"Lanzaboote's":    {"ID=lanza\nPRETTY_NAME=NixOS 24.05 (Generation 3, 2024-05-01)\nVERSION_ID=Generation 3, 2024-05-01\n", map[string]string{"ID": "lanza", "PRETTY_NAME": "NixOS 24.05 (Generation 3, 2024-05-01)", "VERSION_ID": "Generation 3, 2024-05-01"}},
		"quotes":          {"A=\"a b\"\nB='c d'\nC=\"e'\nD=\"\nE=\"\"\n", map[string]string{"A": "a b", "B": "c d", "C": "\"e'", "D": "", "E": ""}},
		"escapes stay":    {`A="a\"b\\c\$d"`, map[string]string{"A": `a\"b\\c\$d`}},
		"blanks and CRLF": {"  A=x \t\r\n\r\n\tB= y\r\n", map[string]string{"A": "x", "B": " y"}},
		"comments":        {"#A=1\n # B=2\nC=#3\n", map[string]string{"C": "#3"}},
		"no assignment":   {"A\nB=1", map[string]string{"B": "1"}},
		"several equals":  {"A==1\nB=\"=1\"\n", map[string]string{"A": "1", "B": "=1"}},
		"twice":           {"A=1\nA=2\n", map[string]string{"A": "2"}},
		"padding":         {"A=1\n\x00\x00B=2\n", map[string]string{"A": "1"}},
		"nothing":         {"", map[string]string{}},
		"an empty key":    {"=x\n", map[string]string{"": "x"}},
	} {
		if got := osrelease.Decode([]byte(c.text)); !maps.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("NixOS", "'quoted'")
	f.Add("a\u0085b", `\"`)
	f.Add(" x ", "=")
	f.Fuzz(func(t *testing.T, a, b string) {
		text, err := osrelease.Encode(osrelease.Field{Key: "A", Value: a}, osrelease.Field{Key: "B", Value: b})
		if err != nil {
			if _, err := osrelease.Encode(osrelease.Field{Key: "A", Value: osrelease.Plain(a)}); errors.Is(err, osrelease.ErrQuoting) {
				t.Errorf("Plain leaves %q", osrelease.Plain(a))
			}
			return
		}
		if got := osrelease.Decode(text); got["A"] != a || got["B"] != b || len(got) != 2 {
			t.Errorf("%q and %q are read back as %q", a, b, got)
		}
	})
}
