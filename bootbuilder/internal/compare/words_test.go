package compare

import (
	"slices"
	"strings"
	"testing"
)

func render(words []Word) string {
	var list []string
	for _, w := range words {
		list = append(list, w.String())
	}
	return strings.Join(list, " ")
}

func TestWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, before, after, want string }{
		{"the same", "a b c", "a b c", "a b c"},
		{"nothing", "", "", ""},
		{"all new", "", "a b", "+a +b"},
		{"all gone", "a b", "", "-a -b"},
		{"one for one", "dom0_mem=4096M x", "dom0_mem=8192M x", "-dom0_mem=4096M +dom0_mem=8192M x"},
		{"two for one", "a b x", "c x", "-a -b +c x"},
		{"in the middle", "a b c", "a x c", "a -b +x c"},
		{"moved: the order counts", "a b c", "b c a", "-a b c +a"},
		{"given twice", "console=tty0 console=hvc0", "console=tty0 console=tty0 console=hvc0", "+console=tty0 console=tty0 console=hvc0"},
		{"letter case counts", "a", "A", "-a +A"},
		{"no part of a word is compared", "quiet", "quie", "-quiet +quie"},
	} {
		if got := render(Words(strings.Fields(c.before), strings.Fields(c.after))); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestWordsOfAnyKind: a word may hold blanks, newlines and bytes that are not UTF-8.
func TestWordsOfAnyKind(t *testing.T) {
	t.Parallel()
	odd := []string{"a b", "c\nd", "\xff", "", "dyndbg=\"file x +p\""}
	got := Words(odd, slices.Replace(slices.Clone(odd), 2, 3, "\xfe"))
	want := []Word{{Same, "a b"}, {Same, "c\nd"}, {Removed, "\xff"}, {Added, "\xfe"}, {Same, ""}, {Same, "dyndbg=\"file x +p\""}}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestWordsTooMany: what no command line is like costs no time.
func TestWordsTooMany(t *testing.T) {
	t.Parallel()
	long := slices.Repeat([]string{"a"}, maxWords+1)
	got := Words(long, []string{"b"})
	if len(got) != maxWords+2 || got[0] != (Word{Removed, "a"}) || got[maxWords+1] != (Word{Added, "b"}) {
		t.Errorf("%d words: %v … %v", len(got), got[0], got[len(got)-1])
	}
}

// FuzzWords: both lists can be read off the result, and nothing is removed and added where fewer
// changes would do for a list and itself.
func FuzzWords(f *testing.F) {
	f.Add("a b c", "a c b")
	f.Add("x", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		before, after := strings.Split(a, " "), strings.Split(b, " ")
		var x, y []string
		for _, w := range Words(before, after) {
			if w.Op != Added {
				x = append(x, w.Text)
			}
			if w.Op != Removed {
				y = append(y, w.Text)
			}
		}
		if !slices.Equal(x, before) || !slices.Equal(y, after) {
			t.Errorf("%q, %q become %q, %q", before, after, x, y)
		}
		if changed(Words(before, before)) {
			t.Errorf("%q differs from itself", before)
		}
	})
}
