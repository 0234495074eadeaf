package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestGoldenArgv takes the command lines that nixpkgs' script refuses. All are wrong
// here too, but for none at all, which is the default form wherever the ESP is known.
func TestGoldenArgv(t *testing.T) {
	t.Parallel()
	cases, err := fixtures.GoldenCases()
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, c := range cases {
		if !slices.Contains(c.Tags, "argv") {
			continue
		}
		for _, argv := range c.Argv {
			lines++
			t.Run(c.Name+strings.Join(append([]string{""}, argv...), " "), func(t *testing.T) {
				t.Parallel()
				m := mustLayOut(t, "golden:"+c.Name)
				env := map[string]string{"efiMountPoint": m.esp}
				if len(argv) == 0 {
					env = nil
				}
				before := mustSnapshot(t, m.root)
				code, stdout, stderr := runInProcess(argv, env)
				if code != exitUsage || stdout != "" {
					t.Errorf("exit code %d, stdout %q; want %d and none", code, stdout, exitUsage)
				}
				if !strings.HasPrefix(stderr, program+": error: ") || !strings.Contains(stderr, "\n"+program+": hint: ") {
					t.Errorf("stderr has not an error and a hint: %q", stderr)
				}
				if d := cmp.Diff(before, mustSnapshot(t, m.root)); d != "" {
					t.Errorf("something was touched:\n%s", d)
				}
			})
		}
	}
	if lines < 6 {
		t.Errorf("only %d command lines were found", lines)
	}
}

// runInProcess runs the program without a process of its own.
func runInProcess(args []string, env map[string]string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err, environment{getenv: func(name string) string { return env[name] }})
	return code, out.String(), err.String()
}

// noEnvironment is one in which nothing is set, on a machine without a configuration file.
func noEnvironment() environment {
	return environment{getenv: func(string) string { return "" }}
}
