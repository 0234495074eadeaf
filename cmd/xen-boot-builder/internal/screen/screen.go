package screen

import "strings"

// Screen is what lines are made for.
type Screen struct {
	// Width is the number of columns; 0 is a pipe or a file, where lines may have any length.
	Width int
	// Color allows SGR escapes (ECMA-48).
	Color bool
}

// Style is how a text looks where there are colours: SGR parameters. The zero value is plain.
type Style string

// The styles that the program uses. Each means one thing everywhere: green is good or new, red is
// bad or gone, yellow wants attention, cyan explains, grey does not matter now.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
	Grey   Style = "90"
)

// Paint styles a text that is printable.
func (s Screen) Paint(style Style, text string) string {
	if !s.Color || style == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// Line is one line of text, cut on the right to the screen's width.
func (s Screen) Line(text string) string {
	text = Printable(text)
	if s.Width == 0 {
		return text
	}
	return Cut(text, s.Width)
}

// Wrap breaks a text at blanks into lines that fit, each after indent. A word that is longer than
// a line gets one for itself, and is not cut: it is a path that somebody wants to copy.
func (s Screen) Wrap(indent, text string) []string {
	words := strings.Fields(Printable(text))
	if s.Width == 0 {
		return []string{indent + strings.Join(words, " ")}
	}
	var lines []string
	line, width := "", 0
	for _, word := range words {
		w := Width(word)
		if line != "" && Width(indent)+width+1+w > s.Width {
			lines = append(lines, indent+line)
			line, width = "", 0
		}
		if line != "" {
			line, width = line+" ", width+1
		}
		line, width = line+word, width+w
	}
	return append(lines, indent+line)
}
