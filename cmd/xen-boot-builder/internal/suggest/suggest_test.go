package suggest

import "testing"

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"install", "list", "diff", "status", "verify", "try", "bless", "remove", "version", "help", "quiet", "default", "info", "debug"}
	for typed, want := range map[string]string{
		"lsit":      "list", // two letters the wrong way round
		"lst":       "list",
		"lists":     "list",
		"List":      "list",
		"instal":    "install",
		"isntall":   "install",
		"veryfi":    "verify",
		"verfiy":    "verify",
		"verion":    "version",
		"dif":       "diff",
		"stat":      "status", // a beginning
		"DEBUG":     "debug",
		"deubg":     "debug",
		"defualt":   "default",
		"remvoe":    "remove",
		"verbose":   "", // three letters from version
		"uninstall": "install",
		"tyr":       "try",
		"xyz":       "",
		"in":        "", // too short to guess
		"":          "",
		"ühm":       "",
		"\x1b[31m":  "",
	} {
		if got := Nearest(typed, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", typed, got, want)
		}
	}
	if got := Nearest("list", nil); got != "" {
		t.Errorf("of no words: %q", got)
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0},
		{"abc", "abd", 1}, {"abc", "ab", 1}, {"abc", "abcd", 1}, {"abc", "acb", 1}, {"ab", "ba", 1},
		{"kitten", "sitting", 3}, {"abcd", "badc", 2},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := distance(c.b, c.a); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
