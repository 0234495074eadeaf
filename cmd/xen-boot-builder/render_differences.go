package main

import (
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

// fieldLabels are what the fields of a comparison are called.
var fieldLabels = map[string]string{
	"title": "title", "version": "version", "layout": "layout", "xen": "Xen", "linux": "Linux", "initrd": "initrd",
	"devicetree": "devicetree", "ucode": "ucode", "xsm": "xsm", "xenParams": "xen", "linuxParams": "dom0",
}

// differenceLines are the differences of two generations, field by field, parameters word by word. The label
// in small letters, "xen", is of Xen's command line; "dom0" of its kernel's.
func differenceLines(s screen.Screen, list []bootbuilder.Difference) []string {
	var changes []screen.Change
	for _, d := range list {
		c := screen.Change{Label: fieldLabels[string(d.Field)], Before: d.Before, After: d.After}
		if c.Label == "" {
			c.Label = string(d.Field)
		}
		if d.Rebuilt {
			c.After += " (rebuilt)"
		}
		for _, w := range d.Words {
			switch string(w.Op) {
			case "+":
				c.Words = append(c.Words, screen.Word{Text: w.Text, Added: true})
			case "-":
				c.Words = append(c.Words, screen.Word{Text: w.Text})
			}
		}
		changes = append(changes, c)
	}
	return s.Changes("    ", changes)
}

// filesLines are complete files, as diffs.
func filesLines(s screen.Screen, diffs ...string) []string {
	var list []string
	for _, d := range diffs {
		list = append(list, diffLines(s, "    ", strings.TrimSuffix(d, "\n"))...)
	}
	return list
}
