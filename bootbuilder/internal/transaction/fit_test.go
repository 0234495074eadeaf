package transaction

import (
	"bytes"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

func TestPad(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]int{0: 512, 1: 512, 511: 512, 512: 1024, 1023: 1024, 1024: 1536} {
		text := strings.Repeat("x", length)
		got := string(Pad([]byte(text)))
		if len(got) != want || strings.TrimRight(got, "\n") != text || !strings.HasSuffix(got, "\n") {
			t.Errorf("%d bytes become %d, want %d", length, len(got), want)
		}
		if again := string(Pad([]byte(got))); again != got {
			t.Errorf("%d bytes: padded twice it is %d", length, len(again))
		}
	}
}

// TestFit: whatever comes out is the text but for blanks, and gets there with one sector.
func TestFit(t *testing.T) {
	t.Parallel()
	head := strings.Repeat("# a comment that takes some bytes\n", 30) // 1020 bytes
	for _, c := range []struct {
		name, old, text string
		ok              bool
		grow            int
	}{
		{"shorter", "default nixos-1.conf\n", "default xen-1.conf\n", true, 21},
		{"longer", "default xen-1.conf\n", "default nixos-1.conf\n", true, 21},
		{"longer into padding", "default xen-1.conf\n\n\n\n\n", "default nixos-1.conf\n", true, 23},
		{"no newline at the end", "default nixos-1.conf", "default xen-1.conf", true, 20},
		{"no newline at the end, as long", "default nixos-1.conf", "default nixos-2.conf", true, 21},
		{"in the last of three sectors", head + "default nixos-1.conf\nx 1\n", head + "default xen-1.conf\nx 1\n", true, len(head) + 25},
		{"shorter in the first of three sectors", "default nixos-1.conf\n" + head, "default xen-1.conf\n" + head, true, len(head) + 21},
		{"longer in the first of three sectors", "default xen-1.conf\n" + head, "default nixos-1.conf\n" + head, false, 0},
		{"across two sectors", head[:500] + "\ndefault nixos-1.conf\n" + head, head[:500] + "\ndefault xen-22.conf\n" + head, false, 0},
		{"the same", "default a\n", "default a\n", true, 10},
		{"out of nothing", "", "default a\n", true, 10},
	} {
		fitted, grow, ok := Fit([]byte(c.old), []byte(c.text))
		if ok != c.ok || ok && grow != c.grow {
			t.Errorf("%s: got %v, %d, want %v, %d", c.name, ok, grow, c.ok, c.grow)
			continue
		}
		if !ok {
			continue
		}
		if len(fitted) != grow || grow < len(c.old) {
			t.Errorf("%s: %d bytes in a file of %d", c.name, len(fitted), grow)
		}
		if squeeze(string(fitted)) != squeeze(c.text) {
			t.Errorf("%s: got %q", c.name, fitted)
		}
		if n := len(sectors(extend([]byte(c.old), grow), fitted)); n > 1 {
			t.Errorf("%s: %d sectors differ", c.name, n)
		}
	}
}

// squeeze takes away what no reader of the file minds.
func squeeze(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// TestIsBlank: a file is written sector by sector only where no mixture of old sectors and new ones says what neither says.
func TestIsBlank(t *testing.T) {
	t.Parallel()
	newlines := func(n int) string { return strings.Repeat("\n", n) }
	for text, want := range map[string]bool{
		"": true, newlines(700): true, "\x00\x00": true,
		newlines(1) + "# why" + newlines(700): true, "# why\n": true, "# why": true,
		newlines(509) + "# why" + newlines(300): false, // "hy" would be left
		"# why\n# and why\n":                    false, "efi /a\n": false, newlines(600) + "efi /a": false, " # why\n": false,
	} {
		if got := isBlank([]byte(text)); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	for size := range 1100 {
		if text := remarked(size, "# why"); len(text) != size || !isBlank(text[:min(size, esp.SectorSize)]) {
			t.Errorf("%d: %d bytes, %q", size, len(text), text)
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add([]byte("timeout 5\ndefault nixos-generation-1.conf\n"), []byte("timeout 5\ndefault xen-generation-1.conf\n"))
	f.Add([]byte("a\n\n\n"), []byte("a"))
	f.Add([]byte{}, []byte("\n"))
	f.Fuzz(func(t *testing.T, old, text []byte) {
		fitted, grow, ok := Fit(old, text)
		if !ok {
			return
		}
		if grow < len(old) || len(fitted) != grow {
			t.Errorf("%d bytes for a file of %d that becomes %d", len(fitted), len(old), grow)
		}
		if len(sectors(extend(old, grow), fitted)) > 1 {
			t.Error("more than one sector differs")
		}
		a, b := bytes.Fields(fitted), bytes.Fields(text)
		if !bytes.Equal(bytes.Join(a, []byte(" ")), bytes.Join(b, []byte(" "))) {
			t.Errorf("got %q of %q", fitted, text)
		}
	})
}

func TestDeciding(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"title x\nefi /a\n": 0,
		"title " + strings.Repeat("x", 600) + "\nefi /a\n":   512,
		"title " + strings.Repeat("x", 500) + "\nefi /abc\n": 0, // begins there
		"# efi\n" + strings.Repeat("\n", 2000) + " linux a":  1536,
		"title x\n": 0,
		"":          0,
	} {
		if got := deciding([]byte(text)); got != want || got%esp.SectorSize != 0 {
			t.Errorf("%.20q (%d bytes): %d, want %d", text, len(text), got, want)
		}
	}
}
