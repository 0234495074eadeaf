package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// listLines are a table of the generations, newest first, with their Xen entries; those without in grey, with
// the reason. heading is the ESP where there are several, "" for none.
func listLines(s screen.Screen, i *bootbuilder.Inspection, heading string) []string {
	var lines []string
	if heading != "" {
		lines = append(lines, s.Paint(bold, printable(heading)+":"))
	}
	rows := listRows(i)
	if len(i.Entries) == 0 {
		lines = append(lines, "no Xen entries on "+printable(i.Boot))
	}
	if len(rows) > 0 {
		t := screen.Table{Columns: []screen.Column{
			{}, {Title: "GENERATION", Min: 12}, {Title: "BUILT", Drop: 3}, {Title: "LINUX", Min: 8, Drop: 4}, {Title: "XEN", Min: 6},
			{Title: "LAYOUT", Drop: 2}, {Title: "OWN SIZE", Right: true, Drop: 1}, {Title: "STATE"}, {Title: "ENTRY", Drop: 9},
		}}
		for _, r := range rows {
			t.Rows = append(t.Rows, r.row)
		}
		lines = append(lines, t.Lines(s)...)
	}
	lines = append(lines, legend(i, rows)...)
	if space := spaceWords(i.Space, i.Boot); space != "" {
		lines = append(lines, s.Line(space))
	}
	return lines
}

// listRow is one generation.
type listRow struct {
	facts        bootbuilder.Facts
	starts, runs bool
	row          screen.Row
}

func listRows(i *bootbuilder.Inspection) []listRow {
	var rows []listRow
	for _, e := range i.Entries {
		r := listRow{facts: e.Facts, starts: e.Default, runs: e.Runs}
		r.row.Cells = []screen.Cell{
			{Text: marks(e.Default, e.Runs), Style: bold}, {Text: generationName(e.Facts, e.Generation)}, {Text: e.Built}, {Text: e.Linux},
			{Text: orDash(e.XenVersion)}, {Text: string(e.Layout)}, {Text: esp.FormatSize(e.OwnSize)},
			{Text: string(e.Health), Style: healthStyle(e.Health)}, {Text: e.ID},
		}
		for _, p := range e.Problems {
			r.row.Below = append(r.row.Below, screen.Cell{Text: p, Style: red})
		}
		rows = append(rows, r)
	}
	for _, g := range i.Without {
		r := listRow{facts: g.Facts, starts: g.Default, runs: g.Runs}
		for n, text := range []string{
			marks(g.Default, g.Runs), generationName(g.Facts, g.Generation), g.Built, g.Linux, "", "", "", reasonWords(g.Reason), "",
		} {
			style := grey
			if n == 0 {
				style = bold
			}
			r.row.Cells = append(r.row.Cells, screen.Cell{Text: text, Style: style})
		}
		if !harmless(g.Reason) {
			r.row.Below = append(r.row.Below, screen.Cell{Text: g.Detail, Style: grey})
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b listRow) int { return compareNewest(a.facts, b.facts) })
	return rows
}

// marks tell what starts next, and what runs.
func marks(starts, runs bool) string {
	m := ""
	if starts {
		m += "*"
	}
	if runs {
		m += ">"
	}
	return m
}

// legend says what the marks mean, as far as there are any, and what starts that has no row.
func legend(i *bootbuilder.Inspection, rows []listRow) []string {
	has := func(f func(listRow) bool) bool { return slices.ContainsFunc(rows, f) }
	var parts, lines []string
	starts := has(func(r listRow) bool { return r.starts })
	if starts {
		parts = append(parts, "* starts next")
	}
	if has(func(r listRow) bool { return r.runs }) {
		parts = append(parts, "> runs now")
	}
	if len(parts) > 0 {
		lines = append(lines, strings.Join(parts, ", "))
	}
	if !starts && i.Starts != nil && i.Starts.Entry != "" {
		lines = append(lines, printable(fmt.Sprintf("starts next: %s (%s)", startWords(*i.Starts), i.Starts.Reason)))
	}
	return lines
}

func healthStyle(h bootbuilder.Health) screen.Style {
	switch h {
	case bootbuilder.OK:
		return green
	case bootbuilder.Outdated:
		return yellow
	}
	return red
}
