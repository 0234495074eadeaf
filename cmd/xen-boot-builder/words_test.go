package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

func generation(number uint64, more ...string) named {
	n := named{facts: bootbuilder.Facts{Number: number}, id: "xen-generation"}
	for _, m := range more {
		kind, value, _ := strings.Cut(m, ":")
		switch kind {
		case "profile":
			n.facts.Profile = value
		case "specialisation":
			n.facts.Specialisation = value
		case "variant":
			n.facts.Variant = value
		}
	}
	return n
}

func TestNameList(t *testing.T) {
	t.Parallel()
	hash := named{id: "xen-" + strings.Repeat("0123456789abcdef", 4)}
	var odd []named
	for n := uint64(1); n < 40; n += 2 {
		odd = append(odd, generation(n))
	}
	for _, c := range []struct {
		want string
		list []named
	}{
		{"", nil},
		{"7", []named{generation(7)}},
		{"7, 8", []named{generation(8), generation(7)}},
		{"7-9", []named{generation(9), generation(7), generation(8)}},
		{"1, 3-5, 9", []named{generation(1), generation(3), generation(4), generation(5), generation(9)}},
		{"1-3, 3 (gaming), 1-3 [test]", []named{
			generation(1), generation(1, "profile:test"), generation(2), generation(3), generation(3, "specialisation:gaming"),
			generation(2, "profile:test"), generation(3, "profile:test"),
		}},
		{"4, 4 +verbose", []named{generation(4, "variant:verbose"), generation(4)}},
		{"xen-0123456789ab…", []named{hash}},
		{"1, 3, 5, 7, …, 37, 39", odd},
	} {
		if got := nameList(c.list); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestStartWords(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]bootbuilder.Start{
		"42 on Xen 4.20.2":                {Entry: "xen-generation-42.conf", Number: 42, Xen: true, XenVersion: "4.20.2"},
		"42 on Xen":                       {Entry: "xen-generation-42.conf", Number: 42, Xen: true},
		"42 (gaming) without Xen":         {Entry: "nixos-x.conf", Number: 42, Specialisation: "gaming"},
		"1 +verbose [test] on Xen 4.20.2": {Entry: "xen-x.conf", Number: 1, Profile: "test", Variant: "verbose", Xen: true, XenVersion: "4.20.2"},
		"auto-windows":                    {Entry: "auto-windows"},
		"nothing":                         {},
		"xen-0123456789ab… on Xen 4.19.3": {Entry: "x", Generation: "xen-0123456789abcdef0123", Xen: true, XenVersion: "4.19.3"},
	} {
		if got := startWords(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSpaceWords(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]bootbuilder.SpaceReport{
		"212 of 511 MiB free on /boot": {Free: 212 << 20, Total: 511 << 20},
		"0 of 511 MiB free on /boot":   {Free: 1000, Total: 511 << 20},
		"0.9 of 4.0 GiB free on /boot": {Free: 920 << 20, Total: 4 << 30},
		"0 of 512 B free on /boot":     {Total: 512},
	} {
		if got := spaceWords(&s, "/boot"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := spaceWords(nil, "/boot"); got != "" {
		t.Errorf("%q of a file system that does not say", got)
	}
}

func TestVerifyLines(t *testing.T) {
	t.Parallel()
	entry := func(number uint64, h bootbuilder.Health, problems ...string) bootbuilder.EntryStatus {
		return bootbuilder.EntryStatus{Facts: bootbuilder.Facts{Number: number}, Health: h, Problems: problems}
	}
	i := &bootbuilder.Inspection{
		Entries: []bootbuilder.EntryStatus{
			entry(1, bootbuilder.OK), entry(2, bootbuilder.Broken, "xen.efi is gone"), entry(3, bootbuilder.Broken, "xen.efi is gone"),
			entry(4, bootbuilder.Outdated, "a title"), entry(5, bootbuilder.OK), entry(6, bootbuilder.Forged, "a \x1b[31mparameter"),
		},
		Problems: []string{"loader.conf starts nothing"}, Notes: []string{"a leftover"}, Signatures: true,
	}
	want := []string{
		"forged    6", `  a \x1b[31mparameter`, "broken    2, 3", "  xen.efi is gone", "outdated  4", "  a title", "ok        1, 5",
		"problem: loader.conf starts nothing", "note: a leftover", "6 Xen entries: 1 forged, 2 broken, 1 outdated, 2 ok",
	}
	if d := cmp.Diff(want, verifyLines(screen.Screen{}, i, "", false)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	want = []string{"/boot:", "forged    6", `  a \x1b[31mparameter`, "broken    2, 3", "  xen.efi is gone", "problem: loader.conf starts nothing"}
	if d := cmp.Diff(want, verifyLines(screen.Screen{}, i, "/boot", true)); d != "" {
		t.Errorf("for a timer (-want +got):\n%s", d)
	}
	i = &bootbuilder.Inspection{Entries: i.Entries[:1]}
	if got := verifyLines(screen.Screen{}, i, "/boot", true); got != nil {
		t.Errorf("for a timer, and nothing is wrong: %q", got)
	}
	want = []string{"ok        1", "signatures: not checked", "1 Xen entry: 1 ok"}
	if d := cmp.Diff(want, verifyLines(screen.Screen{}, i, "", false)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestInfoManyChanges: many changed generations are one line each, and a word on how to see more.
func TestInfoManyChanges(t *testing.T) {
	t.Parallel()
	r := &bootbuilder.Report{Boot: "/boot", Changed: true, Summary: bootbuilder.Summary{Changed: 5}}
	for n := range uint64(5) {
		r.Generations = append(r.Generations, bootbuilder.GenerationReport{
			State: bootbuilder.Changed, Facts: bootbuilder.Facts{Number: n + 1, Label: "NixOS"}, EntryDiff: "--- a\n+++ b\n-efi x\n+efi y\n",
		})
	}
	want := []string{"~ 5  NixOS  changed", "~ 4  NixOS  changed", "~ 3  NixOS  changed", "~ 2  NixOS  changed", "~ 1  NixOS  changed",
		"  (--full shows what changed in each file)", "5 changed"}
	if d := cmp.Diff(want, infoLines(screen.Screen{}, r, false)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := infoLines(screen.Screen{}, r, true); len(got) < 25 || got[1] != "    --- a" {
		t.Errorf("with --full: %q", got)
	}
}

// TestNextWords: what is on trial starts once.
func TestNextWords(t *testing.T) {
	t.Parallel()
	old := bootbuilder.Start{Entry: "xen-generation-41.conf", Number: 41, Xen: true, XenVersion: "4.19.3"}
	now := bootbuilder.Start{Entry: "xen-generation-42.conf", Number: 42, Xen: true, XenVersion: "4.20.2"}
	proven := old
	proven.Proven = "2026-11-20"
	for want, n := range map[string]*bootbuilder.NextReport{
		"":                             nil,
		"boots next: 42 on Xen 4.20.2": {Before: now, Now: now},
		"boots next: 42 on Xen 4.20.2 (was: 41 on Xen 4.19.3)": {Before: old, Now: now},

		"next boot: 42 on Xen 4.20.2, once; after that: 41 on Xen 4.19.3": {Before: old, Now: now, Then: &old},
		"next boot: 42 on Xen 4.20.2, on trial; after that: 41 on Xen 4.19.3, proven 2026-11-20": {
			Before: old, Now: now, Then: &proven, Trial: "xen-generation-42",
		},
		"next boot: 42 on Xen 4.20.2, on trial; after that: 41 on Xen 4.19.3 (was: 40 without Xen)": {
			Before: bootbuilder.Start{Entry: "nixos-generation-40.conf", Number: 40}, Now: now, Then: &old, Trial: "xen-generation-42",
		},
	} {
		if got := nextWords(n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestStatusFits: whatever there is to say, lines fit.
func TestStatusFits(t *testing.T) {
	t.Parallel()
	r := runningStatus()
	r.Then, r.Trial.Armed, r.Trial.Running = r.Started, true, false
	r.Notes = []string{strings.Repeat("a word ", 40)}
	r.Todo = []bootbuilder.Todo{
		bootbuilder.TodoVerify, bootbuilder.TodoInstall, bootbuilder.TodoEnable, bootbuilder.TodoSign, bootbuilder.TodoBless,
		bootbuilder.TodoReboot, bootbuilder.TodoFirmware,
	}
	for _, width := range []int{60, 80, 120} {
		for _, line := range statusLines(screen.Screen{Width: width}, r, "/boot") {
			if screen.Width(line) > width {
				t.Errorf("at %d columns: %q", width, line)
			}
		}
	}
	for _, todo := range r.Todo {
		if todoWords(todo, r) == string(todo) {
			t.Errorf("%s has no words", todo)
		}
	}
}
