package main

import (
	"fmt"
	"strings"
)

// roff writes a manual page with the macros of man(7). All text that goes in is plain; what
// the formatter would take for a request or an escape is escaped here.
type roff struct {
	strings.Builder
	fresh bool // right below a section's title, where no paragraph has to begin
}

// section begins a section.
func (r *roff) section(title string) {
	fmt.Fprintf(r, ".SH %s\n", roffText(title))
	r.fresh = true
}

// paragraph writes one paragraph.
func (r *roff) paragraph(text ...string) {
	if !r.fresh {
		r.WriteString(".PP\n")
	}
	r.text(text...)
}

// item writes a term and what it means.
func (r *roff) item(term string, text ...string) {
	fmt.Fprintf(r, ".TP\n.B %s\n", roffQuote(term))
	r.text(text...)
}

// example writes a caption, and indented below it lines that stay as they are.
func (r *roff) example(caption string, code ...string) {
	r.paragraph(caption)
	r.WriteString(".PP\n.RS 4\n.EX\n")
	for _, line := range code {
		fmt.Fprintf(r, "%s\n", roffStart(roffText(line)))
	}
	r.WriteString(".EE\n.RE\n")
}

// text writes text for the formatter to fill.
func (r *roff) text(text ...string) {
	for _, row := range wrap(roffText(strings.Join(text, " ")), 78) {
		fmt.Fprintf(r, "%s\n", roffStart(row))
	}
	r.fresh = false
}

// roffText escapes backslashes, quotes that would become typographic ones, and hyphens that
// would become dashes.
func roffText(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
}

// roffStart keeps the start of an escaped line from being taken for a request.
func roffStart(s string) string {
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// roffQuote makes one argument of a macro.
func roffQuote(s string) string {
	return `"` + strings.ReplaceAll(roffText(s), `"`, `\(dq`) + `"`
}
