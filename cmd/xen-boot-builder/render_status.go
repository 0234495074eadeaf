package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

// statusLines are one screen on how the machine is doing. on is whether the system is a NixOS: then the advice is in
// the words of its options.
func statusLines(s screen.Screen, r *bootbuilder.StatusReport, heading string) []string {
	const label = 13
	lines := []string{}
	add := func(name, text string, style screen.Style) {
		if text == "" {
			return
		}
		for n, line := range s.Wrap(strings.Repeat(" ", label), text) {
			line = strings.TrimPrefix(line, strings.Repeat(" ", label))
			head := strings.Repeat(" ", label)
			if n == 0 {
				head = s.Paint(bold, name) + strings.Repeat(" ", max(1, label-screen.Width(name)))
			}
			lines = append(lines, head+s.Paint(style, line))
		}
	}
	add("Xen", runningWords(r.Running), plainStyle)
	if r.Started != nil {
		add("started", shortHashes(s, startWords(*r.Started)+" ("+r.Started.Entry+")"), plainStyle)
	}
	add("next", shortHashes(s, nextStatusWords(r)), plainStyle)
	add("trial", trialWords(r), yellow)
	add("proven", provenWords(r.Proven), plainStyle)
	add("newest", newestWords(r.Newest), plainStyle)
	add("Secure Boot", string(r.SecureBoot), plainStyle)
	add("loader", r.Loader, plainStyle)
	add("layout", layoutWords(r), plainStyle)
	add("disk space", spaceWords(r.Space, r.Boot), plainStyle)
	add("last run", timeWords(r.LastRun), plainStyle)
	for _, n := range r.Notes {
		add("note", n, cyan)
	}
	if len(r.Todo) == 0 {
		add("to do", "nothing", green)
	}
	for n, t := range r.Todo {
		name := "to do"
		if n > 0 {
			name = ""
		}
		add(name, todoWords(t, r), yellow)
	}
	return withHeading(s, heading, lines)
}

const plainStyle = screen.Plain

// shortHashes cuts the hashes in entries' names down to what tells them apart, where a terminal has no space for them.
func shortHashes(s screen.Screen, text string) string {
	if s.Width == 0 {
		return text
	}
	return regexp.MustCompile(`([0-9a-z]{12})[0-9a-z]{28,}(-[0-9a-f]{16}\b)?`).ReplaceAllString(text, "$1…")
}

func runningWords(r *bootbuilder.Running) string {
	switch {
	case r == nil:
		return ""
	case r.Xen:
		return strings.TrimSpace("runs: "+r.Version) + ", and this is its domain 0"
	case r.Guest:
		return strings.TrimSpace("runs: "+r.Version) + ", and this is a guest of it"
	}
	return "does not run"
}

func nextStatusWords(r *bootbuilder.StatusReport) string {
	if r.Next == nil {
		return "nothing is known to start"
	}
	text := fmt.Sprintf("%s, %s (%s)", startWords(*r.Next), orDash(r.Next.Entry), r.Next.Reason)
	if r.Then != nil {
		text += fmt.Sprintf("; after that %s (%s)", startWords(*r.Then), r.Then.Reason)
	}
	return text
}

func trialWords(r *bootbuilder.StatusReport) string {
	t := r.Trial
	if t == nil {
		return ""
	}
	text := "generation " + fmt.Sprint(t.Number)
	if t.Number == 0 {
		text = t.Toplevel
	}
	text += ", since " + t.Since
	switch {
	case t.Running:
		text += ": it runs, and has not been blessed"
	case t.Armed:
		text += ": it starts at the next boot, once"
	default:
		text += ": it was started or is due, and has not proven itself"
	}
	return text
}

func provenWords(list []bootbuilder.ProvenStatus) string {
	if len(list) == 0 {
		return ""
	}
	p := list[0]
	if p.Number == 0 {
		return p.Toplevel + ", " + p.Date
	}
	return fmt.Sprintf("generation %d, %s", p.Number, p.Date)
}

func newestWords(n *bootbuilder.NewestStatus) string {
	if n == nil {
		return ""
	}
	text := join(generationName(n.Facts, n.Generation), n.Label)
	if n.Entry != "" {
		return text + ", Xen " + orDash(n.XenVersion)
	}
	text += ": " + reasonWords(n.Reason)
	if !harmless(n.Reason) {
		text += ": " + n.Detail
	}
	return text
}

func layoutWords(r *bootbuilder.StatusReport) string {
	var words []string
	for _, l := range r.Layouts {
		words = append(words, string(l))
	}
	text := count(r.Entries, "Xen entry", "Xen entries")
	if len(words) > 0 {
		text = strings.Join(words, ", ") + "; " + text
	}
	if r.Broken > 0 {
		text += fmt.Sprintf(", %d broken", r.Broken)
	}
	return text
}

// timeWords is a time as people of that place write it.
func timeWords(rfc3339 string) string {
	t, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		return rfc3339
	}
	return t.Local().Format("2006-01-02 15:04")
}

func todoWords(t bootbuilder.Todo, r *bootbuilder.StatusReport) string {
	switch t {
	case bootbuilder.TodoVerify:
		return "an entry is broken: " + program + " verify says what is wrong, install mends it"
	case bootbuilder.TodoInstall:
		return "the newest generation has no Xen entry: nixos-rebuild boot, or " + program + " install"
	case bootbuilder.TodoEnable:
		return "no generation has Xen: virtualisation.xen.enable = true, then nixos-rebuild boot"
	case bootbuilder.TodoSign:
		return "Secure Boot is on, and what starts next is not signed: --pki-bundle makes signed images"
	case bootbuilder.TodoBless:
		return "what runs is on trial: " + program + " bless, once all is well"
	case bootbuilder.TodoReboot:
		return "reboot: " + startWords(*r.Next) + " starts then"
	case bootbuilder.TodoFirmware:
		return "an EFI variable outranks loader.conf: bootctl set-default '' clears it"
	}
	return string(t)
}
