package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// testSteps holds what --dry-run debug says against what a run does, system call by system call: all that changes
// something, or brings it to the disk, in order. Both sides are read here: the words of the one, strace's log of the other.
func testSteps(t *testing.T, b binary) {
	firmware.Need(t, "strace")
	for _, c := range []struct {
		name, kind string
		flags      []string
		before     []string // an earlier run with these flags
	}{
		{"first install", "demo", nil, nil},
		{"unified", "demo", []string{"--layout", "unified"}, nil},
		{"from shared to unified", "demo", []string{"--layout", "unified"}, []string{"--layout", "shared"}},
		{"to fewer", "demo", []string{"--limit", "1"}, []string{"--layout", "shared"}},
		{"nothing to do", "demo", nil, []string{"--layout", "shared"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := mustLayOut(t, c.kind)
			if c.before != nil {
				b.mustInstall(t, m, append(c.before, "quiet")...)
			}
			said := b.mustRun(t, m.flags(append(c.flags, "--dry-run", "debug")...)...)
			want, err := callsOfSteps(said.stdout, m.esp)
			if err != nil {
				t.Fatal(err)
			}
			calls, r, err := b.traced(filepath.Join(t.TempDir(), "log"), m.esp, m.flags(append(c.flags, "quiet")...)...)
			if err != nil || r.code != exitDone {
				t.Fatalf("exit code %d, %v: %s", r.code, err, r.stderr)
			}
			if d := cmp.Diff(want, callsOfTrace(calls, m.esp)); d != "" {
				t.Errorf("(-said +done):\n%s", d)
			}
			if nothing := c.name == "nothing to do"; nothing != (len(want) == 0) {
				t.Errorf("%d calls are said to be made", len(want))
			}
		})
	}
}

// callsOfSteps are the system calls that the lines stand for; docs/architecture.md has what each is on a mounted FAT.
func callsOfSteps(text, esp string) ([]string, error) {
	var calls []string
	for line := range strings.Lines(text) {
		words, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "would ")
		if !ok {
			continue
		}
		// Words, then a path, then what it is about it: "write /boot/EFI/… (2.7 MiB)".
		what, rest, found := strings.Cut(words, " /")
		path, rest, _ := strings.Cut(rest, " ")
		at, about := strings.TrimPrefix("/"+path, esp), rest
		if op, _, sized := strings.Cut(what, " "); sized && strings.HasSuffix(what, " for") || strings.HasSuffix(what, " on") {
			what = op // "allocate 2.7 MiB for", "need 2.7 MiB on"
		}
		if !found {
			at = ""
		}
		switch what {
		case "remove":
			calls = append(calls, "unlinkat "+at)
		case "make directory":
			calls = append(calls, "mkdirat "+at)
		case "rename":
			calls = append(calls, "renameat "+at+" "+strings.TrimPrefix(strings.TrimPrefix(about, "to "), esp))
		case "create":
			if as, ok := strings.CutPrefix(about, "as "); ok { // in a directory that has no name yet
				at = strings.TrimPrefix(as, esp)
			}
			calls = append(calls, "create "+at)
		case "allocate":
			calls = append(calls, "fallocate "+at)
		case "start to send", "send":
			calls = append(calls, "sync_file_range "+at)
		case "blank", "write":
			calls = append(calls, "write "+at)
		case "sync directory", "sync what was":
			calls = append(calls, "fsync "+at)
		case "flush the FAT of":
			calls = append(calls, "fsync ")
		case "flush":
			calls = append(calls, "syncfs ", "fsync ")
		case "sync":
			if at == "" {
				calls = append(calls, "syncfs ")
			} else {
				calls = append(calls, "fsync "+at)
			}
		case "open", "hold", "need", "release the clusters of what was removed", "look whether":
			// changes nothing
		case "lengthen directory":
			calls = append(calls, "lengthen "+at)
		default:
			return nil, fmt.Errorf("%q is not a step that is known", line)
		}
	}
	return merged(calls), nil
}

// callsOfTrace are the calls that were made.
func callsOfTrace(list []sysCall, esp string) []string {
	lengthening := regexp.MustCompile(`/0[0-9]{103}$`)
	var calls []string
	for _, c := range list {
		if strings.Contains(c.args, "= -1 EISDIR") {
			continue // Go asks the kernel for a file first, and for a directory then
		}
		names := regexp.MustCompile(`<([^>]*)>(?:, "([^"]*)")?`).FindAllStringSubmatch(c.args, -1)
		place := func(i int) string {
			dir := strings.TrimSuffix(names[i][1], " (deleted)")
			return strings.TrimPrefix(strings.TrimSuffix(dir+"/"+names[i][2], "/"), esp)
		}
		name := c.name
		at := place(0)
		switch {
		case lengthening.MatchString(at):
			name, at = "lengthen", filepath.Dir(at)
		case strings.HasPrefix(name, "openat") && strings.Contains(c.args, "O_CREAT"):
			name = "create"
		case strings.HasPrefix(name, "openat"), name == "ftruncate":
			continue // opened to be changed; what was allocated and not used is given back
		case name == "pwrite64":
			name = "write"
		case strings.HasPrefix(name, "renameat"):
			name, at = "renameat", at+" "+place(1)
		case name == "write":
			name = "write"
		}
		calls = append(calls, name+" "+at)
	}
	return merged(calls)
}

// merged makes one of calls that follow each other on the same file: content is written in as many pieces as it takes.
func merged(calls []string) []string {
	var list []string
	for i, c := range calls {
		many := strings.HasPrefix(c, "write ") || strings.HasPrefix(c, "lengthen ")
		if i == 0 || !many || calls[i-1] != c {
			list = append(list, c)
		}
	}
	return list
}
