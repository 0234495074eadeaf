package main

import (
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

// compareLines say what differs between two generations.
func compareLines(s screen.Screen, r *bootbuilder.CompareReport, full bool) []string {
	before, after := generationName(r.BeforeFacts, r.Before), generationName(r.AfterFacts, r.After)
	lines := []string{
		s.Line(join(before, r.BeforeFacts.Label)),
		s.Line(join(after, r.AfterFacts.Label)),
	}
	if len(r.Differences) == 0 {
		lines = append(lines, "    no difference")
	}
	lines = append(lines, differenceLines(s, r.Differences)...)
	if full {
		lines = append(lines, diffLines(s, "", r.ConfigDiff)...)
		lines = append(lines, diffLines(s, "", r.EntryDiff)...)
	}
	return lines
}

// join puts a name before what it is called, where that is known.
func join(name, label string) string {
	if label == "" {
		return name
	}
	return name + "  " + label
}
