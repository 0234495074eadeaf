package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// headline is what nixpkgs' script prints, word for word: people and tests look for it.
const headline = "Installing Xen Project Hypervisor boot entries..."

// renderInstall prints a report at the verbosity asked for.
func (u *ui) renderInstall(c *commandLine, r *bootbuilder.Report, err error) {
	if r == nil {
		return
	}
	for _, w := range r.Warnings {
		if !w.Advice || c.verbosity != quiet {
			u.warn(w.Message)
		}
	}
	if c.verbosity == quiet {
		return
	}
	u.printf("%s%s\n", headline, outcome(r, err)+cost(c.verbosity, r))
	if hint := noneHint(r); hint != "" && !hasEntries(r) && err == nil {
		u.complain(cyan, "hint", hint)
	}
	switch c.verbosity {
	case normal:
		u.lines(trialLines(u.screen, c, r))
	case info:
		u.lines(infoLines(u.screen, r, c.full))
	case debug:
		u.lines(debugLines(u.screen, r))
		u.lines(lastLines(u.screen, r))
	}
}

func outcome(r *bootbuilder.Report, err error) string {
	switch {
	case err != nil:
		return "failed."
	case !hasEntries(r):
		return "none found."
	case r.DryRun:
		return "nothing written (dry run)."
	}
	return "done."
}

// cost is how long it took, and what was written, where anything was.
func cost(v verbosity, r *bootbuilder.Report) string {
	if v == normal || r.Written == 0 {
		return ""
	}
	seconds := fmt.Sprintf("%.1f", r.Seconds)
	if r.Seconds >= 10 { // no more digits than 80 columns have
		seconds = fmt.Sprintf("%.0f", r.Seconds)
	}
	amount, unit, _ := strings.Cut(esp.FormatSize(r.Written), " ")
	if whole, _, ok := strings.Cut(amount, "."); ok && len(whole) > 1 {
		amount = whole
	}
	return fmt.Sprintf("  (%s s, %s %s written)", seconds, amount, unit)
}

func hasEntries(r *bootbuilder.Report) bool {
	return slices.ContainsFunc(r.Generations, func(g bootbuilder.GenerationReport) bool { return g.Entry != "" && g.State != bootbuilder.Removed })
}

func noneHint(r *bootbuilder.Report) string {
	if len(r.Generations) == 0 {
		return "no NixOS generations were found: is this the partition that systemd-boot is installed on?"
	}
	if slices.ContainsFunc(r.Generations, func(g bootbuilder.GenerationReport) bool { return !harmless(g.Reason) }) {
		return "" // there is a warning on each of those
	}
	return "no generation has the Xen bootspec extension: set virtualisation.xen.enable = true, then run nixos-rebuild boot"
}

// signs stand before a generation in info, by its state.
var signs = map[bootbuilder.State]string{
	bootbuilder.Added: "+", bootbuilder.Changed: "~", bootbuilder.Removed: "-", bootbuilder.Kept: "!", bootbuilder.LeftOut: "!",
}

var stateStyle = map[bootbuilder.State]screen.Style{
	bootbuilder.Added: green, bootbuilder.Changed: yellow, bootbuilder.Removed: red,
	bootbuilder.Kept: yellow, bootbuilder.LeftOut: cyan, bootbuilder.Unchanged: bold,
}

// infoLines say what changed, generation by generation, against the one before it; what starts next; how much disk
// space there is; and all of it in numbers. What stayed as it was is one line.
func infoLines(s screen.Screen, r *bootbuilder.Report, full bool) []string {
	var shown, unchanged []bootbuilder.GenerationReport
	out := make(map[bootbuilder.Reason]int)
	first := true // nothing of ours was there before
	changed := 0
	for _, g := range r.Generations {
		switch {
		case g.State == bootbuilder.Unchanged:
			unchanged = append(unchanged, g)
		case g.State == bootbuilder.LeftOut && harmless(g.Reason):
			out[g.Reason]++
		default:
			shown = append(shown, g)
		}
		first = first && (g.State == bootbuilder.Added || g.State == bootbuilder.LeftOut)
		if g.State == bootbuilder.Changed {
			changed++
		}
	}
	order := []bootbuilder.State{bootbuilder.Added, bootbuilder.Changed, bootbuilder.Kept, bootbuilder.LeftOut, bootbuilder.Removed}
	slices.SortStableFunc(shown, func(a, b bootbuilder.GenerationReport) int {
		if d := slices.Index(order, a.State) - slices.Index(order, b.State); d != 0 {
			return d
		}
		return compareNewest(a.Facts, b.Facts)
	})
	detail := details{full: full, comparisons: !first, files: changed <= fewChanges}
	var lines []string
	heads := headTable(shown, first).Lines(s)
	for i, g := range shown {
		lines = append(lines, heads[i])
		lines = append(lines, detail.of(s, g)...)
	}
	if len(unchanged) > 0 {
		var names []named
		for _, g := range unchanged {
			names = append(names, named{g.Facts, g.ID})
		}
		lines = append(lines, s.Line(fmt.Sprintf("= %d unchanged (%s)", len(unchanged), nameList(names))))
	}
	if len(out) > 0 {
		lines = append(lines, s.Line("  "+outWords(out)))
	}
	if full && r.LoaderConf != nil {
		lines = append(lines, diffLines(s, "", r.LoaderConf.Diff)...)
	}
	if changed > fewChanges && !full {
		lines = append(lines, s.Paint(grey, "  (--full shows what changed in each file)"))
	}
	return append(lines, lastLines(s, r)...)
}

// fewChanges is how many changed generations are shown with their files: more are the same change over and over.
const fewChanges = 3

// headTable is the generations' own lines.
func headTable(list []bootbuilder.GenerationReport, first bool) screen.Table {
	t := screen.Table{Columns: []screen.Column{{}, {Min: 24}, {Drop: 2}, {}, {Min: 20}}}
	for _, g := range list {
		xen, mark := "", ""
		if first && g.XenVersion != "" {
			xen = "Xen " + g.XenVersion
		}
		if g.Default {
			mark = "default"
		}
		style := stateStyle[g.State]
		t.Rows = append(t.Rows, screen.Row{Cells: []screen.Cell{
			{Text: signs[g.State] + " " + generationName(g.Facts, g.ID), Style: style},
			{Text: label(g)}, {Text: xen}, {Text: mark, Style: bold}, {Text: note(g, first), Style: grey},
		}})
	}
	return t
}

// label is what NixOS calls a generation.
func label(g bootbuilder.GenerationReport) string {
	if g.Label != "" {
		return g.Label
	}
	return strings.TrimSuffix(g.Title, " (with Xen Hypervisor)")
}

// note says what the lines below are, or why there is nothing new.
func note(g bootbuilder.GenerationReport, first bool) string {
	switch g.State {
	case bootbuilder.Added:
		if first || g.Compared == nil {
			return ""
		}
		with := generationName(bootbuilder.Facts{Number: g.Compared.Number}, g.Compared.With)
		if len(g.Compared.Differences) == 0 {
			return "the same as " + with
		}
		return "compared with " + with + ":"
	case bootbuilder.Changed:
		return "changed"
	case bootbuilder.Kept:
		return "kept as it was: " + reasonWords(g.Reason)
	case bootbuilder.LeftOut:
		return "no Xen entry: " + reasonWords(g.Reason)
	}
	return ""
}

// details says what is shown below a generation's line.
type details struct {
	full        bool
	comparisons bool
	files       bool // of what changed
}

func (d details) of(s screen.Screen, g bootbuilder.GenerationReport) []string {
	switch {
	case d.full:
		return append(filesLines(s, g.ConfigDiff, g.EntryDiff), d.payload(s, g)...)
	case g.State == bootbuilder.Added && d.comparisons && g.Compared != nil:
		return differenceLines(s, withoutInitrds(g.Compared.Differences))
	case g.State == bootbuilder.Changed && d.files:
		return append(filesLines(s, g.ConfigDiff, g.EntryDiff), d.payload(s, g)...)
	}
	return nil
}

// withoutInitrds leaves out initrds that changed as the kernel did, version by version: they are made for it.
func withoutInitrds(list []bootbuilder.Difference) []bootbuilder.Difference {
	linux := slices.IndexFunc(list, func(d bootbuilder.Difference) bool { return string(d.Field) == "linux" })
	return slices.DeleteFunc(slices.Clone(list), func(d bootbuilder.Difference) bool {
		return string(d.Field) == "initrd" && linux >= 0 && d.Before == list[linux].Before && d.After == list[linux].After
	})
}

// payload are the files that were written and that no diff shows.
func (d details) payload(s screen.Screen, g bootbuilder.GenerationReport) []string {
	var lines []string
	for _, f := range g.Files {
		text := f.Kind == bootbuilder.KindConfig || f.Kind == bootbuilder.KindEntry
		if f.Action != bootbuilder.Unchanged && !text {
			lines = append(lines, fmt.Sprintf("    %s %s %s (%s)", f.Action, f.Kind, printable(f.Path), esp.FormatSize(f.Size)))
		}
	}
	return lines
}

// outWords says how many generations have no Xen entry, and why.
func outWords(counts map[bootbuilder.Reason]int) string {
	total := 0
	var parts []string
	for reason, n := range counts {
		total += n
		parts = append(parts, fmt.Sprintf("%d %s", n, reasonWords(reason)))
	}
	slices.Sort(parts)
	return count(total, "generation", "generations") + " without a Xen entry: " + strings.Join(parts, ", ")
}

// lastLines always come last: what starts next, disk space, and the run in numbers.
func lastLines(s screen.Screen, r *bootbuilder.Report) []string {
	var lines []string
	lines = append(lines, oneShotLines(s, r)...)
	next, space := nextWords(r.Next), spaceWords(r.Space, r.Boot)
	const apart = 6
	switch {
	case next+space == "":
	case next == "" || space == "":
		lines = append(lines, s.Wrap("", next+space)...)
	case s.Width == 0 || screen.Width(next)+apart+screen.Width(space) <= s.Width:
		lines = append(lines, printable(next+strings.Repeat(" ", apart)+space))
	default:
		lines = append(append(lines, s.Wrap("", next)...), s.Wrap("", space)...)
	}
	return append(lines, s.Line(summaryWords(r)))
}

// nextWords says what starts next, and what started before.
func nextWords(n *bootbuilder.NextReport) string {
	if n == nil {
		return ""
	}
	words := "boots next: " + startWords(n.Now)
	if n.Then != nil {
		words = onceWords(n)
	}
	said := n.Then != nil && n.Then.Entry == n.Before.Entry
	if n.Before.Entry != n.Now.Entry && n.Before.Entry != "" && !said {
		words += " (was: " + startWords(n.Before) + ")"
	}
	return words
}

// onceWords says what starts once, and what starts after that: "next boot: 42 on Xen 4.20.2, on trial; after that: 41 on
// Xen 4.19.3, proven 2026-11-20".
func onceWords(n *bootbuilder.NextReport) string {
	words := "next boot: " + startWords(n.Now)
	if n.Trial != "" {
		words += ", on trial"
	} else {
		words += ", once"
	}
	return words + "; after that: " + withProof(*n.Then)
}

// withProof is what starts, and since when it is known to come up.
func withProof(s bootbuilder.Start) string {
	if s.Proven == "" {
		return startWords(s)
	}
	return startWords(s) + ", proven " + s.Proven
}

// trialLines is the one line in default verbosity for who asked for a trial: what starts next, and after that.
func trialLines(s screen.Screen, c *commandLine, r *bootbuilder.Report) []string {
	switch {
	case bootbuilder.DefaultMode(c.defaultMode) != bootbuilder.DefaultTry || r.Next == nil:
		return nil
	case r.Next.Then == nil:
		return s.Wrap("", "next boot: "+withProof(r.Next.Now))
	}
	return s.Wrap("", onceWords(r.Next))
}

// oneShotLines say what became of a shot that was taken back.
func oneShotLines(s screen.Screen, r *bootbuilder.Report) []string {
	if r.OneShot == nil || r.OneShot.Before == "" || r.OneShot.After != "" {
		return nil
	}
	word := "taken back"
	if r.DryRun {
		word = "would be taken back"
	}
	return s.Wrap("", "LoaderEntryOneShot: "+word+", it named "+r.OneShot.Before)
}

// summaryWords is the run in numbers.
func summaryWords(r *bootbuilder.Report) string {
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{
		{r.Summary.Added, "added"}, {r.Summary.Changed, "changed"}, {r.Summary.Removed, "removed"}, {r.Summary.Kept, "kept"},
		{r.Summary.Unchanged, "unchanged"}, {r.Summary.Out, "without Xen entry"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	text := strings.Join(parts, ", ")
	switch {
	case !r.Changed && text == "":
		return "No change"
	case !r.Changed:
		return "No change: " + text
	case text == "":
		return "no generations"
	}
	return text
}
