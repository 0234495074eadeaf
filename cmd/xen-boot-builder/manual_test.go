package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// helpTopic is what help TOPIC prints.
func helpTopic(t *testing.T, topic string) string {
	t.Helper()
	code, text, stderr := runInProcess([]string{"help", topic}, nil)
	if code != exitDone || stderr != "" {
		t.Fatalf("help %s: exit code %d, stderr %q", topic, code, stderr)
	}
	return text
}

// helpTopicFile is a file that holds it.
func helpTopicFile(t *testing.T, topic, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(helpTopic(t, topic)), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestManualHasNoComplaints(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "mandoc")
	page := helpTopicFile(t, "man", program+".8")
	if out, err := exec.Command("mandoc", "-T", "lint", "-W", "style", page).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
}

// TestManualIsComplete looks at the page as readers see it.
func TestManualIsComplete(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "mandoc")
	out, err := exec.Command("mandoc", "-T", "utf8", "-O", "width=500",
		helpTopicFile(t, "man", program+".8")).Output()
	if err != nil {
		t.Fatal(err)
	}
	plain := withoutOverstrikes(string(out))
	for _, line := range []string{
		"NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS",
		"ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO",
		"       efiMountPoint", "       NO_COLOR",
		"           xen-boot-builder --esp /boot --pki-bundle /var/lib/sbctl",
	} {
		if !strings.Contains(plain, "\n"+line+"\n") {
			t.Errorf("the page has no line %q", line)
		}
	}
	var want []string
	for _, cmd := range commands() {
		want = append(want, cmd.name+" "+capital(cmd.summary)+". "+cmd.details)
	}
	newFlags(&commandLine{}).VisitAll(func(f *pflag.Flag) {
		want = append(want, strings.TrimSpace(flagHead(f))+" "+capital(flagUsage(f))+".")
	})
	squeezed := strings.Join(strings.Fields(plain), " ")
	for _, text := range want {
		if !strings.Contains(squeezed, strings.Join(strings.Fields(text), " ")) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if t.Failed() {
		t.Log(plain)
	}
}

// TestRoffEscapes holds the escapes against what a formatter makes of them.
func TestRoffEscapes(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "mandoc")
	tricky := []string{".TH not a request", `a \fBbackslash\fR \n`, `'quoted' "twice" ` + "`thrice`", "--a-flag ^ ~", `\EFI\nixos\x.efi`}
	r := &roff{}
	r.WriteString(".TH X 8 2026-01-01\n")
	r.section("EXAMPLES")
	r.example("Caption", tricky...)
	for _, text := range tricky {
		r.item(text, text)
	}
	page := filepath.Join(t.TempDir(), "x.8")
	if err := os.WriteFile(page, []byte(r.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("mandoc", "-T", "utf8", "-O", "width=200", page).Output()
	if err != nil {
		t.Fatal(err)
	}
	plain := withoutOverstrikes(string(out))
	for _, text := range tricky {
		if n := strings.Count(plain, text); n != 3 {
			t.Errorf("%q is there %d times, want 3:\n%s", text, n, plain)
		}
	}
}

// withoutOverstrikes takes away what makes letters bold on a line printer.
func withoutOverstrikes(s string) string {
	var out []rune
	runes := []rune(s)
	for i := 0; i < len(runes); i++ {
		if runes[i] == '\b' && len(out) > 0 {
			out = out[:len(out)-1]
			continue
		}
		out = append(out, runes[i])
	}
	return string(out)
}
