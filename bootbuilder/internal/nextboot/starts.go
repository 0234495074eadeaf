package nextboot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Vars are the EFI variables that outrank loader.conf, "" where one is not set or not known.
type Vars struct {
	OneShot    string // LoaderEntryOneShot: for the next boot only
	Preferred  string // LoaderEntryPreferred, since systemd 260
	Default    string // LoaderEntryDefault
	LastBooted string // LoaderEntryLastBooted: what @saved stands for
}

// By says what made systemd-boot choose an entry.
type By int

// What systemd-boot asks, in this order.
const (
	Nothing      By = iota // there is no entry
	OneShotVar             // LoaderEntryOneShot
	PreferredVar           // LoaderEntryPreferred
	PreferredKey           // preferred in loader.conf
	DefaultVar             // LoaderEntryDefault
	DefaultKey             // default in loader.conf
	First                  // nothing names an entry: the first of the menu
)

// Variable reports whether an EFI variable decided.
func (b By) Variable() bool { return b == OneShotVar || b == PreferredVar || b == DefaultVar }

// Start is what starts next.
type Start struct {
	Entry Entry  // zero if nothing starts, or an entry of systemd-boot's own, whose ID only is known
	ID    string // what systemd-boot calls it, as in LoaderEntrySelected; "" if nothing starts
	By    By
	Value string // of the variable or key that decided

	// Doubt are the ids that another version of systemd-boot would start, where the installed one is
	// unknown, or from a series whose releases differ.
	Doubt []string
}

// Reason says for people why this one starts.
func (s Start) Reason() string {
	var why string
	switch s.By {
	case Nothing:
		return "there is no boot entry"
	case OneShotVar:
		why = "the EFI variable LoaderEntryOneShot names it, for the next boot only"
	case PreferredVar:
		why = "the EFI variable LoaderEntryPreferred outranks loader.conf"
	case DefaultVar:
		why = "the EFI variable LoaderEntryDefault outranks loader.conf"
	case PreferredKey:
		why = "loader.conf: preferred " + s.Value
	case DefaultKey:
		why = "loader.conf: default " + s.Value
	case First:
		why = "loader.conf names no entry that is there, so the first of the menu starts"
		if s.Value != "" {
			why = fmt.Sprintf("loader.conf names %s, which is no entry's id, so the first of the menu starts", s.Value)
		}
	}
	if len(s.Doubt) > 0 {
		why += "; other versions of systemd-boot start " + strings.Join(s.Doubt, " or ")
	}
	return why
}

// Starts says which one entry of a menu systemd-boot starts, given loader.conf's text (nil for no file).
func Starts(conf []byte, vars Vars, menu []Entry, v Version) Start {
	variants := v.behaviours()
	return startsIn(conf, vars, variants, menus(variants, menu))
}

// startsIn is [Starts] for menus that are in order already, one for each variant of systemd-boot.
func startsIn(conf []byte, vars Vars, variants []behaviour, menus [][]row) Start {
	c := esp.ParseLoaderConf(conf)
	start := variants[0].starts(c, vars, menus[0])
	for i, b := range variants[1:] {
		s := b.starts(c, vars, menus[i+1])
		if s.Entry.File != start.Entry.File && !slices.Contains(start.Doubt, s.ID) {
			start.Doubt = append(start.Doubt, s.ID)
		}
	}
	return start
}

// starts is config_select_default_entry. The menu is in its order.
func (b behaviour) starts(conf *esp.LoaderConf, vars Vars, menu []row) Start {
	value := func(key string) string {
		v, _ := conf.Get(key)
		if raw := conf.Raw(key); b.quotesStay && strings.HasPrefix(raw, "'") {
			return raw
		}
		return v
	}
	type question struct {
		by      By
		value   string
		pattern string
		notBad  bool // an entry that counting has given up is passed over
	}
	saved := func(value string) string {
		if isSaved(value) {
			return vars.LastBooted
		}
		return value
	}
	questions := []question{{by: OneShotVar, value: vars.OneShot, pattern: vars.OneShot}}
	if b.knowsPreferred {
		p := value("preferred")
		questions = append(questions,
			question{PreferredVar, vars.Preferred, saved(vars.Preferred), true},
			question{PreferredKey, p, saved(p), true})
	}
	d := value("default")
	questions = append(questions,
		question{DefaultVar, vars.Default, saved(vars.Default), false},
		question{DefaultKey, d, saved(d), false})
	auto := conf.AutoEntries()
	for _, q := range questions {
		if q.pattern == "" {
			continue
		}
		for _, e := range menu {
			if q.notBad && e.Bad() || e.Kind == Auto && !auto {
				continue
			}
			if b.matches(q.pattern, e) {
				return Start{Entry: e.Entry, ID: e.id, By: q.by, Value: q.value}
			}
		}
		if isAuto(q.pattern) {
			return Start{ID: asciiLower(q.pattern), By: q.by, Value: q.value}
		}
	}
	if len(menu) == 0 || menu[0].Kind == Auto { // such a one is not started unasked
		return Start{}
	}
	return Start{Entry: menu[0].Entry, ID: menu[0].id, By: First, Value: d}
}

// isSaved reports whether a value stands for the entry that was started last.
func isSaved(value string) bool { return asciiLower(value) == "@saved" }

// isAuto reports whether a value names an entry that systemd-boot makes itself and of which can't be known here whether it
// does, as it is not for a file on the ESP: the firmware's setup, say. That one is taken for granted.
func isAuto(value string) bool {
	low := asciiLower(value)
	return (strings.HasPrefix(low, "auto-") || strings.HasPrefix(low, "secure-boot-keys-")) && low != Windows && low != Shell
}

// The ids of entries that systemd-boot makes for what it finds on the ESP.
const (
	Windows = "auto-windows"
	Shell   = "auto-efi-shell"
)
