package bootbuilder

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// diffContext is how many unchanged lines stand around a change, as in diff -u.
const diffContext = 3

// unifiedDiff is what diff -u prints for two texts; "" where they are the same. A nil
// text is a file that does not exist.
func unifiedDiff(name string, before, after []byte) string {
	if string(before) == string(after) {
		return ""
	}
	lines := diffLines(string(before), string(after))
	var b strings.Builder
	from, to := "a/"+name, "b/"+name
	if before == nil {
		from = "/dev/null"
	}
	if after == nil {
		to = "/dev/null"
	}
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", from, to)
	for _, h := range hunks(lines) {
		h.write(&b, lines)
	}
	return b.String()
}

// diffLine is one line of either text, or of both (' ', '-', '+').
type diffLine struct {
	op   byte
	text string // with its newline, if it has one
}

// diffLines compares line by line. go-diff's time limit is off: with it, the result would
// depend on the machine's speed.
func diffLines(before, after string) []diffLine {
	d := diffmatchpatch.New()
	d.DiffTimeout = 0
	a, b, index := d.DiffLinesToChars(before, after)
	var lines []diffLine
	for _, chunk := range d.DiffCharsToLines(d.DiffMain(a, b, false), index) {
		op := byte(' ')
		switch chunk.Type {
		case diffmatchpatch.DiffDelete:
			op = '-'
		case diffmatchpatch.DiffInsert:
			op = '+'
		}
		for line := range strings.Lines(chunk.Text) {
			lines = append(lines, diffLine{op, line})
		}
	}
	return lines
}

// hunk is a run of lines to print: lines[from:to].
type hunk struct{ from, to int }

func hunks(lines []diffLine) []hunk {
	var list []hunk
	for i, line := range lines {
		if line.op == ' ' {
			continue
		}
		from, to := max(0, i-diffContext), min(len(lines), i+1+diffContext)
		if n := len(list); n > 0 && from <= list[n-1].to {
			list[n-1].to = to
		} else {
			list = append(list, hunk{from, to})
		}
	}
	return list
}

func (h hunk) write(b *strings.Builder, lines []diffLine) {
	oldStart, newStart := 1, 1
	for _, line := range lines[:h.from] {
		if line.op != '+' {
			oldStart++
		}
		if line.op != '-' {
			newStart++
		}
	}
	oldCount, newCount := 0, 0
	for _, line := range lines[h.from:h.to] {
		if line.op != '+' {
			oldCount++
		}
		if line.op != '-' {
			newCount++
		}
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n", hunkRange(oldStart, oldCount), hunkRange(newStart, newCount))
	for _, line := range lines[h.from:h.to] {
		b.WriteByte(line.op)
		b.WriteString(line.text)
		if !strings.HasSuffix(line.text, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

func hunkRange(start, count int) string {
	if count == 0 {
		start-- // diff -u names the line before an empty range
	}
	if count == 1 {
		return fmt.Sprint(start)
	}
	return fmt.Sprintf("%d,%d", start, count)
}

// unpadded is a text without the newlines that fill up its last sector.
func unpadded(text []byte) []byte {
	if text == nil {
		return nil
	}
	return append(bytes.Clone(bytes.TrimRight(text, "\n")), '\n')
}
