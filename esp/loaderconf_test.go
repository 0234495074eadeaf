package esp

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoaderConfSet(t *testing.T) {
	t.Parallel()
	const id = "xen-generation-1.conf"
	tests := map[string]struct{ text, want string }{
		"plain": {
			"timeout 5\ndefault nixos-generation-1.conf\nconsole-mode keep\n",
			"timeout 5\ndefault xen-generation-1.conf\nconsole-mode keep\n",
		},
		"CRLF": {
			"timeout 5\r\ndefault nixos-generation-1.conf\r\nconsole-mode keep\r\n",
			"timeout 5\r\ndefault xen-generation-1.conf\r\nconsole-mode keep\r\n",
		},
		"no final newline": {"timeout 5\ndefault nixos-generation-1.conf", "timeout 5\ndefault xen-generation-1.conf"},
		"indented":         {"timeout 5\n \tdefault nixos-generation-1.conf\n", "timeout 5\n \tdefault xen-generation-1.conf\n"},
		"tab":              {"default\t nixos-generation-1.conf\t \n", "default\t xen-generation-1.conf\t \n"},
		"quoted":           {"default \"nixos-generation-1.conf\" \n", "default xen-generation-1.conf \n"},
		"upper case":       {"default NixOS-generation-1.conf\n", "default xen-generation-1.conf\n"},
		"glob":             {"default nixos-*\n", "default xen-generation-1.conf\n"},
		"the last counts": {
			"default nixos-generation-1.conf\ndefault nixos-generation-9.conf\n",
			"default nixos-generation-1.conf\ndefault xen-generation-1.conf\n",
		},
		"the last has an ignored value": {"default a.conf\ndefault @foo\n", "default a.conf\ndefault xen-generation-1.conf\n"},
		"comments and unknown":          {"# default x\n\nfoo\n default y\n", "# default x\n\nfoo\n default xen-generation-1.conf\n"},
		"key in upper case is another":  {"DEFAULT x\n", "DEFAULT x\ndefault xen-generation-1.conf\n"},
		"key without value":             {"default\n", "default\ndefault xen-generation-1.conf\n"},
		"key that begins the same":      {"default-x y\n", "default-x y\ndefault xen-generation-1.conf\n"},
		"absent":                        {"timeout 5\n", "timeout 5\ndefault xen-generation-1.conf\n"},
		"absent, CRLF":                  {"timeout 5\r\n", "timeout 5\r\ndefault xen-generation-1.conf\r\n"},
		"absent, no final newline":      {"timeout 5", "timeout 5\ndefault xen-generation-1.conf\n"},
		"absent, CRLF, none at the end": {"timeout 5\r\neditor 0", "timeout 5\r\neditor 0\r\ndefault xen-generation-1.conf\r\n"},
		"absent, blank at the end":      {"timeout 5\n\n", "timeout 5\n\ndefault xen-generation-1.conf\n"},
		"empty":                         {"", "default xen-generation-1.conf\n"},
		"byte order mark":               {"\ufeffdefault x\n", "\ufeffdefault x\ndefault xen-generation-1.conf\n"},
		"not UTF-8":                     {"# \xff\ndefault x\xfe\n", "# \xff\ndefault xen-generation-1.conf\n"},
		"zeroed":                        {"\x00\x00", "default xen-generation-1.conf\n\x00\x00"},
		"after NUL is not read":         {"timeout 5\n\x00default x\n", "timeout 5\ndefault xen-generation-1.conf\n\x00default x\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ParseLoaderConf([]byte(tt.text))
			if diff := cmp.Diff(tt.text, string(c.Bytes())); diff != "" {
				t.Errorf("unmodified: %s", diff)
			}
			if err := c.Set("default", id); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(c.Bytes())); diff != "" {
				t.Error(diff)
			}
			if got, ok := ParseLoaderConf(c.Bytes()).Get("default"); !ok || got != id {
				t.Errorf("read back: %q, %v", got, ok)
			}
		})
	}
}

func TestLoaderConfSetSame(t *testing.T) {
	t.Parallel()
	const text = "default \"xen-generation-1.conf\" \r\ntimeout 5"
	c := ParseLoaderConf([]byte(text))
	if err := c.Set("default", "xen-generation-1.conf"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(c.Bytes())); diff != "" {
		t.Error(diff)
	}
}

func TestLoaderConfSetRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ key, value string }{
		{"default", "x\neditor 1"},
		{"default", "x\r"},
		{"default", ""},
		{"default", " x"},
		{"default", `"x"`},
		{"default", "x\xff"},
		{"default", "@foo"},
		{"preferred", "@foo"},
		{"editor", "maybe"},
		{"", "x"},
		{"a b", "x"},
		{"#default", "x"},
	}
	for _, tt := range tests {
		t.Run(tt.key+" "+tt.value, func(t *testing.T) {
			t.Parallel()
			const text = "default a\npreferred b\neditor 0\n"
			c := ParseLoaderConf([]byte(text))
			if err := c.Set(tt.key, tt.value); err == nil {
				t.Error("no error")
			}
			if diff := cmp.Diff(text, string(c.Bytes())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoaderConfGet(t *testing.T) {
	t.Parallel()
	const text = "timeout menu-force\n" +
		"default nixos-generation-1.conf\ndefault nixos-*\ndefault @foo\n" +
		"preferred 'nixos-generation-2.conf'\n" +
		"editor 0\neditor maybe\n" +
		"#console-mode keep\n\x00beep 1\n"
	c := ParseLoaderConf([]byte(text))
	tests := []struct {
		key, want string
		ok        bool
	}{
		{"timeout", "menu-force", true},
		{"default", "nixos-*", true},
		{"preferred", "nixos-generation-2.conf", true},
		{"editor", "0", true},
		{"console-mode", "", false},
		{"beep", "", false},
	}
	for _, tt := range tests {
		if got, ok := c.Get(tt.key); got != tt.want || ok != tt.ok {
			t.Errorf("Get(%q) = %q, %v; want %q, %v", tt.key, got, ok, tt.want, tt.ok)
		}
	}
	for _, text := range []string{"default @saved", "default @SAVED"} {
		if got, ok := ParseLoaderConf([]byte(text)).Get("default"); !ok || !IsSpecial(got) {
			t.Errorf("%s: %q, %v", text, got, ok)
		}
	}
	if IsSpecial("auto-windows") || IsSpecial("") {
		t.Error("an id is not a special value")
	}
}

func TestEditorEnabled(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"":                      true,
		"timeout 5\n":           true,
		"editor 0\n":            false,
		"editor no":             false,
		"editor n":              false,
		"editor false":          false,
		"editor f":              false,
		"editor off":            false,
		"editor \"off\"":        false,
		"editor yes":            true,
		"editor 1":              true,
		"editor y":              true,
		"editor true":           true,
		"editor t":              true,
		"editor on":             true,
		"editor OFF":            true, // not understood, so it stays at its default
		"#editor 0":             true,
		"editor 1\neditor 0\n":  false,
		"editor 0\neditor 1\n":  true,
		"editor 0\neditor xx\n": false,
	}
	for text, want := range tests {
		if got := ParseLoaderConf([]byte(text)).EditorEnabled(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzLoaderConf(f *testing.F) {
	for _, s := range []string{
		"timeout 5\ndefault nixos-*\n", "timeout 5\r\ndefault\tx", "default a\rdefault @saved\r", "\ufeffdefault x\n\x00\xff", "default \"",
	} {
		f.Add([]byte(s), "default", "xen-generation-1.conf")
	}
	f.Add([]byte("editor 0"), "editor", "on")
	f.Fuzz(func(t *testing.T, b []byte, key, value string) {
		c := ParseLoaderConf(b)
		if !bytes.Equal(c.Bytes(), b) {
			t.Fatalf("unmodified: %q, want %q", c.Bytes(), b)
		}
		c.EditorEnabled()
		before := slices.Clone(c.lines)
		if err := c.Set(key, value); err != nil {
			if !bytes.Equal(c.Bytes(), b) {
				t.Fatalf("%v, and yet it is changed: %q", err, c.Bytes())
			}
			return
		}
		again := ParseLoaderConf(c.Bytes())
		if got, ok := again.Get(key); !ok || got != value {
			t.Fatalf("Get(%q) = %q, %v; want %q; in %q", key, got, ok, value, c.Bytes())
		}
		// All other lines are as they were, but for the line end that an appended line needs.
		after := slices.Clone(again.lines)
		if len(after) == len(before)+1 {
			after = after[:len(before)]
		}
		changed := 0
		for i := range before {
			if before[i].text != after[i].text {
				changed++
			}
			if before[i].end != after[i].end && before[i].end != "" {
				t.Fatalf("line end %d changed in %q", i, c.Bytes())
			}
		}
		if changed > 1 || changed == 1 && len(again.lines) != len(before) || !strings.HasSuffix(string(c.Bytes()), c.rest) {
			t.Fatalf("%q became %q", b, c.Bytes())
		}
	})
}
