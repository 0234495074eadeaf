package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

// colors are the escapes of styles (ECMA-48, SGR).
var colors = regexp.MustCompile("\x1b\\[[0-9;]*m")

// whole are lines that are not broken: of a file's diff, and paths to be copied.
var whole = regexp.MustCompile(`^    (---|\+\+\+|@@|[-+ ]|(added|removed|changed) )`)

// testWidths: nothing that stdout shows on a terminal is wider than that, in any state of a machine's life.
func testWidths(t *testing.T, b binary) {
	for n, kind := range []string{"demo", "hash", "counted", "lanzaboote", "script", "secrets", "umlaut", "life", "no-xen", "many:30"} {
		for i, columns := range []int{80, 120} {
			if testing.Short() && i != n%2 {
				continue // each machine in one width
			}
			t.Run(fmt.Sprintf("%s/%d", kind, columns), func(t *testing.T) {
				t.Parallel()
				s := &screenshots{T: t, b: b} // for its short paths
				s.newMachine(kind)
				m := s.m
				show := func(args ...string) {
					t.Helper()
					cmd := b.command(append(args, "--esp", "boot", "--root", "root", "--color", "always")...)
					cmd.Dir = s.dir
					text, err := onTerminal(cmd, "stdout", columns)
					if err != nil && cmd.ProcessState == nil {
						t.Fatal(err)
					}
					for line := range strings.Lines(string(text)) {
						line = colors.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
						if !strings.Contains(strings.TrimSpace(line), " ") {
							continue // a path alone, to be copied
						}
						if n := screen.Width(line); n > columns && !(args[0] == "install" && whole.MatchString(line)) {
							t.Errorf("%v: a line has %d columns: %q", args, n, line)
						}
					}
				}
				for _, layout := range []string{"shared", "unified"} {
					show("list")
					show("status")
					show("install", "--dry-run", "--layout", layout, "info")
					show("install", "--layout", layout, "info")
					show("install", "--layout", layout, "info")
					for _, command := range []string{"list", "status", "verify"} {
						show(command)
					}
					show("diff", "1", "2")
					if m.rebuild != nil {
						if err := m.rebuild(); err != nil {
							t.Fatal(err)
						}
						m.rebuild = nil
						show("verify")
						show("install", "--layout", layout, "info")
					}
				}
			})
		}
	}
}
