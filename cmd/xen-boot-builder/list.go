package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// listed is a generation, with its Xen entry or without one.
type listed struct {
	bootbuilder.Facts
	id           string
	starts, runs bool
	layout, size string
	state        screen.Cell
	problems     []string
	style        screen.Style // of all but the state
}

// renderList prints the generations, newest first: a table that is complete in a pipe, and on a
// terminal as much of it as fits. The ids, which may be hashes, are the first to go.
func (u *ui) renderList(i *bootbuilder.Inspection) {
	if len(i.Entries) == 0 {
		u.printf("no Xen entries on %s\n", printable(i.Boot))
	}
	list := listOf(i)
	for _, line := range listTable(list).Lines(u.screen) {
		u.printf("%s\n", line)
	}
	var legend []string
	if slices.ContainsFunc(list, func(l listed) bool { return l.starts }) {
		legend = append(legend, "* starts next")
	}
	if slices.ContainsFunc(list, func(l listed) bool { return l.runs }) {
		legend = append(legend, "> runs now")
	}
	if len(legend) > 0 {
		u.printf("%s\n", strings.Join(legend, ", "))
	}
	if i.Space != nil {
		free := esp.FormatSize(i.Space.Free) + " of " + esp.FormatSize(i.Space.Total) + " free on " + i.Boot
		u.printf("%s\n", strings.Join(u.screen.Wrap("", free), "\n"))
	}
}

// listOf puts the generations in order: the system profile first, in each the newest first, with its
// specialisations behind it.
func listOf(i *bootbuilder.Inspection) []listed {
	var list []listed
	for _, e := range i.Entries {
		list = append(list, listed{
			Facts: e.Facts, starts: e.Default, runs: e.Runs,
			id:     strings.TrimSuffix(strings.TrimSuffix(e.ID, ".conf"), ".efi"),
			layout: string(e.Layout), size: esp.FormatSize(e.OwnSize),
			state: screen.Cell{Text: string(e.Health), Style: healthStyle(e.Health)}, problems: e.Problems,
		})
	}
	for _, g := range i.Without {
		list = append(list, listed{
			Facts: g.Facts, starts: g.Default, runs: g.Runs, id: g.Generation,
			state: screen.Cell{Text: "no Xen: " + string(g.Reason), Style: screen.Grey}, style: screen.Grey,
		})
	}
	slices.SortStableFunc(list, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.Profile, b.Profile), cmp.Compare(b.Number, a.Number), cmp.Compare(a.Specialisation, b.Specialisation))
	})
	return list
}

func listTable(list []listed) screen.Table {
	t := screen.Table{Columns: []screen.Column{
		{}, // marks
		{Title: "GENERATION", Min: 12},
		{Title: "PROFILE", Min: 8},
		{Title: "BUILT", Drop: 2},
		{Title: "LINUX", Min: 7, Drop: 1},
		{Title: "XEN", Min: 7},
		{Title: "LAYOUT", Drop: 3},
		{Title: "OWN SIZE", Right: true, Drop: 4},
		{Title: "STATE"},
		{Title: "ENTRY", Drop: 5},
	}}
	if len(list) == 0 {
		return screen.Table{}
	}
	for _, l := range list {
		mark, name := "", l.id
		if l.starts {
			mark = "*"
		}
		if l.runs {
			mark += ">"
		}
		if l.Number > 0 {
			name = strconv.FormatUint(l.Number, 10)
			if l.Specialisation != "" {
				name += " " + l.Specialisation
			}
		}
		cell := func(text string) screen.Cell { return screen.Cell{Text: text, Style: l.style} }
		row := screen.Row{Cells: []screen.Cell{
			cell(mark), cell(name), cell(l.Profile), cell(l.Built), cell(l.Linux), cell(l.XenVersion),
			cell(l.layout), cell(l.size), l.state, cell(l.id),
		}}
		for _, p := range l.problems {
			row.Below = append(row.Below, screen.Cell{Text: p, Style: l.state.Style})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
