package compare

import "github.com/sergi/go-diff/diffmatchpatch"

// Op says where a word is.
type Op string

const (
	Same    Op = "="
	Removed Op = "-"
	Added   Op = "+"
)

// Word is one parameter.
type Word struct {
	Op   Op     `json:"op"`
	Text string `json:"text"`
}

// String is the word as a difference shows it: "-quiet", "+debug", "root=/dev/sda".
func (w Word) String() string {
	if w.Op == Same {
		return w.Text
	}
	return string(w.Op) + w.Text
}

// maxWords is the length of list up to which the fewest changes are looked for. No command line
// that boots comes near it.
const maxWords = 2000

// Words compares two lists of parameters. Their order counts, as it does for Xen and Linux: one that
// moved is removed and added. Where a word replaces another, the removed ones come first.
func Words(before, after []string) []Word {
	if len(before) > maxWords || len(after) > maxWords {
		return append(all(Removed, before), all(Added, after)...)
	}
	// go-diff compares runes: each different word becomes one.
	var words []string
	runes := make(map[string]rune)
	encode := func(list []string) []rune {
		encoded := make([]rune, len(list))
		for i, word := range list {
			r, ok := runes[word]
			if !ok {
				r = rune(len(words) + 1) // far from the surrogates
				runes[word] = r
				words = append(words, word)
			}
			encoded[i] = r
		}
		return encoded
	}
	d := diffmatchpatch.New()
	d.DiffTimeout = 0 // with a limit, the result would depend on the machine's speed
	var result []Word
	for _, chunk := range d.DiffMainRunes(encode(before), encode(after), false) {
		op := Same
		switch chunk.Type {
		case diffmatchpatch.DiffDelete:
			op = Removed
		case diffmatchpatch.DiffInsert:
			op = Added
		}
		for _, r := range chunk.Text {
			result = append(result, Word{op, words[r-1]})
		}
	}
	return result
}

func all(op Op, list []string) []Word {
	words := make([]Word, len(list))
	for i, text := range list {
		words[i] = Word{op, text}
	}
	return words
}
