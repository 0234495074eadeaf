package screen

import "strings"

// gap is what is between two columns.
const gap = "  "

// Column is one column of a table.
type Column struct {
	Title string
	// Right aligns on the right, as numbers and sizes are read.
	Right bool
	// Min lets the column be cut down to so many columns of the screen; 0 never. Names that
	// people copy have none.
	Min int
	// Drop says which columns are left out where the screen is too narrow even for what can be
	// cut: the one with the highest goes first. 0 stays.
	Drop int
}

// Cell is one field of a table.
type Cell struct {
	Text  string
	Style Style
}

// Row is one line of a table, and what is said below it.
type Row struct {
	Cells []Cell // one for each column; missing ones are empty
	Below []Cell // each in lines of their own, indented
}

// Table is columns and rows. Texts in it may hold anything: they are made printable.
type Table struct {
	Columns []Column
	Rows    []Row
}

// below is how far texts below a row are indented.
const below = "    "

// Lines lays the table out for a screen: a line of titles, then the rows. A column with nothing in
// it is left out, and so is the line of titles where there are none.
func (t Table) Lines(s Screen) []string {
	texts := t.texts()
	columns := t.fit(texts, s.Width)
	var lines []string
	if titles := t.line(columns, texts[0], func(int) Style { return Bold }, s); titles != "" {
		lines = append(lines, titles)
	}
	for i, row := range t.Rows {
		lines = append(lines, t.line(columns, texts[i+1], func(c int) Style {
			if c < len(row.Cells) {
				return row.Cells[c].Style
			}
			return Plain
		}, s))
		for _, cell := range row.Below {
			for _, line := range s.Wrap(below, cell.Text) {
				lines = append(lines, below+s.Paint(cell.Style, strings.TrimPrefix(line, below)))
			}
		}
	}
	return lines
}

// texts are the titles and the rows' cells, printable and all of one length.
func (t Table) texts() [][]string {
	all := make([][]string, 1, len(t.Rows)+1)
	for _, c := range t.Columns {
		all[0] = append(all[0], Printable(c.Title))
	}
	for _, row := range t.Rows {
		texts := make([]string, len(t.Columns))
		for i := range min(len(row.Cells), len(texts)) {
			texts[i] = Printable(row.Cells[i].Text)
		}
		all = append(all, texts)
	}
	return all
}

// fitted is a column that is shown.
type fitted struct{ index, width int }

// fit decides which columns are shown, and how wide they are.
func (t Table) fit(texts [][]string, screen int) []fitted {
	var shown []fitted
	for i := range t.Columns {
		width, filled := 0, false
		for row, cells := range texts {
			width = max(width, Width(cells[i]))
			filled = filled || row > 0 && cells[i] != ""
		}
		if filled || len(t.Rows) == 0 {
			shown = append(shown, fitted{i, width})
		}
	}
	if screen == 0 {
		return shown
	}
	for t.least(shown) > screen {
		drop := -1
		for n, f := range shown {
			if p := t.Columns[f.index].Drop; p > 0 && (drop < 0 || p > t.Columns[shown[drop].index].Drop) {
				drop = n
			}
		}
		if drop < 0 {
			break
		}
		shown = append(shown[:drop], shown[drop+1:]...)
	}
	// What has to go is taken from the widest column that may be cut, column by column of the screen.
	for over := total(shown) - screen; over > 0; over-- {
		widest := -1
		for n, f := range shown {
			if m := t.Columns[f.index].Min; m > 0 && f.width > m && (widest < 0 || f.width > shown[widest].width) {
				widest = n
			}
		}
		if widest < 0 {
			break
		}
		shown[widest].width--
	}
	return shown
}

// least is the narrowest that these columns can be.
func (t Table) least(columns []fitted) int {
	n := total(columns)
	for _, f := range columns {
		if m := t.Columns[f.index].Min; m > 0 {
			n -= max(0, f.width-m)
		}
	}
	return n
}

func total(columns []fitted) int {
	n := max(0, len(columns)-1) * len(gap)
	for _, f := range columns {
		n += f.width
	}
	return n
}

// line is one row. It has no blanks at its end.
func (t Table) line(columns []fitted, texts []string, style func(column int) Style, s Screen) string {
	var b strings.Builder
	blanks := 0 // that are due before the next text
	for n, f := range columns {
		if n > 0 {
			blanks += len(gap)
		}
		text := Cut(texts[f.index], f.width)
		rest := f.width - Width(text)
		if t.Columns[f.index].Right {
			blanks, rest = blanks+rest, 0
		}
		if text != "" {
			b.WriteString(strings.Repeat(" ", blanks))
			b.WriteString(s.Paint(style(f.index), text))
			blanks = 0
		}
		blanks += rest
	}
	return b.String()
}
