package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// The words that all screens have in common.

// generationName is what people call a generation: "42", "42 (gaming)", "1 [test]". The brackets are those of the
// titles in systemd-boot's menu. A variant has a plus: "42 +verbose". One without a known number goes by its id.
func generationName(f bootbuilder.Facts, id string) string {
	if f.Number == 0 {
		return shortID(id)
	}
	return numbered(fmt.Sprint(f.Number), f)
}

func numbered(number string, f bootbuilder.Facts) string {
	if f.Specialisation != "" {
		number += " (" + f.Specialisation + ")"
	}
	if f.Variant != "" {
		number += " +" + f.Variant
	}
	if f.Profile != "" {
		number += " [" + f.Profile + "]"
	}
	return number
}

// shortID is an entry's id, with a hash cut down to what tells it from others.
func shortID(id string) string {
	const shown = len("xen-") + 12
	if len(id) > shown+4 && !strings.Contains(id, "generation") {
		return id[:shown] + "…"
	}
	return id
}

// named is something that is one of many generations.
type named struct {
	facts bootbuilder.Facts
	id    string
}

// nameList lists generations in few words: numbers that follow each other become "24-41".
func nameList(list []named) string {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b named) int { return compareFacts(a.facts, b.facts) })
	var parts []string
	for i := 0; i < len(list); {
		first, last := list[i], i
		for last+1 < len(list) && follows(list[last].facts, list[last+1].facts) {
			last++
		}
		switch n := last - i; {
		case n > 1:
			parts = append(parts, numbered(fmt.Sprintf("%d-%d", first.facts.Number, list[last].facts.Number), first.facts))
		default:
			for _, one := range list[i : last+1] {
				parts = append(parts, generationName(one.facts, one.id))
			}
		}
		i = last + 1
	}
	const most = 8
	if len(parts) > most {
		return strings.Join(parts[:most/2], ", ") + ", …, " + strings.Join(parts[len(parts)-2:], ", ")
	}
	return strings.Join(parts, ", ")
}

// follows reports whether b is the next generation of the same profile as a.
func follows(a, b bootbuilder.Facts) bool {
	return a.Number != 0 && b.Number == a.Number+1 && a.Profile == b.Profile && a.Specialisation == b.Specialisation && a.Variant == b.Variant
}

// compareFacts orders generations from old to new, the system profile first, specialisations behind all others.
func compareFacts(a, b bootbuilder.Facts) int {
	return cmp.Or(cmp.Compare(a.Profile, b.Profile), cmp.Compare(a.Specialisation, b.Specialisation),
		cmp.Compare(a.Variant, b.Variant), cmp.Compare(a.Number, b.Number))
}

// compareNewest orders generations as people look for them: the system profile first, each from new to old, each
// generation before its specialisations.
func compareNewest(a, b bootbuilder.Facts) int {
	return cmp.Or(cmp.Compare(a.Profile, b.Profile), cmp.Compare(b.Number, a.Number), cmp.Compare(a.Specialisation, b.Specialisation),
		cmp.Compare(a.Variant, b.Variant))
}

// startWords says what starts: "42 on Xen 4.20.2", "42 without Xen", or an id that is no generation's.
func startWords(s bootbuilder.Start) string {
	name := ""
	switch {
	case s.Number != 0:
		name = numbered(fmt.Sprint(s.Number), bootbuilder.Facts{Profile: s.Profile, Specialisation: s.Specialisation, Variant: s.Variant})
	case s.Generation != "":
		name = shortID(s.Generation)
	case s.Entry == "":
		return "nothing"
	default:
		name = shortID(s.Entry)
		if !s.Xen {
			return name
		}
	}
	switch {
	case s.Xen && s.XenVersion != "":
		return name + " on Xen " + s.XenVersion
	case s.Xen:
		return name + " on Xen"
	}
	return name + " without Xen"
}

// spaceWords says how much disk space there is: "212 of 511 MiB free on /boot".
func spaceWords(space *bootbuilder.SpaceReport, boot string) string {
	if space == nil {
		return ""
	}
	total := esp.FormatSize(space.Total)
	amount, unit, _ := strings.Cut(total, " ")
	scale := map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}[unit]
	free := float64(space.Free) / scale
	if t := float64(space.Total) / scale; t >= 10 {
		amount = fmt.Sprintf("%.0f", t)
		return fmt.Sprintf("%.0f of %s %s free on %s", free, amount, unit, boot)
	}
	return fmt.Sprintf("%.1f of %s %s free on %s", free, amount, unit, boot)
}

// reasonWords says in short why a generation has no Xen entry.
func reasonWords(r bootbuilder.Reason) string {
	switch r {
	case bootbuilder.NoExtension:
		return "no Xen"
	case bootbuilder.NotInstalled:
		return "not installed"
	case bootbuilder.NotSelected:
		return "not asked for"
	case bootbuilder.OverLimit:
		return "over the limit"
	case bootbuilder.NotReached:
		return "not reached"
	case bootbuilder.NoSpace:
		return "no disk space"
	case bootbuilder.UnknownGeneration:
		return "not of this system"
	}
	return strings.ReplaceAll(string(r), "-", " ")
}

// harmless reports whether nothing is wrong with a generation that is left out for this reason.
func harmless(r bootbuilder.Reason) bool {
	switch r {
	case bootbuilder.NoExtension, bootbuilder.NotInstalled, bootbuilder.NotSelected, bootbuilder.OverLimit:
		return true
	}
	return false
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// lines prints lines that a renderer made.
func (u *ui) lines(list []string) {
	for _, line := range list {
		u.printf("%s\n", line)
	}
}

// diffLines is a unified diff in colour.
func diffLines(s screen.Screen, indent, text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		line = screen.PrintableText(strings.TrimSuffix(line, "\n"))
		style := screen.Plain
		switch {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
			style = bold
		case strings.HasPrefix(line, "@@"):
			style = cyan
		case strings.HasPrefix(line, "-"):
			style = red
		case strings.HasPrefix(line, "+"):
			style = green
		}
		list = append(list, indent+s.Paint(style, line))
	}
	return list
}
