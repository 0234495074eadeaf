package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// helpTopicFile is a file that holds what help TOPIC prints.
func helpTopicFile(t *testing.T, topic, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(helpTopic(t, topic)), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func helpTopic(t *testing.T, topic string) string {
	t.Helper()
	code, text, stderr := runInProcess([]string{"help", topic}, nil)
	if code != exitDone || stderr != "" {
		t.Fatalf("help %s: exit code %d, stderr %q", topic, code, stderr)
	}
	return text
}

func TestManualHasNoComplaints(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "mandoc")
	page := helpTopicFile(t, "man", program+".8")
	out, err := exec.Command("mandoc", "-T", "lint", "-W", "style", page).Output()
	var complaints []string
	for line := range strings.Lines(string(out)) {
		// Which other pages are installed is this machine's affair.
		if !strings.Contains(line, "referenced manual not found") {
			complaints = append(complaints, line)
		}
	}
	if len(complaints) > 0 || err != nil && len(out) == 0 {
		t.Errorf("mandoc: %v\n%s", err, strings.Join(complaints, ""))
	}
}

// manualItem is an item of a list of the page: ".It Fl -esp Ar DIR", and its text.
type manualItem struct {
	section, head string
	text          []string
}

// manualItems reads the items out of mdoc(7) source.
func manualItems(page string) []manualItem {
	var items []manualItem
	section := ""
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		if title, ok := strings.CutPrefix(line, ".Sh "); ok {
			section = title
		} else if head, ok := strings.CutPrefix(line, ".It "); ok {
			items = append(items, manualItem{section: section, head: head})
		} else if n := len(items); n > 0 && line != ".El" && items[n-1].section == section {
			items[n-1].text = append(items[n-1].text, line)
		}
	}
	return items
}

func heads(items []manualItem, section string) []string {
	var list []string
	for _, item := range items {
		if item.section == section {
			list = append(list, item.head)
		}
	}
	slices.Sort(list)
	return list
}

// TestManualIsComplete: every command, flag, word of a flag, verbosity, exit code and topic has its
// place in the page, no other has one, and each flag says which commands take it.
func TestManualIsComplete(t *testing.T) {
	t.Parallel()
	page := helpTopic(t, "man")
	items := manualItems(page)

	var wantCommands, wantFlags []string
	for _, cmd := range commands() {
		head := "Cm " + cmd.name
		for _, arg := range cmd.args {
			if optional := strings.Trim(arg, "[]"); optional != arg {
				head += " Op Ar " + optional
			} else {
				head += " Ar " + arg
			}
		}
		wantCommands = append(wantCommands, head)
	}
	for _, s := range flagSpecs() {
		wantFlags = append(wantFlags, manualHead(s))
	}
	slices.Sort(wantCommands)
	slices.Sort(wantFlags)
	for section, want := range map[string][]string{
		"COMMANDS":    wantCommands,
		"OPTIONS":     wantFlags,
		"DESCRIPTION": {"Cm debug", "Cm default", "Cm embedded", "Cm info", "Cm quiet", "Cm shared", "Cm unified"},
		"EXIT STATUS": {"0", "1", "2"},
		"ENVIRONMENT": {"Ev NO_COLOR", "Ev efiMountPoint"},
	} {
		if d := cmp.Diff(want, heads(items, section)); d != "" {
			t.Errorf("%s (-program +page):\n%s", section, d)
		}
	}
	for _, s := range flagSpecs() {
		i := slices.IndexFunc(items, func(item manualItem) bool { return item.head == manualHead(s) })
		if i < 0 {
			continue
		}
		text := strings.Join(items[i].text, "\n")
		for _, word := range s.words {
			if !regexp.MustCompile(`(?m)^\.Cm (.* )?` + word + `( |$)`).MatchString(text) {
				t.Errorf("--%s: the page does not say what %s does", s.name, word)
			}
		}
		takers := commandNames(func(c command) bool { return s.takenBy(c.name) })
		want := "For " + strings.Join(takers, ", ") + "."
		if len(takers) == len(commands()) {
			want = ""
		}
		if got := regexp.MustCompile(`(?m)^For [a-z, ]+\.$`).FindString(text); got != want {
			t.Errorf("--%s: the page says %q, want %q", s.name, got, want)
		}
	}
	for _, topic := range topicNames() {
		if !regexp.MustCompile(`(?m)^\.Cm (.* )?` + topic + `( |$)`).MatchString(page) {
			t.Errorf("the page does not speak of help %s", topic)
		}
	}
}

// manualHead is a flag's item in the page.
func manualHead(s flagSpec) string {
	head := "Fl -" + s.name
	if s.short != "" {
		head = "Fl " + s.short + " , -" + s.name
	}
	switch {
	case s.isSwitch():
		return head
	case s.bare != "":
		return head + " Ns Op = Ns Ar " + s.arg
	}
	return head + " Ar " + s.arg
}

// TestManualReads looks at the page as readers see it.
func TestManualReads(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "mandoc")
	out, err := exec.Command("mandoc", "-T", "ascii", "-O", "width=100", helpTopicFile(t, "man", program+".8")).Output()
	if err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(`.\x08`).ReplaceAllString(string(out), "") // what makes letters bold
	for _, line := range []string{
		"NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO",
		"     xen-boot-builder - Xen boot entries for NixOS generations",
		"     xen-boot-builder [COMMAND] [FLAGS] [quiet | default | info | debug]",
		"     --esp DIR",
		"     -n, --dry-run",
		"           xen-boot-builder --esp /boot --pki-bundle /var/lib/sbctl",
		"           esp /boot2",
	} {
		if !strings.Contains(plain, "\n"+line+"\n") {
			t.Errorf("the page has no line %q", line)
		}
	}
	if t.Failed() {
		t.Log(plain)
	}
}
