package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// TestJSONFailures: every command prints one document with --json, however it fails, and stdout holds nothing else.
func TestJSONFailures(t *testing.T) {
	t.Parallel()
	schema := mustSchema(t)
	for _, cmd := range commands() {
		if !cmd.takes("json") {
			continue
		}
		for name, kind := range jsonFailures() {
			if kind.flag != "" && !cmd.takes(kind.flag) || kind.only != nil && !slices.Contains(kind.only, cmd.name) {
				continue
			}
			t.Run(cmd.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				m := newJSONMachine(t)
				args := []string{cmd.name}
				if !kind.bare {
					args = append(args, exampleArgs(cmd)...)
				}
				args = append(args, "--json")
				for _, arg := range kind.args(m) {
					if arg != "--root" && arg != m.root || cmd.takes("root") {
						args = append(args, arg)
					}
				}
				var stdout, stderr bytes.Buffer
				code := run(context.Background(), args, &stdout, &stderr, m.environment())
				if code != kind.code {
					t.Errorf("%q: exit code %d, want %d: %s", args, code, kind.code, &stderr)
				}
				wantFailureDocument(t, schema, stdout.String())
				if !strings.Contains(stderr.String(), program+": error: ") {
					t.Errorf("%q: stderr has no error: %s", args, &stderr)
				}
			})
		}
	}
}

// jsonFailure is a kind of failure.
type jsonFailure struct {
	code int
	flag string   // only of commands that take it
	only []string // only of these commands; nil for all
	bare bool     // without the command's arguments
	args func(m jsonMachine) []string
}

func jsonFailures() map[string]jsonFailure {
	fixed := func(args ...string) func(jsonMachine) []string { return func(jsonMachine) []string { return args } }
	here := func(args ...string) func(jsonMachine) []string {
		return func(m jsonMachine) []string { return append(m.flags(), args...) }
	}
	missing := func(flags ...string) func(jsonMachine) []string {
		return func(m jsonMachine) []string {
			args := m.flags()
			for _, flag := range flags {
				args = append(args, flag, filepath.Join(m.dir, "missing"))
			}
			return args
		}
	}
	return map[string]jsonFailure{
		"unknown flag":       {code: exitUsage, args: fixed("--nonsense")},
		"flag without value": {code: exitUsage, args: fixed("--color")},
		"wrong word":         {code: exitUsage, args: fixed("--color", "mauve")},
		"too many arguments": {code: exitUsage, args: fixed("one", "two", "three")},
		"flag of another":    {code: exitUsage, only: []string{"list", "remove", "status", "try"}, args: here("--limit", "3")},
		"no arguments":       {code: exitUsage, only: []string{"diff", "try"}, bare: true, args: here()},
		"no ESP":             {code: exitUsage, flag: "esp", args: fixed()},
		"two places":         {code: exitUsage, flag: "esp", args: here("--esp-image", "x")},
		"ESP missing":        {code: exitFailed, flag: "esp", args: fixed("--esp", "/nonexistent/esp")},
		"ESP not mounted": {code: exitFailed, flag: "esp", args: func(m jsonMachine) []string {
			return []string{"--esp", filepath.Join(m.dir, "empty"), "--root", m.root}
		}},
		"ESP a file": {code: exitFailed, flag: "esp", args: func(m jsonMachine) []string {
			return []string{"--esp", filepath.Join(m.esp, "loader/loader.conf"), "--root", m.root}
		}},
		"no image": {code: exitFailed, flag: "esp-image", only: []string{"install", "list", "diff", "status", "verify", "remove"}, args: func(m jsonMachine) []string {
			return []string{"--esp-image", filepath.Join(m.esp, "loader/loader.conf"), "--root", m.root}
		}},
		"no configuration file": {code: exitFailed, flag: "config", args: missing("--config")},
		"a wrong configuration file": {code: exitUsage, flag: "config", args: func(m jsonMachine) []string {
			return append(m.flags(), "--config", filepath.Join(m.dir, "wrong.conf"))
		}},
		// list and status say what they can without it.
		"no root":                        {code: exitFailed, only: []string{"install", "diff", "verify"}, args: missing("--root")},
		"no key":                         {code: exitFailed, flag: "sign-key", args: missing("--sign-key", "--sign-cert")},
		"half a key":                     {code: exitUsage, flag: "sign-key", args: missing("--sign-key")},
		"no certificate":                 {code: exitFailed, only: []string{"verify"}, args: missing("--sign-cert")},
		"no keys":                        {code: exitFailed, flag: "pki-bundle", args: missing("--pki-bundle")},
		"no file of a variant":           {code: exitFailed, flag: "variant", args: here("--variant", "a=/nonexistent/variant")},
		"a variant without a file":       {code: exitUsage, flag: "variant", args: here("--variant", "a")},
		"no such generation":             {code: exitFailed, flag: "generation", args: here("--generation", "77")},
		"no such link":                   {code: exitFailed, flag: "generation", args: here("--generation", "/nix/var/nix/profiles/system-77-link")},
		"not in dom0":                    {code: exitFailed, only: []string{"bless"}, args: here()},
		"a check that fails":             {code: exitFailed, only: []string{"bless"}, args: here("--check", "exit 3")},
		"an entry that is not there":     {code: exitFailed, only: []string{"try"}, bare: true, args: here("xen-generation-77.conf")},
		"generations that are not there": {code: exitFailed, only: []string{"diff"}, bare: true, args: here("77", "78")},
	}
}

// exampleArgs are arguments that a command needs.
func exampleArgs(c command) []string {
	switch c.name {
	case "diff":
		return []string{"1", "2"}
	case "try":
		return []string{"2"}
	}
	return nil
}

// jsonMachine is a machine that runs.
type jsonMachine struct {
	machine
	dir string // a missing file, a wrong configuration file and an empty directory are there
}

func newJSONMachine(t *testing.T) jsonMachine {
	t.Helper()
	m := jsonMachine{mustLayOut(t, "hash"), t.TempDir()}
	for _, err := range []error{
		os.WriteFile(filepath.Join(m.dir, "wrong.conf"), []byte("no-such-flag 3\n"), 0o644),
		os.Mkdir(filepath.Join(m.dir, "empty"), 0o755),
		os.Mkdir(filepath.Join(m.dir, "efivars"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m jsonMachine) environment() environment {
	return environment{
		getenv:  func(string) string { return "" },
		running: running{root: m.root, efivars: filepath.Join(m.dir, "efivars"), sys: filepath.Join(m.dir, "sys")},
	}
}

// mustSchema is the schema, which refuses what says nothing.
func mustSchema(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	var schema jsonschema.Schema
	readSchema(t, &schema)
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	if resolved.Validate(map[string]any{"schema": 2.}) == nil {
		t.Fatal("the schema takes anything")
	}
	return resolved
}

// wantFailureDocument wants one document that says what went wrong.
func wantFailureDocument(t *testing.T, schema *jsonschema.Resolved, stdout string) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(stdout))
	var document any
	if err := dec.Decode(&document); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	if err := dec.Decode(new(any)); err != io.EOF {
		t.Errorf("there is more than one document: %v in %q", err, stdout)
	}
	if err := schema.Validate(document); err != nil {
		t.Errorf("%v in %s", err, stdout)
	}
	if !saysError(document) {
		t.Errorf("the document does not say what went wrong: %s", stdout)
	}
}

// saysError reports whether there is an error in a document, or in what it says of an ESP.
func saysError(document any) bool {
	d, _ := document.(map[string]any)
	if text, _ := d["error"].(string); text != "" {
		return true
	}
	list, _ := d["esps"].([]any)
	return slices.ContainsFunc(list, saysError)
}

// testJSONFailures has what only another user, or another mount, can show.
func testJSONFailures(t *testing.T, b binary) {
	if os.Getuid() != 0 {
		t.Skip("not run: only root can become another user")
	}
	schema := mustSchema(t)
	for _, cmd := range commands() {
		if !cmd.takes("esp") {
			continue
		}
		args := append([]string{cmd.name}, exampleArgs(cmd)...)
		if cmd.name == "try" {
			continue // takes no --root, and so no machine of a test's; TestJSONFailures has it
		}
		t.Run("not readable/"+cmd.name, func(t *testing.T) {
			t.Parallel()
			m := mustLayOut(t, "demo")
			letThrough(t, m.esp, m.root, string(b))
			if err := os.Chmod(m.esp, 0o700); err != nil {
				t.Fatal(err)
			}
			all := append(args, "--esp", m.esp, "--json")
			if cmd.takes("root") {
				all = append(all, "--root", m.root)
			}
			c := b.command(all...)
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			r, err := runProcess(c)
			if err != nil {
				t.Fatal(err)
			}
			if r.code != exitFailed || !strings.Contains(r.stdout, `"hint": "run as root`) {
				t.Errorf("exit code %d: %s", r.code, r.stdout)
			}
			wantFailureDocument(t, schema, r.stdout)
		})
	}
	for _, command := range []string{"install", "remove"} {
		t.Run("read-only/"+command, func(t *testing.T) {
			m := mustLayOut(t, "demo")
			if command == "remove" {
				b.mustInstall(t, m, "quiet")
			}
			inNamespace(t, func() error {
				if err := readOnly(m.esp); err != nil {
					return err
				}
				args := []string{command, "--esp", m.esp, "--json"}
				if command == "install" {
					args = append(args, "--root", m.root)
				}
				r, err := runProcess(b.command(args...))
				if err != nil {
					return err
				}
				if r.code != exitFailed {
					return fmt.Errorf("exit code %d", r.code)
				}
				wantFailureDocument(t, schema, r.stdout)
				return nil
			})
		})
	}
}
