package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

// verifyLines say of each entry whether it can boot, the worst first. What is the same of several entries is said
// once. With onlyBad there is nothing of what boots: for timers.
func verifyLines(s screen.Screen, i *bootbuilder.Inspection, heading string, onlyBad bool) []string {
	var lines []string
	counts := make(map[bootbuilder.Health]int)
	for _, g := range verifyGroups(i.Entries) {
		counts[g.health] += len(g.names)
		if onlyBad && !bad(g.health) {
			continue
		}
		word := string(g.health)
		lines = append(lines, s.Paint(healthStyle(g.health), word)+strings.Repeat(" ", len("outdated")-len(word))+"  "+printable(nameList(g.names)))
		for _, p := range g.problems {
			lines = append(lines, s.Wrap("  ", p)...)
		}
	}
	for _, p := range i.Problems {
		lines = append(lines, s.Paint(red, "problem:")+" "+printable(p))
	}
	if onlyBad {
		return withHeading(s, heading, lines)
	}
	for _, n := range i.Notes {
		lines = append(lines, s.Paint(cyan, "note:")+" "+printable(n))
	}
	if !i.Signatures && len(i.Entries) > 0 {
		lines = append(lines, notChecked)
	}
	lines = append(lines, countingLines(s, i.Counting)...)
	var parts []string
	for _, h := range healths {
		if counts[h] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[h], h))
		}
	}
	text := count(len(i.Entries), "Xen entry", "Xen entries")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return withHeading(s, heading, append(lines, text))
}

// countingLines say what boot counting covers, where it is in use.
func countingLines(s screen.Screen, c *bootbuilder.Counting) []string {
	var lines []string
	if c != nil && c.Counted > 0 {
		lines = append(lines, s.Wrap("", "boot counting: "+count(c.Counted, "image is counted", "images are counted"))...)
	}
	if c != nil && c.NotCounted > 0 {
		lines = append(lines, s.Wrap("", "boot counting: does not cover "+count(c.NotCounted, "entry", "entries")+" of type #1; --default try falls back")...)
	}
	return lines
}

// notChecked is what was left out: there was no certificate.
const notChecked = "signatures: not checked"

// repairHints say what repairs the entries that are broken or forged, each way once.
func repairHints(entries []bootbuilder.EntryStatus) []string {
	var ways []string
	names := make(map[string][]named)
	for _, e := range entries {
		if e.Hint == "" {
			continue
		}
		if names[e.Hint] == nil {
			ways = append(ways, e.Hint)
		}
		names[e.Hint] = append(names[e.Hint], named{e.Facts, e.Generation})
	}
	for n, way := range ways {
		ways[n] = nameList(names[way]) + ": " + way
	}
	return ways
}

func withHeading(s screen.Screen, heading string, lines []string) []string {
	if heading == "" || len(lines) == 0 {
		return lines
	}
	return append([]string{s.Paint(bold, printable(heading)+":")}, lines...)
}

// healths are the words of verify, the worst first.
var healths = []bootbuilder.Health{bootbuilder.Forged, bootbuilder.Broken, bootbuilder.Outdated, bootbuilder.OK}

func bad(h bootbuilder.Health) bool { return h == bootbuilder.Broken || h == bootbuilder.Forged }

// verifyGroup is entries of which the same is to be said.
type verifyGroup struct {
	health   bootbuilder.Health
	problems []string
	names    []named
}

func verifyGroups(entries []bootbuilder.EntryStatus) []verifyGroup {
	var groups []verifyGroup
	for _, e := range slices.Backward(entries) {
		i := slices.IndexFunc(groups, func(g verifyGroup) bool { return g.health == e.Health && slices.Equal(g.problems, e.Problems) })
		if i < 0 {
			i = len(groups)
			groups = append(groups, verifyGroup{health: e.Health, problems: e.Problems})
		}
		groups[i].names = append(groups[i].names, named{e.Facts, e.Generation})
	}
	slices.SortStableFunc(groups, func(a, b verifyGroup) int { return slices.Index(healths, a.health) - slices.Index(healths, b.health) })
	return groups
}
