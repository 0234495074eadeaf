package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// debugLines say all that is known: of each generation why it is in or out, and its files; what went; and how
// long each kind of step took.
func debugLines(s screen.Screen, r *bootbuilder.Report) []string {
	var lines []string
	for _, g := range r.Generations {
		lines = append(lines, debugGeneration(s, g)...)
	}
	lines = append(lines, removedLines(r)...)
	if r.LoaderConf != nil {
		lines = append(append(lines, s.Paint(bold, "loader.conf")), diffLines(s, "", r.LoaderConf.Diff)...)
	}
	if r.Next != nil && r.Next.Now.Reason != "" {
		lines = append(lines, printable("starts next: "+orDash(r.Next.Now.Entry)+": "+r.Next.Now.Reason))
	}
	lines = append(lines, durationLines(r.Steps)...)
	for _, stage := range r.Stages {
		if stage.Step == bootbuilder.StageSign {
			lines = append(lines, fmt.Sprintf("%10.3f s  of these: %s", stage.Seconds, stage.Step))
		}
	}
	return lines
}

func debugGeneration(s screen.Screen, g bootbuilder.GenerationReport) []string {
	mark := ""
	if g.Default {
		mark = " (default)"
	}
	lines := []string{s.Paint(bold, printable(g.ID)) + ": " + s.Paint(stateStyle[g.State], string(g.State)) + mark}
	add := func(label, text string) {
		if text != "" {
			lines = append(lines, "  "+label+": "+printable(text))
		}
	}
	add("generation", generationName(g.Facts, g.ID))
	add("version", g.Version)
	switch {
	case g.Reason != "":
		add("out", string(g.Reason)+": "+g.Detail)
	case g.File != "":
		add("in", g.File+" has a place in the menu, and its bootspec has Xen")
	}
	add("toplevel", g.Toplevel)
	add("entry", g.Entry)
	add("image", g.Image)
	add("Xen", strings.TrimSpace(g.XenVersion+" "+strings.Join(g.XenParams, " ")))
	add("Linux", strings.TrimSpace(g.Linux+" "+strings.Join(g.LinuxParams, " ")))
	for _, f := range g.Files {
		lines = append(lines, fmt.Sprintf("  %s %s %s (%s)", f.Action, f.Kind, printable(f.Path), esp.FormatSize(f.Size)))
	}
	if g.Compared != nil {
		lines = append(lines, "  compared with "+printable(g.Compared.With)+":")
		lines = append(lines, differenceLines(s, g.Compared.Differences)...)
	}
	return append(lines, filesLines(s, g.ConfigDiff, g.EntryDiff)...)
}

// removedLines list what went from $BOOT.
func removedLines(r *bootbuilder.Report) []string {
	var lines []string
	for _, f := range r.Removed {
		lines = append(lines, fmt.Sprintf("removed %s %s (%s)", f.Kind, printable(f.Path), esp.FormatSize(f.Size)))
	}
	return lines
}

// durationLines sum up how long the steps of each kind took, the longest first.
func durationLines(steps []bootbuilder.StepReport) []string {
	if len(steps) == 0 {
		return nil
	}
	type kind struct {
		word    string
		times   int
		seconds float64
	}
	var kinds []kind
	for _, step := range steps {
		word, _, _ := strings.Cut(step.Step, " ")
		i := slices.IndexFunc(kinds, func(k kind) bool { return k.word == word })
		if i < 0 {
			i = len(kinds)
			kinds = append(kinds, kind{word: word})
		}
		kinds[i].times++
		kinds[i].seconds += step.Seconds
	}
	slices.SortStableFunc(kinds, func(a, b kind) int {
		switch {
		case a.seconds > b.seconds:
			return -1
		case a.seconds < b.seconds:
			return 1
		}
		return 0
	})
	lines := []string{fmt.Sprintf("%s:", count(len(steps), "step", "steps"))}
	for _, k := range kinds {
		lines = append(lines, fmt.Sprintf("%10.3f s  %d × %s", k.seconds, k.times, k.word))
	}
	return lines
}

// since is how long something has taken, as debug shows it.
func since(start time.Time) string { return fmt.Sprintf("[%8.3f s]", time.Since(start).Seconds()) }
