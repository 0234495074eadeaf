package screen

import "strings"

// Change is one field of something that is not as it was: "Xen  4.19.3 -> 4.20.2".
type Change struct {
	Label string
	// Before and After are the field's values. Where one is empty, the other was added or removed.
	Before, After string
	// Words are shown instead, for a field of many: each removed and each added one.
	Words []Word
}

// Word is one word of such a field, removed or added.
type Word struct {
	Text  string
	Added bool
}

// Changes lays out changes below each other, each with its label in a column of its own. Words that
// don't fit a line go on below the first.
func (s Screen) Changes(indent string, list []Change) []string {
	column := 0
	for _, c := range list {
		column = max(column, Width(Printable(c.Label)))
	}
	var lines []string
	for _, c := range list {
		label := Printable(c.Label)
		line := indent + s.Paint(Bold, label) + strings.Repeat(" ", column-Width(label)) + gap
		start := Width(indent) + column + len(gap)
		below := indent + strings.Repeat(" ", column) + gap
		width := start
		for i, part := range c.parts() {
			text := Printable(part.Text)
			if i > 0 && s.Width > 0 && width+1+Width(text) > s.Width {
				lines = append(lines, line)
				line, width = below, start
			} else if i > 0 {
				line, width = line+" ", width+1
			}
			line, width = line+s.Paint(part.Style, text), width+Width(text)
		}
		lines = append(lines, line)
	}
	return lines
}

// parts are what may be on lines of their own.
func (c Change) parts() []Cell {
	var parts []Cell
	for _, w := range c.Words {
		if w.Added {
			parts = append(parts, Cell{"+" + w.Text, Green})
		} else {
			parts = append(parts, Cell{"-" + w.Text, Red})
		}
	}
	switch {
	case c.Words != nil:
	case c.Before == "":
		parts = append(parts, Cell{"+" + c.After, Green})
	case c.After == "":
		parts = append(parts, Cell{"-" + c.Before, Red})
	default:
		parts = append(parts, Cell{c.Before, Red}, Cell{"-> " + c.After, Green})
	}
	return parts
}
