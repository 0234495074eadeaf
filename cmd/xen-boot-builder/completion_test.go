package main

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// completionCase is a command line up to the cursor, and what a shell has to suggest. A last
// word that is empty means that the cursor stands behind a blank.
type completionCase struct {
	line []string
	want []string
}

// The words are spelled out: what a shell suggests is held against what people type, and not
// against the code that made the completion. TestCommandsOfTests says when a word is missing here.
var (
	testVerbosities = []string{"quiet", "default", "info", "debug"}
	testTopics      = []string{"bash", "fish", "man", "zsh"}

	// testFlags are the flags of each command.
	testFlags = map[string][]string{
		"install": {"--esp", "--boot", "--esp-image", "--allow-unmounted", "--root", "--from", "--generation", "--layout",
			"--default", "--limit", "--sign-key", "--sign-cert", "--pki-bundle", "--sign-command", "--run-initrd-secrets",
			"--sign-unverified-initrds", "--variant", "--keep-debug", "--pcrlock-dir", "--dry-run", "-n", "--full", "--verbosity", "--json", "--color", "--config", "--version", "--help", "-h"},
		"list":   {"--esp", "--boot", "--esp-image", "--allow-unmounted", "--root", "--from", "--generation", "--json", "--color", "--config", "--version", "--help", "-h"},
		"diff":   {"--esp", "--boot", "--esp-image", "--allow-unmounted", "--root", "--full", "--json", "--color", "--config", "--version", "--help", "-h"},
		"status": {"--esp", "--boot", "--esp-image", "--allow-unmounted", "--root", "--from", "--json", "--color", "--config", "--version", "--help", "-h"},
		"try":    {"--esp", "--boot", "--esp-image", "--allow-unmounted", "--json", "--color", "--config", "--version", "--help", "-h"},
		"bless": {"--esp", "--boot", "--esp-image", "--allow-unmounted", "--root", "--check", "--verbosity", "--json", "--color", "--config",
			"--version", "--help", "-h"},
		"verify": {"--esp", "--boot", "--esp-image", "--allow-unmounted", "--root", "--from", "--generation", "--sign-cert", "--pki-bundle", "--variant", "--verbosity", "--json", "--color", "--config",
			"--version", "--help", "-h"},
		"remove": {"--esp", "--boot", "--esp-image", "--allow-unmounted", "--pcrlock-dir", "--dry-run", "-n", "--verbosity",
			"--json", "--color", "--config", "--version", "--help", "-h"},
		"version": {"--json", "--color", "--version", "--help", "-h"},
		"help":    {"--color", "--version", "--help", "-h"},
	}
)

func testCommands() []string { return slices.Collect(maps.Keys(testFlags)) }

// TestCommandsOfTests: the commands and flags spelled out above are all that there are.
func TestCommandsOfTests(t *testing.T) {
	t.Parallel()
	got := make(map[string][]string)
	for _, cmd := range commands() {
		got[cmd.name] = longFlags(cmd.flags(), allFlags)
	}
	if d := cmp.Diff(got, testFlags); d != "" {
		t.Errorf("(-program +testFlags):\n%s", d)
	}
}

func completionCases() []completionCase {
	return []completionCase{
		{[]string{""}, slices.Concat(testCommands(), testVerbosities)},
		{[]string{"li"}, []string{"list"}},
		{[]string{"in"}, []string{"info", "install"}},
		{[]string{"install", ""}, testVerbosities},
		{[]string{"remove", ""}, testVerbosities},
		{[]string{"verify", ""}, testVerbosities},
		{[]string{"list", ""}, nil},
		{[]string{"info", ""}, nil},
		{[]string{"install", "info", ""}, nil},
		{[]string{"help", ""}, slices.Concat(testCommands(), testTopics)},
		{[]string{"--layout", ""}, []string{"auto", "shared", "embedded", "unified"}},
		{[]string{"--layout", "un"}, []string{"unified"}},
		{[]string{"--from", ""}, []string{"auto", "entries", "lanzaboote", "profiles"}},
		{[]string{"--default", ""}, []string{"xen", "nixos", "keep", "try"}},
		{[]string{"--verbosity", "d"}, []string{"debug", "default"}},
		{[]string{"list", "--color", ""}, []string{"auto", "always", "never"}},
		{[]string{"--limit", ""}, nil},
		{[]string{"--esp", ""}, []string{"directory"}},
		{[]string{"--sign-key", ""}, []string{"file", "directory"}},
		// The value of a flag is not a command, and a command may stand behind flags.
		{[]string{"--esp", "list", "--dry"}, []string{"--dry-run"}},
		{[]string{"--esp", "directory", "list", "--dry"}, nil},
		{[]string{"--esp", "directory", "ver"}, []string{"verify", "version"}},
		{[]string{"--no-such-fl"}, nil},
	}
}

// testCompletion runs all cases, each in a directory that holds a file and a directory. Shells
// write directories with a slash or without.
func testCompletion(t *testing.T, cases []completionCase, complete func(dir string, line []string) ([]string, error)) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		got, err := complete(dir, c.line)
		if err != nil {
			t.Errorf("%q: %v", c.line, err)
			continue
		}
		for i, word := range got {
			got[i] = strings.TrimSuffix(word, "/")
		}
		want := slices.Clone(c.want)
		slices.Sort(got)
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" && len(got)+len(want) > 0 {
			t.Errorf("%q (-want +got):\n%s", c.line, d)
		}
	}
}

func TestCompletionBash(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "bash")
	script := helpTopicFile(t, "bash", program)
	cases := completionCases()
	for name, flags := range testFlags {
		cases = append(cases, completionCase{[]string{name, "-"}, flags})
	}
	cases = append(cases,
		// bash takes these apart itself.
		completionCase{[]string{"--layout", "=", "un"}, []string{"unified"}},
		completionCase{[]string{"--layout", "="}, []string{"auto", "shared", "embedded", "unified"}},
		completionCase{[]string{"--esp", "=", "list", "ver"}, []string{"verify", "version"}},
	)
	const driver = `set -u
source "$1"; shift
complete -p xen-boot-builder >/dev/null || exit
COMP_WORDS=(xen-boot-builder "$@") COMP_CWORD=$#
_xen_boot_builder xen-boot-builder
[[ ${#COMPREPLY[@]} == 0 ]] || printf '%s\n' "${COMPREPLY[@]}"`
	testCompletion(t, cases, func(dir string, line []string) ([]string, error) {
		cmd := exec.Command("bash", append([]string{"--norc", "-c", driver, "bash", script}, line...)...)
		cmd.Dir = dir
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		return strings.Fields(string(out)), err
	})
}

func TestCompletionFish(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "fish")
	script := helpTopicFile(t, "fish", program+".fish")
	cases := completionCases()
	for name, flags := range testFlags {
		long := slices.DeleteFunc(slices.Clone(flags), func(s string) bool { return !strings.HasPrefix(s, "--") })
		if name == "install" {
			long = append(long, "--run-initrd-secrets=") // fish has a form of its own for what may be left out
		}
		cases = append(cases, completionCase{[]string{name, "--"}, long})
	}
	home := t.TempDir()
	testCompletion(t, cases, func(dir string, line []string) ([]string, error) {
		cmd := exec.Command("fish", "--no-config", "-c", `source $argv[1]; complete -C "$argv[2]"`,
			script, program+" "+strings.Join(line, " "))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+home)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		var words []string
		for row := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(row), "\t") // then comes the description
			words = append(words, word)
		}
		return words, err
	})
}

// TestCompletionZsh types into a zsh what can only mean one thing, and looks what it makes of it.
func TestCompletionZsh(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "zsh")
	script := helpTopicFile(t, "zsh", "_"+program)
	if out, err := exec.Command("zsh", "-n", script).CombinedOutput(); err != nil {
		t.Fatalf("zsh -n: %v\n%s", err, out)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folio"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "folly"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const driver = `
zmodload zsh/zpty
zpty shell zsh -f -i
expect() {
	local seen=
	while zpty -r shell REPLY; do
		seen+=$REPLY
		[[ $seen == *${~1}* ]] && { REPLY=$seen; return }
	done
	print -r -- "it ended: $seen" >&2
	exit 1
}
zpty -w shell "PS1=; autoload -Uz compinit; compinit -u -D -i; fpath=($1:h \$fpath)"
zpty -w shell "autoload -Uz $1:t; compdef $1:t xen-boot-builder; xen-boot-builder() { print -r -- \"<ran:\$*>\" }; print '<'ready'>'"
expect '<ready>'
for line in "${@[2,-1]}"; do
	zpty -w -n shell "xen-boot-builder $line"$'\t\n'
	expect '<ran:*>'
	REPLY=${REPLY##*<ran:}
	print -r -- "${REPLY%%>*}"
done
`
	lines := [][2]string{
		{"li", "list"},
		{"inst", "install"},
		{"deb", "debug"},
		{"install qu", "install quiet"},
		{"list qu", "list qu"},
		{"help zs", "help zsh"},
		{"--layout un", "--layout unified"},
		{"--layout=un", "--layout=unified"},
		{"--from lan", "--from lanzaboote"},
		{"list --color nev", "list --color never"},
		{"--esp fol", "--esp folio"}, // not folly, a file
		{"--esp list --dry", "--esp list --dry-run"},
		{"--esp directory list --dry", "--esp directory list --dry"},
		{"--esp directory veri", "--esp directory verify"},
		{"--esp directory --es", "--esp directory --esp"},
		{"verify --ro", "verify --root"},
		{"remove --ro", "remove --ro"},
	}
	args := []string{"-f", "-c", driver, "zsh", script}
	for _, l := range lines {
		args = append(args, l[0])
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // where what is waited for never comes
	defer cancel()
	cmd := exec.CommandContext(ctx, "zsh", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TERM=dumb")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var want []string
	for _, l := range lines {
		want = append(want, l[1])
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for i, line := range got {
		got[i] = strings.TrimSpace(line)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
