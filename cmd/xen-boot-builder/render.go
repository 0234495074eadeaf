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
	u.printf("%s%s\n", headline, outcome(r, err))
	if !hasEntries(r) && err == nil {
		u.complain(cyan, "hint", noneHint(r))
	}
	if c.verbosity == normal {
		return
	}
	u.renderGenerations(c.verbosity, r)
	u.loaderConf(r)
	if !r.Changed {
		u.printf("No change\n")
	}
}

func (u *ui) loaderConf(r *bootbuilder.Report) {
	if r.LoaderConf != nil {
		u.printf("%s\n", u.paint(bold, "loader.conf"))
		u.diff(r.LoaderConf.Diff)
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

func hasEntries(r *bootbuilder.Report) bool {
	return slices.ContainsFunc(r.Generations, func(g bootbuilder.GenerationReport) bool { return g.Entry != "" && g.State != bootbuilder.Removed })
}

func noneHint(r *bootbuilder.Report) string {
	if len(r.Generations) == 0 {
		return "no NixOS generations were found: is this the partition that systemd-boot is installed on?"
	}
	return "no generation has the Xen bootspec extension: set virtualisation.xen.enable = true"
}

// renderGenerations prints what changed, generation by generation.
func (u *ui) renderGenerations(v verbosity, r *bootbuilder.Report) {
	unchanged := 0
	shown := make(map[string]bool)
	for _, g := range r.Generations {
		switch {
		case v == debug:
			u.generation(g, shown)
			u.debugDetails(g)
		case g.State == bootbuilder.Unchanged:
			unchanged++
		case g.State != bootbuilder.LeftOut:
			u.generation(g, shown)
		}
	}
	if unchanged > 0 {
		u.printf("%s unchanged\n", count(unchanged, "entry", "entries"))
	}
	if line := leftOut(r); line != "" {
		u.printf("%s\n", line)
	}
	if v == debug {
		u.removed(r)
	}
}

// removed lists what went from $BOOT.
func (u *ui) removed(r *bootbuilder.Report) {
	for _, f := range r.Removed {
		u.printf("removed %s %s (%s)\n", f.Kind, printable(f.Path), esp.FormatSize(f.Size))
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// leftOut says in one line how many generations have no Xen entry, and why.
func leftOut(r *bootbuilder.Report) string {
	counts := make(map[bootbuilder.Reason]int)
	total := 0
	for _, g := range r.Generations {
		if g.State == bootbuilder.LeftOut {
			counts[g.Reason]++
			total++
		}
	}
	if total == 0 {
		return ""
	}
	var parts []string
	for reason, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, reason))
	}
	slices.Sort(parts)
	return count(total, "generation", "generations") + " without a Xen entry: " + strings.Join(parts, ", ")
}

var stateStyle = map[bootbuilder.State]screen.Style{
	bootbuilder.Added: green, bootbuilder.Changed: yellow, bootbuilder.Removed: red,
	bootbuilder.Kept: yellow, bootbuilder.LeftOut: cyan, bootbuilder.Unchanged: bold,
}

// generation prints one generation's changes; a file that several need is shown with the first.
func (u *ui) generation(g bootbuilder.GenerationReport, shown map[string]bool) {
	u.printf("%s: %s%s\n", u.paint(bold, printable(g.ID)), u.paint(stateStyle[g.State], string(g.State)), marks(g))
	if g.Version != "" {
		u.printf("  %s\n", printable(g.Version))
	}
	for _, f := range g.Files {
		payload := f.Kind != bootbuilder.KindConfig && f.Kind != bootbuilder.KindEntry
		if f.Action != bootbuilder.Unchanged && payload && !shown[f.Path] {
			shown[f.Path] = true
			u.printf("  %s %s %s (%s%s)\n", f.Action, f.Kind, printable(f.Path), esp.FormatSize(f.Size), xenSuffix(g, f))
		}
	}
	u.diff(g.ConfigDiff)
	u.diff(g.EntryDiff)
}

func marks(g bootbuilder.GenerationReport) string {
	if g.Default {
		return " (default)"
	}
	return ""
}

func xenSuffix(g bootbuilder.GenerationReport, f bootbuilder.FileReport) string {
	if f.Kind != bootbuilder.KindImage || g.XenVersion == "" {
		return ""
	}
	return ", Xen " + printable(g.XenVersion)
}

// debugDetails prints all that is known of a generation.
func (u *ui) debugDetails(g bootbuilder.GenerationReport) {
	if g.Detail != "" {
		u.printf("  reason: %s: %s\n", g.Reason, printable(g.Detail))
	}
	for _, kv := range [][2]string{{"found in", g.File}, {"toplevel", g.Toplevel}, {"entry", g.Entry}, {"image", g.Image}} {
		if kv[1] != "" {
			u.printf("  %s: %s\n", kv[0], printable(kv[1]))
		}
	}
	for _, f := range g.Files {
		u.printf("  %s %s %s (%s)\n", f.Action, f.Kind, printable(f.Path), esp.FormatSize(f.Size))
	}
}

// diff prints a unified diff in colour.
func (u *ui) diff(text string) {
	for line := range strings.Lines(text) {
		line = printable(strings.TrimSuffix(line, "\n"))
		switch {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
			line = u.paint(bold, line)
		case strings.HasPrefix(line, "@@"):
			line = u.paint(cyan, line)
		case strings.HasPrefix(line, "-"):
			line = u.paint(red, line)
		case strings.HasPrefix(line, "+"):
			line = u.paint(green, line)
		}
		u.printf("%s\n", line)
	}
}
