package esp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newerEntry is in the newer form of systemd-boot-builder: no final newline.
const newerEntry = `title NixOS
version Generation 2 NixOS Xantusia 25.11 (Linux 6.12.58), built on 2025-12-02
linux /EFI/nixos/s8rigwp5m5z689d7b51k80r7qdnbbcwd-linux-6.12.58-bzImage.efi
initrd /EFI/nixos/a45lblvsqkafrdfcv5r777xvm6dgbr1i-initrd-linux-6.12.58-initrd.efi
initrd /EFI/nixos/extra.efi
options init=/nix/store/aaa-nixos-system-dom0/init root=fstab loglevel=4
machine-id 5e4b2c9d1f7a4e0c8b3d6a9f0e1c2d3b
sort-key nixos`

func mustParseEntry(t *testing.T, text string) *Entry {
	t.Helper()
	e, err := ParseEntry([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEntryGet(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text, key, want string
		missing         bool
	}{
		"first line":           {text: newerEntry, key: "title", want: "NixOS"},
		"last line, no LF":     {text: newerEntry, key: "sort-key", want: "nixos"},
		"blanks in the value":  {text: newerEntry, key: "version", want: "Generation 2 NixOS Xantusia 25.11 (Linux 6.12.58), built on 2025-12-02"},
		"absent":               {text: newerEntry, key: "devicetree", missing: true},
		"CRLF":                 {text: "title NixOS\r\nversion 1\r\n", key: "title", want: "NixOS"},
		"CR alone ends a line": {text: "title NixOS\rversion 1\r", key: "title", want: "NixOS"},
		"tab":                  {text: "options\tinit=/x/init quiet\n", key: "options", want: "init=/x/init quiet"},
		"tabs and blanks":      {text: "\t title \t NixOS \t\n", key: "title", want: "NixOS"},
		"tab in the value":     {text: "options a\tb\n", key: "options", want: "a\tb"},
		"last one counts":      {text: "title NixOS\ntitle Second\n", key: "title", want: "Second"},
		"key without value":    {text: "title\nversion 1\n", key: "title", missing: true},
		"key and blanks":       {text: "machine-id \nversion 1\n", key: "machine-id", missing: true},
		"comment":              {text: "# title NixOS\n #title NixOS\n", key: "title", missing: true},
		"comment as key":       {text: "# title NixOS\n", key: "#", missing: true},
		"hash sign in a value": {text: "title NixOS # 1\n", key: "title", want: "NixOS # 1"},
		"key in upper case":    {text: "TITLE NixOS\n", key: "title", missing: true},
		"double quotes":        {text: "title \"My NixOS\"\n", key: "title", want: "My NixOS"},
		"single quotes":        {text: "title 'My NixOS'\n", key: "title", want: "My NixOS"},
		"one pair is dropped":  {text: `title ""NixOS""`, key: "title", want: `"NixOS"`},
		"quotes that differ":   {text: "title 'NixOS\"\n", key: "title", want: "'NixOS\""},
		"quotes inside":        {text: "title My \"NixOS\"\n", key: "title", want: "My \"NixOS\""},
		"empty quotes":         {text: "title \"\"\n", key: "title", want: ""},
		"one quote":            {text: "title \"\n", key: "title", want: ""},
		"empty file":           {text: "", key: "title", missing: true},
		"no key":               {text: "title\n\n#\n", key: "", missing: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := mustParseEntry(t, tt.text).Get(tt.key)
			if ok == tt.missing || got != tt.want {
				t.Errorf("Get(%q) = %q, %v; want %q, %v", tt.key, got, ok, tt.want, !tt.missing)
			}
		})
	}
}

func TestEntryRepeatedKeys(t *testing.T) {
	t.Parallel()
	e := mustParseEntry(t, newerEntry+"\noptions  quiet  splash\noptions init=/bin/sh\n")
	wantInitrd := []string{
		"/EFI/nixos/a45lblvsqkafrdfcv5r777xvm6dgbr1i-initrd-linux-6.12.58-initrd.efi",
		"/EFI/nixos/extra.efi",
	}
	if diff := cmp.Diff(wantInitrd, e.All("initrd")); diff != "" {
		t.Error(diff)
	}
	want := "init=/nix/store/aaa-nixos-system-dom0/init root=fstab loglevel=4 quiet  splash init=/bin/sh"
	if got := e.Options(); got != want {
		t.Errorf("Options() = %q, want %q", got, want)
	}
	if got := (&Entry{}).Options(); got != "" {
		t.Errorf("options of an empty entry: %q", got)
	}
}

func TestParseEntryRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"NUL":           {"title Nix\x00OS\n", "NUL byte at offset 9"},
		"zeroed":        {strings.Repeat("\x00", 512), "NUL byte at offset 0"},
		"invalid UTF-8": {"title Nix\xffOS\n", "invalid UTF-8"},
		"too large":     {strings.Repeat("#", MaxEntrySize+1), "65537 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseEntry([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := ParseEntry(bytes.Repeat([]byte("#"), MaxEntrySize)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

func TestEntryEncode(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"unmodified":        {newerEntry + "\n", newerEntry + "\n"},
		"final newline":     {newerEntry, newerEntry + "\n"},
		"CRLF":              {"title NixOS\r\n\r\nversion 1\r\n", "title NixOS\n\nversion 1\n"},
		"comments, unknown": {"# x\n\n \t\nfoo\nbar  a\n\ttitle\tNixOS \n", "# x\n\n \t\nfoo\nbar  a\n\ttitle\tNixOS \n"},
		"empty":             {"", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := mustParseEntry(t, tt.text).Encode()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEntryAdd(t *testing.T) {
	t.Parallel()
	e := &Entry{}
	e.Add("title", "NixOS [a&b_$x[1]] (with Xen Hypervisor)")
	e.Add("version", "Generation 1 NixOS Xantusia 25.11 (Linux 6.12.58), built on 2025-12-02")
	e.Add("efi", "/EFI/xen/xen-4.20.2-0123456789abcdef.efi")
	e.Add("options", "xen.efi -cfg=xen-generation-1.cfg")
	e.Add("sort-key", "nixos")
	got, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `title NixOS [a&b_$x[1]] (with Xen Hypervisor)
version Generation 1 NixOS Xantusia 25.11 (Linux 6.12.58), built on 2025-12-02
efi /EFI/xen/xen-4.20.2-0123456789abcdef.efi
options xen.efi -cfg=xen-generation-1.cfg
sort-key nixos
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if got, ok := e.Get("sort-key"); !ok || got != "nixos" {
		t.Errorf("Get of an added line: %q, %v", got, ok)
	}
}

func TestEntryEncodeRefuses(t *testing.T) {
	t.Parallel()
	const control, differs = "control character", "read back differently"
	tests := map[string]struct{ key, value, want string }{
		"newline":           {"title", "NixOS\nlinux /evil", control},
		"carriage return":   {"title", "NixOS\r", control},
		"NUL":               {"title", "Nix\x00OS", control},
		"tab":               {"title", "Nix\tOS", control},
		"escape":            {"title", "\x1b[31mNixOS", control},
		"DEL":               {"title", "NixOS\x7f", control},
		"newline in key":    {"sort\nkey", "nixos", control},
		"invalid UTF-8":     {"title", "Nix\xffOS", "invalid UTF-8"},
		"empty value":       {"machine-id", "", "empty value"},
		"blank in key":      {"sort key", "nixos", "blank in the key"},
		"only blanks":       {"machine-id", "  ", differs},
		"blank in front":    {"title", " NixOS", differs},
		"blank behind":      {"title", "NixOS ", differs},
		"quotes":            {"title", `"NixOS"`, differs},
		"one quote":         {"title", `'`, differs},
		"no key":            {"", "NixOS", differs},
		"no key, two words": {"", "title NixOS", differs},
		"key as a comment":  {"#title", "NixOS", differs},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &Entry{}
			e.Add(tt.key, tt.value)
			got, err := e.Encode()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("encoded as %q, error %v, want one with %q", got, err, tt.want)
			}
		})
	}
	e := &Entry{}
	e.Add("title", strings.Repeat("x", MaxEntrySize))
	if _, err := e.Encode(); err == nil {
		t.Error("an entry that can't be parsed again was encoded")
	}
}

func TestInitParam(t *testing.T) {
	t.Parallel()
	tests := []struct {
		options, want string
		ok            bool
	}{
		{"init=/a/init root=fstab", "/a/init", true},
		{"quiet init=/a/init", "/a/init", true},
		{"quiet\tinit=/a/init\tx", "/a/init", true},
		{"init=/a/init root=x init=/b/init", "/b/init", true},
		{"init=/a/init resume=/x/init=/c/init xinit=/d", "/a/init", true},
		{"rdinit=/a/init", "", false},
		{"init=/a/init init=", "", true},
		{"INIT=/a/init", "", false},
		{"init =/a", "", false},
		{"init=/a\u00a0b", "/a\u00a0b", true},
		{"", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.options, func(t *testing.T) {
			t.Parallel()
			got, ok := InitParam(tt.options)
			if got != tt.want || ok != tt.ok {
				t.Errorf("got %q, %v; want %q, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func FuzzEntry(f *testing.F) {
	for _, s := range []string{
		newerEntry, "title a\r\nlinux b\r\n", "# c\n\n\tkey\tvalue \n", "options a\roptions b", "x \"", "a b\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEntry(b)
		if err != nil {
			return
		}
		text, err := e.Encode()
		if err != nil {
			if len(b) < MaxEntrySize {
				t.Fatalf("an entry as it was parsed: %v", err)
			}
			return
		}
		again, err := ParseEntry(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fields(e), fields(again)); diff != "" {
			t.Fatal(diff)
		}
		if twice, err := again.Encode(); err != nil || !bytes.Equal(twice, text) {
			t.Fatalf("encoded again: %q, %v; want %q", twice, err, text)
		}

		// What was read can be written anew, or is refused: it never turns into something else.
		for _, l := range e.lines {
			anew := &Entry{}
			anew.Add(l.field.key, l.field.value)
			text, err := anew.Encode()
			if err != nil {
				continue
			}
			read, err := ParseEntry(text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fields(anew), fields(read)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// fields lists what a reader takes from an entry.
func fields(e *Entry) []string {
	var list []string
	for _, l := range e.lines {
		if l.field.key != "" {
			list = append(list, fmt.Sprintf("%q = %q", l.field.key, l.field.value))
		}
	}
	return list
}
