package esp

import (
	"strings"
	"testing"
	"time"
)

func TestMatchPattern(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, id string
		want        bool
	}{
		{"nixos-generation-1.conf", "nixos-generation-1.conf", true},
		{"nixos-generation-1", "nixos-generation-1.conf", false},
		{"NixOS-generation-1.conf", "nixos-generation-1.conf", true},
		{"nixos-generation-2.conf", "NIXOS-GENERATION-2.CONF", true},
		{"nixos-Ä.conf", "nixos-ä.conf", false}, // only ASCII is lowered
		{"nixos-generation-5.conf", "nixos-generation-5+3.conf", false},
		{"nixos-generation-5*.conf", "nixos-generation-5+3.conf", true},
		{"nixos-*", "nixos-generation-1.conf", true},
		{"nixos-*", "xen-generation-1.conf", false},
		{"*", "", true},
		{"**", "x", true},
		{"", "", true},
		{"", "x", false},
		{"*.conf", "a.conf.conf", true},
		{"*a*b*c", "xaxbxabc", true},
		{"*a*b*c", "xaxbxabcd", false},
		{"a*a", "a", false},
		{"?", "a", true},
		{"?", "", false},
		{"??", "a", false},
		{"a?c", "aßc", true},
		{"a?c", "a𝄞c", false},
		{"a??c", "a𝄞c", true},
		{"a𝄞c", "a𝄞c", false}, // dropped from the pattern
		{"a𝄞c", "ac", true},
		{"a\xffc", "ac", true},
		{"a\uFFFDc", "a\uFFFDc", true},
		{"[abc]", "b", true},
		{"[abc]", "d", false},
		{"[abc]", "", false},
		{"[a-c]x", "bx", true},
		{"[A-C]x", "bx", true},
		{"[a-c]x", "BX", true},
		{"[c-a]", "b", false},
		{"[a-c-f]", "f", true}, // a range can't be the start of another one
		{"[a-c-f]", "e", false},
		{"[a-c-f]", "-", true},
		{"[-a]", "-", true},
		{"[a-]", "-", true},
		{"[]]", "]", true},
		{"[]a]", "a", true},
		{"[]-a]", "^", true},
		{"[!a]", "b", false}, // no negation
		{"[!a]", "!", true},
		{"[^a]", "b", false},
		{`[\]]`, "]", true},
		{`[a\-c]`, "b", false},
		{`[a\-c]`, "-", true},
		{`[a-\c]`, "b", true},
		{`[\a-c]`, "b", true},
		{"[[:alpha:]]", "a]", true}, // no classes: a set of six, then a bracket
		{"[", "[", false},
		{"[a", "a", false},
		{"[]", "]", false},
		{"[a-", "a", false},
		{`[a-\`, "a", false},
		{`[\`, `\`, false},
		{`\*`, "*", true},
		{`\*`, "x", false},
		{`\[a]`, "[a]", true},
		{`a\`, "a", false},
		{`a\`, `a\`, false},
		{`\\`, `\`, true},
		{`nixos-a&b_$x[1]-generation-2.conf`, `nixos-a&b_$x[1]-generation-2.conf`, false},
		{`nixos-a&b_$x[1]-generation-2.conf`, `nixos-a&b_$x1-generation-2.conf`, true},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.id, func(t *testing.T) {
			t.Parallel()
			if got := MatchPattern(tt.pattern, tt.id); got != tt.want {
				t.Errorf("MatchPattern(%q, %q) = %v", tt.pattern, tt.id, got)
			}
		})
	}
}

func TestEscapePattern(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"xen-generation-1.conf":           "xen-generation-1.conf",
		"xen-a&b_$x[1]-generation-2.conf": `xen-a&b_$x\[1]-generation-2.conf`,
		`a*?[\]`:                          `a\*\?\[\\]`,
		"ä-Ω":                             "ä-Ω",
	}
	for id, want := range tests {
		got := EscapePattern(id)
		if got != want {
			t.Errorf("EscapePattern(%q) = %q, want %q", id, got, want)
		}
		if IsGlob(got) {
			t.Errorf("%q is a glob", got)
		}
		if !MatchPattern(got, id) {
			t.Errorf("%q does not match %q", got, id)
		}
		for _, other := range []string{"xen-a&b_$x1-generation-2.conf", "a", "axyz"} {
			if MatchPattern(got, other) {
				t.Errorf("%q matches %q", got, other)
			}
		}
	}
	if p := EscapePattern("a𝄞"); !MatchPattern(p, "a𝄞") {
		t.Errorf("%q does not match", p)
	}
}

func TestIsGlob(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"nixos-generation-1.conf": false,
		"nixos-*":                 true,
		"nixos-?.conf":            true,
		"nixos-[12].conf":         true,
		`nixos-\*\?\[`:            false,
		`nixos-\\*`:               true,
		`nixos-\`:                 false,
		"a]b":                     false,
		"":                        false,
	}
	for pattern, want := range tests {
		if got := IsGlob(pattern); got != want {
			t.Errorf("IsGlob(%q) = %v", pattern, got)
		}
	}
}

// A pattern that would take exponential time with naive backtracking.
func TestMatchPatternTime(t *testing.T) {
	t.Parallel()
	start := time.Now()
	if MatchPattern(strings.Repeat("a*", 10_000)+"b", strings.Repeat("a", 255)) {
		t.Error("matched")
	}
	if MatchPattern(strings.Repeat("*a", 120)+"*b", strings.Repeat("a", 255)) {
		t.Error("matched")
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("nixos-*", "nixos-generation-1.conf")
	f.Add("[a-c-f]*?x", "xen-a&b_$x[1]-generation-2.conf")
	f.Add(`[]-\]]\*`, `a*?[\]`)
	f.Add("a𝄞", "a𝄞\xff")
	f.Fuzz(func(t *testing.T, pattern, id string) {
		MatchPattern(pattern, id) // neither panics nor hangs
		escaped := EscapePattern(id)
		if !MatchPattern(escaped, id) {
			t.Fatalf("%q does not match %q", escaped, id)
		}
		if strings.ContainsFunc(id, func(r rune) bool { return r > 0xFFFF }) {
			return
		}
		if IsGlob(escaped) {
			t.Fatalf("%q is a glob", escaped)
		}
		// Nothing but the id in another letter case.
		same := string([]rune(asciiLower(pattern))) == string([]rune(asciiLower(id)))
		if MatchPattern(escaped, pattern) != same {
			t.Fatalf("%q matches %q: %v", escaped, pattern, !same)
		}
	})
}
