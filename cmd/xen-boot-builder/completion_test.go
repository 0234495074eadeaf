package main

import (
	"context"
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

func completionCases() []completionCase {
	verbosity := plain(verbosities())
	names := commandNames(allCommands)
	return []completionCase{
		{[]string{""}, slices.Concat(names, verbosity)},
		{[]string{"li"}, []string{"list"}},
		{[]string{"in"}, []string{"info", "install"}},
		{[]string{"install", ""}, verbosity},
		{[]string{"list", ""}, nil},
		{[]string{"info", ""}, nil},
		{[]string{"install", "info", ""}, nil},
		{[]string{"help", ""}, helpTopics()},
		{[]string{"--layout", ""}, flagWords("layout")},
		{[]string{"--layout", "un"}, []string{"unified"}},
		{[]string{"--from", ""}, flagWords("from")},
		{[]string{"--default", ""}, flagWords("default")},
		{[]string{"--verbosity", "d"}, []string{"debug", "default"}},
		{[]string{"list", "--color", ""}, flagWords("color")},
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
	for _, name := range commandNames(allCommands) {
		cases = append(cases, completionCase{[]string{name, "-"}, longFlags(completionFlags(name), allFlags)})
	}
	cases = append(cases,
		// bash takes these apart itself.
		completionCase{[]string{"--layout", "=", "un"}, []string{"unified"}},
		completionCase{[]string{"--layout", "="}, flagWords("layout")},
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
	for _, name := range commandNames(allCommands) {
		cases = append(cases, completionCase{[]string{name, "--"}, slices.DeleteFunc(
			longFlags(completionFlags(name), allFlags), func(s string) bool { return !strings.HasPrefix(s, "--") })})
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
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o755); err != nil {
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
		{"--esp fol", "--esp directory"}, // not folly, a file,
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

// TestCompletionKnowsWords: a flag that takes one of a few words has them suggested, and
// the parser takes just those.
func TestCompletionKnowsWords(t *testing.T) {
	t.Parallel()
	for _, f := range completionFlags("") {
		switch {
		case strings.Contains(f.usage, "WORD") || strings.Contains(f.usage, "WHEN"):
			if f.value != completionWords {
				t.Errorf("--%s takes a word, but none is suggested", f.name)
			}
		case f.value == completionWords:
			t.Errorf("--%s suggests words, but its usage speaks of none", f.name)
		}
		for _, word := range f.words {
			if _, err := parseCommandLine([]string{"--" + f.name, word}, os.Getenv); err != nil {
				t.Errorf("suggested, but refused: %v", err)
			}
			if !strings.Contains(f.usage, word) {
				t.Errorf("--%s: the usage does not speak of %s", f.name, word)
			}
		}
	}
}
