package esp

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxEntrySize bounds the text of an entry, in bytes.
const MaxEntrySize = 64 << 10

// Entry is a type #1 boot loader entry: lines of a key and a value, in order, with
// repeated and unknown keys. The zero value is an empty entry.
type Entry struct {
	lines []entryLine
	blank int // newlines behind them
}

type entryLine struct {
	text  string // as it was read; "" for one that was added
	field pair   // zero for a comment or a blank line
	added bool
}

type pair struct{ key, value string }

// ParseEntry reads the text of an entry. Lines that are no key with a value are kept for
// [Entry.Encode] and otherwise ignored, as systemd-boot ignores them.
//
// systemd-boot stops at the first NUL byte and leaves out what is not UTF-8. Both are
// refused here: such a file is damaged, and guessing at its rest helps nobody. So
// is a text of more than [MaxEntrySize] bytes.
func ParseEntry(b []byte) (*Entry, error) {
	if len(b) > MaxEntrySize {
		return nil, fmt.Errorf("parse entry: %d bytes, more than %d", len(b), MaxEntrySize)
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return nil, fmt.Errorf("parse entry: NUL byte at offset %d", i)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("parse entry: invalid UTF-8")
	}
	return parseEntry(b), nil
}

// ParseEntryLeniently reads any text as systemd-boot does: up to the first NUL byte, and without what is not UTF-8. It is for
// what an entry of others starts, not for writing it again.
func ParseEntryLeniently(b []byte) *Entry {
	b, _, _ = bytes.Cut(b, []byte{0})
	return parseEntry(bytes.ToValidUTF8(b, nil))
}

func parseEntry(b []byte) *Entry {
	// Entries of ours are filled up with newlines, hundreds of them.
	body := string(bytes.TrimRight(b, "\n"))
	e := &Entry{blank: len(b) - len(body)}
	if body != "" && e.blank > 0 {
		e.blank-- // ends the last line
	}
	lines := splitLines(body)
	e.lines = make([]entryLine, 0, len(lines))
	for _, l := range lines {
		f, _ := parseField(l.text)
		e.lines = append(e.lines, entryLine{text: l.text, field: pair{f.key, f.value}})
	}
	return e
}

// Programs are the keys that name what an entry starts: it is an entry if it has one (Boot Loader Specification).
func Programs() []string { return []string{"efi", "linux", "uki", "uki-url"} }

// Get is the value of a key that is there once, such as title or linux. Where it is there
// more often, the last one counts, as in systemd-boot.
func (e *Entry) Get(key string) (string, bool) {
	for _, l := range slices.Backward(e.lines) {
		if l.field.key == key && key != "" {
			return l.field.value, true
		}
	}
	return "", false
}

// All is the values of a key that may be repeated, such as initrd, in order.
func (e *Entry) All(key string) []string {
	var all []string
	for _, l := range e.lines {
		if l.field.key == key && key != "" {
			all = append(all, l.field.value)
		}
	}
	return all
}

// Options is what all options lines say together, joined by blanks.
func (e *Entry) Options() string { return strings.Join(e.All("options"), " ") }

// Add appends a line. What a line can't hold is an error of [Entry.Encode].
func (e *Entry) Add(key, value string) {
	if e.blank > 0 {
		e.lines = append(e.lines, entryLine{text: strings.Repeat("\n", e.blank-1)})
		e.blank = 0
	}
	e.lines = append(e.lines, entryLine{field: pair{key, value}, added: true})
}

// Encode makes the text of the entry, each line ended by LF. Lines that were parsed are
// written as they were read, comments and unknown ones among them. An added line is an error if it
// would be read back differently: with a control character, an empty value, blanks at
// its ends or in the key, or quotes around the value.
func (e *Entry) Encode() ([]byte, error) {
	var b bytes.Buffer
	b.Grow(SectorSize) // nearly every entry
	for _, l := range e.lines {
		text := l.text
		if l.added {
			if err := checkField(l.field.key, l.field.value); err != nil {
				return nil, fmt.Errorf("encode entry: line %q %q: %w", l.field.key, l.field.value, err)
			}
			text = l.field.key + " " + l.field.value
		}
		b.WriteString(text)
		b.WriteByte('\n')
	}
	for range e.blank {
		b.WriteByte('\n')
	}
	if b.Len() > MaxEntrySize {
		return nil, fmt.Errorf("encode entry: %d bytes, more than %d", b.Len(), MaxEntrySize)
	}
	return b.Bytes(), nil
}

// InitParam finds the last init= on a kernel command line, the one that counts for the
// kernel and for NixOS' stage 1. Blanks and tabs separate the parameters.
func InitParam(options string) (string, bool) {
	var value string
	var found bool
	for word := range strings.FieldsFuncSeq(options, func(r rune) bool { return r == ' ' || r == '\t' }) {
		if v, ok := strings.CutPrefix(word, "init="); ok {
			value, found = v, true
		}
	}
	return value, found
}
