package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

const schemaFile = "../../docs/report.schema.json"

// TestSchema holds the documents of real runs against the schema. It allows additions; TestSchemaProperties
// says where one is missing in it.
func TestSchema(t *testing.T) {
	t.Parallel()
	schema := mustSchema(t)
	for _, c := range schemaCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.kind == "" {
				c.kind = "demo"
			}
			s := schemaMachine{T: t, machine: mustLayOut(t, c.kind), env: noEnvironment()}
			if c.running {
				s.env.running = s.thisMachine()
			}
			args := c.prepare(s)
			code, stdout, stderr := s.inProcess(append(args, "--json")...)
			if code != c.code {
				t.Fatalf("exit code %d, want %d\n%s", code, c.code, stderr)
			}
			var document any
			if err := json.Unmarshal([]byte(stdout), &document); err != nil {
				t.Fatalf("%v in %q", err, stdout)
			}
			if err := schema.Validate(document); err != nil {
				t.Errorf("%v\n%s", err, stdout)
			}
			if !strings.Contains(stdout, c.holds) {
				t.Errorf("the document does not hold %s, so this is not the case it should be:\n%s", c.holds, stdout)
			}
		})
	}
}

// schemaCase is a run that prints a document.
type schemaCase struct {
	name    string
	kind    string // of machine
	running bool   // the machine is the running one, started by systemd-boot
	code    int
	holds   string // what shows that the run was what it should be
	prepare func(s schemaMachine) (args []string)
}

func schemaCases() []schemaCase {
	install := func(s schemaMachine) []string { return s.args("install") }
	return []schemaCase{
		{name: "version", holds: `"platform"`, prepare: func(schemaMachine) []string { return []string{"version"} }},
		{name: "install", holds: `"state": "added"`, prepare: install},
		{name: "install on lanzaboote", kind: "lanzaboote", holds: `"source": "lanzaboote"`, prepare: install},
		{name: "install without xen", kind: "no-xen", holds: `"reason": "no-extension"`, prepare: install},
		{name: "install embedded", holds: `"layout": "embedded"`, prepare: func(s schemaMachine) []string {
			return s.args("install", "--layout", "embedded")
		}},
		{name: "install signed", holds: `"layout": "unified"`, prepare: func(s schemaMachine) []string {
			return s.args("install", "--pki-bundle", s.keys())
		}},
		{name: "dry run", holds: `"dryRun": true`, prepare: func(s schemaMachine) []string {
			return s.args("install", "--dry-run")
		}},
		{name: "unchanged", holds: `"changed": false`, prepare: func(s schemaMachine) []string {
			s.run("install")
			return s.args("install")
		}},
		{name: "changed", holds: `"state": "changed"`, prepare: func(s schemaMachine) []string {
			s.run("install")
			s.overwrite("loader/entries/xen-*.conf", "title changed\nefi /EFI/nixos/xen-generation-1.efi\n")
			return s.args("install")
		}},
		{name: "another layout", holds: `"action": "removed"`, prepare: func(s schemaMachine) []string {
			s.run("install")
			return s.args("install", "--layout", "unified")
		}},
		{name: "over the limit", holds: `"reason": "over-limit"`, prepare: func(s schemaMachine) []string {
			s.run("install")
			return s.args("install", "--limit", "1")
		}},
		{name: "generation gone", holds: `"state": "removed"`, prepare: func(s schemaMachine) []string {
			s.run("install")
			s.delete("loader/entries/nixos-generation-1.conf")
			return s.args("install")
		}},
		{name: "broken generation", holds: `"reason": "entry-invalid"`, prepare: func(s schemaMachine) []string {
			s.overwrite("loader/entries/nixos-generation-1.conf", "title no init\n")
			return s.args("install")
		}},
		{name: "broken generation kept", holds: `"state": "kept"`, prepare: func(s schemaMachine) []string {
			s.run("install")
			s.overwrite("loader/entries/nixos-generation-1.conf", "title no init\n")
			return s.args("install")
		}},
		{name: "default generation broken", code: exitFailed, holds: `"error"`, prepare: func(s schemaMachine) []string {
			top, err := os.Readlink(filepath.Join(s.root, "nix/var/nix/profiles/system-3-link"))
			if err != nil {
				s.Fatal(err)
			}
			spec := filepath.Join(s.root, top, "boot.json")
			if err := errors.Join(os.Remove(spec), os.WriteFile(spec, []byte("{"), 0o644)); err != nil {
				s.Fatal(err)
			}
			return s.args("install")
		}},
		{name: "failed esp", code: exitFailed, holds: `"hint"`, prepare: func(s schemaMachine) []string {
			return []string{"install", "--root", s.root, "--esp", filepath.Join(s.esp, "missing")}
		}},
		{name: "several esps, one failed", code: exitFailed, holds: `"error"`, prepare: func(s schemaMachine) []string {
			return s.args("install", "--esp", s.copy(), "--esp", filepath.Join(s.esp, "missing"))
		}},
		{name: "root missing", code: exitFailed, holds: `"error"`, prepare: func(s schemaMachine) []string {
			return []string{"install", "--esp", s.esp, "--root", filepath.Join(s.root, "missing")}
		}},
		{name: "xbootldr", kind: "xbootldr", holds: `"loaderConf": {`, prepare: func(s schemaMachine) []string {
			return s.args("install", "--boot", s.boot)
		}},

		{name: "remove", holds: `"removed"`, prepare: func(s schemaMachine) []string {
			s.run("install")
			return []string{"remove", "--esp", s.esp}
		}},
		{name: "remove nothing", holds: `"changed": false`, prepare: func(s schemaMachine) []string {
			return []string{"remove", "--esp", s.esp}
		}},
		{name: "remove unified", holds: `"removed"`, prepare: func(s schemaMachine) []string {
			s.run("install", "--layout", "unified")
			return []string{"remove", "--esp", s.esp, "--dry-run"}
		}},

		{name: "on trial", running: true, holds: `"trial": "xen-generation-3"`, prepare: func(s schemaMachine) []string {
			return s.args("install", "--default", "try")
		}},
		{name: "after a trial", running: true, holds: `"proven": "20`, prepare: func(s schemaMachine) []string {
			s.run("install", "--default", "try")
			s.run("bless")
			return s.args("install", "--default", "try")
		}},
		{name: "blessed", running: true, holds: `"changed": true`, prepare: func(s schemaMachine) []string {
			s.run("install", "--default", "try")
			return s.args("bless")
		}},
		{name: "tried", running: true, holds: `"then": {`, prepare: func(s schemaMachine) []string {
			s.run("install")
			return []string{"try", "--esp", s.esp, "2"}
		}},
		{name: "remove takes the shot back", running: true, holds: `"oneShot": {`, prepare: func(s schemaMachine) []string {
			s.run("install", "--default", "try")
			return []string{"remove", "--esp", s.esp}
		}},

		{name: "list nothing", holds: `"entries": []`, prepare: func(s schemaMachine) []string {
			return []string{"list", "--esp", s.esp}
		}},
		{name: "list", holds: `"layout": "shared"`, prepare: func(s schemaMachine) []string {
			s.run("install")
			return []string{"list", "--esp", s.esp}
		}},
		{name: "list embedded", holds: `"layout": "embedded"`, prepare: func(s schemaMachine) []string {
			s.run("install", "--layout", "embedded")
			return []string{"list", "--esp", s.esp}
		}},
		{name: "list broken", holds: `"problems": [` + "\n ", prepare: func(s schemaMachine) []string {
			s.run("install")
			s.overwrite("EFI/xen/xen-generation-*.cfg", "nothing\n")
			return []string{"list", "--esp", s.esp}
		}},
		{name: "list failed", code: exitFailed, holds: `"error"`, prepare: func(s schemaMachine) []string {
			return []string{"list", "--esp", s.esp, "--esp", filepath.Join(s.esp, "missing")}
		}},
		{name: "verify", holds: `"problems": []`, prepare: func(s schemaMachine) []string {
			s.run("install")
			return s.args("verify")
		}},
		{name: "verify signed", holds: `"layout": "unified"`, prepare: func(s schemaMachine) []string {
			keys := s.keys()
			s.run("install", "--pki-bundle", keys)
			return s.args("verify", "--sign-cert", filepath.Join(keys, "keys/db/db.pem"))
		}},
		{name: "verify unsigned", code: exitFailed, holds: `not signed`, prepare: func(s schemaMachine) []string {
			s.run("install", "--layout", "unified")
			return s.args("verify", "--sign-cert", filepath.Join(s.keys(), "keys/db/db.pem"))
		}},
		{name: "verify damaged", code: exitFailed, holds: `"notes": [` + "\n ", prepare: func(s schemaMachine) []string {
			s.run("install")
			s.delete("loader/entries/xen-generation-1.conf")
			s.overwrite("EFI/xen/xen-*.efi", "MZ")
			return s.args("verify")
		}},
		{name: "verify outdated", holds: `"health": "outdated"`, prepare: func(s schemaMachine) []string {
			s.run("install")
			s.each("loader/entries/nixos-generation-1.conf", func(file string) error {
				text, err := os.ReadFile(file)
				return errors.Join(err, os.WriteFile(file, []byte(strings.Replace(string(text), "title NixOS", "title mine", 1)), 0o644))
			})
			return s.args("verify")
		}},
		{name: "verify with boot counters", holds: `"notCounted": 1`, prepare: func(s schemaMachine) []string {
			s.run("install")
			entry := filepath.Join(s.esp, "loader/entries/nixos-generation-2")
			if err := os.Rename(entry+".conf", entry+"+3.conf"); err != nil {
				s.Fatal(err)
			}
			return s.args("verify")
		}},
		{name: "list with generations without an entry", holds: `"reason": "not-installed"`, prepare: func(s schemaMachine) []string {
			return s.args("list")
		}},
		{name: "diff", holds: `"field": "xen"`, prepare: func(s schemaMachine) []string {
			s.run("install")
			return append(s.args("diff"), "1", "2")
		}},
		{name: "diff of what is not installed", holds: `"differences"`, prepare: func(s schemaMachine) []string {
			return append(s.args("diff"), "2", "3")
		}},
		{name: "diff failed", code: exitFailed, holds: `"hint"`, prepare: func(s schemaMachine) []string {
			return append(s.args("diff"), "2", "77")
		}},
		{name: "verify with a certificate that can't be read", code: exitFailed, holds: `"error"`, prepare: func(s schemaMachine) []string {
			return s.args("verify", "--sign-cert", filepath.Join(s.root, "missing.pem"))
		}},
		{name: "status", holds: `"todo": []`, prepare: func(s schemaMachine) []string {
			s.run("install")
			return s.args("status")
		}},
		{name: "status of a bare esp", holds: `"install"`, prepare: func(s schemaMachine) []string {
			return s.args("status")
		}},
		{name: "status failed", code: exitFailed, holds: `"error"`, prepare: func(s schemaMachine) []string {
			return []string{"status", "--esp", filepath.Join(s.esp, "missing")}
		}},
		{name: "verify without its root", code: exitFailed, holds: `"error"`, prepare: func(s schemaMachine) []string {
			return []string{"verify", "--esp", s.esp, "--root", filepath.Join(s.root, "missing")}
		}},
	}
}

// schemaMachine is the machine of one case.
type schemaMachine struct {
	*testing.T
	machine
	env environment
}

func (s schemaMachine) inProcess(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(s.Context(), args, &out, &errs, s.env)
	return code, out.String(), errs.String()
}

// thisMachine gives the machine the EFI variables of one that runs, in domain 0 started by the Xen entry of its newest generation.
func (s schemaMachine) thisMachine() running {
	s.Helper()
	dir := s.TempDir()
	m := running{root: s.root, efivars: filepath.Join(dir, "efivars"), sys: filepath.Join(dir, "sys")}
	hypervisor := filepath.Join(m.sys, "hypervisor")
	features := []byte{7, 0, 0, 0, 0xff, 7, 0, 0, 0, 0, 0, 0} // what 252 says of itself
	if err := errors.Join(
		os.MkdirAll(m.efivars, 0o755), os.MkdirAll(hypervisor, 0o755),
		os.WriteFile(efiVarFile(m.efivars, "LoaderFeatures"), features, 0o644),
		setEFIVar(m.efivars, "LoaderInfo", "systemd-boot 252.39-1~deb12u2"),
		setEFIVar(m.efivars, "LoaderEntrySelected", "xen-generation-3.conf"),
		os.WriteFile(filepath.Join(hypervisor, "type"), []byte("xen\n"), 0o644),
	); err != nil {
		s.Fatal(err)
	}
	return m
}

func (s schemaMachine) args(command string, more ...string) []string {
	return append([]string{command, "--esp", s.esp, "--root", s.root}, more...)
}

func (s schemaMachine) run(command string, more ...string) {
	s.Helper()
	if code, _, stderr := s.inProcess(s.args(command, more...)...); code != exitDone {
		s.Fatalf("%s: exit code %d\n%s", command, code, stderr)
	}
}

func (s schemaMachine) keys() string {
	s.Helper()
	dir := s.TempDir()
	if err := fixtures.LayOutKeys(dir, "db"); err != nil {
		s.Fatal(err)
	}
	return dir
}

// copy is another ESP that holds the same.
func (s schemaMachine) copy() string {
	s.Helper()
	dir := filepath.Join(s.TempDir(), "esp")
	if err := copyTree(s.esp, dir); err != nil {
		s.Fatal(err)
	}
	return dir
}

// each calls do with each file on the ESP that matches.
func (s schemaMachine) each(pattern string, do func(file string) error) {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.esp, pattern))
	if err != nil || len(files) == 0 {
		s.Fatalf("no %s on the ESP: %v", pattern, err)
	}
	for _, file := range files {
		if err := do(file); err != nil {
			s.Fatal(err)
		}
	}
}

func (s schemaMachine) overwrite(pattern, text string) {
	s.Helper()
	s.each(pattern, func(file string) error { return os.WriteFile(file, []byte(text), 0o644) })
}

func (s schemaMachine) delete(pattern string) {
	s.Helper()
	s.each(pattern, os.Remove)
}

// TestSchemaWords: each list of words in the schema is that of the Go constants, read from
// their source so that one that is added can't be forgotten.
func TestSchemaWords(t *testing.T) {
	t.Parallel()
	constants := make(map[string][]string)
	for typ, dir := range map[string]string{
		"State": "", "SecureBoot": "", "Health": "", "Todo": "", "Reason": "/internal/generation", "Source": "/internal/generation",
		"Layout": "/internal/layout", "FileKind": "/internal/layout", "Field": "/internal/compare",
	} {
		constants[typ] = append(stringConstants(t, "../../bootbuilder"+dir)[typ], stringConstants(t, "../../bootbuilder")[typ]...)
		slices.Sort(constants[typ])
		constants[typ] = slices.Compact(constants[typ])
	}
	var schema struct {
		Defs map[string]struct{ Enum []string } `json:"$defs"`
	}
	readSchema(t, &schema)
	for def, c := range map[string]struct {
		typ    string
		except string // "auto" is a wish, and never what was done
	}{
		"layout":     {"Layout", "auto"},
		"secureBoot": {"SecureBoot", ""},
		"health":     {"Health", ""},
		"todo":       {"Todo", ""},
		"source":     {"Source", "auto"},
		"state":      {"State", ""},
		"reason":     {"Reason", ""},
		"kind":       {"FileKind", ""},
	} {
		want := slices.DeleteFunc(slices.Clone(constants[c.typ]), func(s string) bool { return s == c.except })
		got := slices.Clone(schema.Defs[def].Enum)
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" || len(want) == 0 {
			t.Errorf("%s (-%s +schema):\n%s", def, c.typ, d)
		}
	}
}

// TestSchemaProperties: a property of a Go type that no run above happens to show is in the
// schema all the same, and the other way round.
func TestSchemaProperties(t *testing.T) {
	t.Parallel()
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any
			Required   []string
		} `json:"$defs"`
	}
	readSchema(t, &schema)
	for def, value := range map[string]any{
		"changes":     document{},
		"report":      bootbuilder.Report{},
		"generation":  bootbuilder.GenerationReport{},
		"file":        bootbuilder.FileReport{},
		"loaderConf":  bootbuilder.LoaderReport{},
		"counting":    bootbuilder.Counting{},
		"oneShot":     bootbuilder.OneShotReport{},
		"warning":     bootbuilder.Warning{},
		"inspections": inspectionDocument{},
		"inspection":  bootbuilder.Inspection{},
		"entry":       bootbuilder.EntryStatus{},
		"without":     bootbuilder.GenerationStatus{},
		"facts":       bootbuilder.Facts{},
		"start":       bootbuilder.Start{},
		"next":        bootbuilder.NextReport{},
		"summary":     bootbuilder.Summary{},
		"space":       bootbuilder.SpaceReport{},
		"step":        bootbuilder.StepReport{},
		"difference":  bootbuilder.Difference{},
		"comparison":  bootbuilder.Comparison{},

		"comparisons":   compareDocument{},
		"compareReport": bootbuilder.CompareReport{},
		"statuses":      statusDocument{},
		"status":        bootbuilder.StatusReport{},
		"running":       bootbuilder.Running{},
		"trial":         bootbuilder.TrialStatus{},
		"proven":        bootbuilder.ProvenStatus{},
		"newest":        bootbuilder.NewestStatus{},
		"tried":         bootbuilder.TryReport{},
		"blessed":       bootbuilder.BlessReport{},
		"failure":       failureDocument{},
	} {
		all, always := jsonProperties(reflect.TypeOf(value))
		var properties []string
		for name := range schema.Defs[def].Properties {
			properties = append(properties, name)
		}
		slices.Sort(all)
		slices.Sort(properties)
		if d := cmp.Diff(all, properties); d != "" {
			t.Errorf("%s (-Go +schema):\n%s", def, d)
		}
		for _, name := range always {
			if !slices.Contains(schema.Defs[def].Required, name) {
				t.Errorf("%s: %s is always there, but not required", def, name)
			}
		}
	}
}

// jsonProperties are the names of a type's properties, and which of them are always there.
func jsonProperties(typ reflect.Type) (all, always []string) {
	for field := range typ.Fields() {
		name, option, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			more, moreAlways := jsonProperties(field.Type)
			all, always = append(all, more...), append(always, moreAlways...)
			continue
		}
		all = append(all, name)
		if option != "omitempty" {
			always = append(always, name)
		}
	}
	return all, always
}

func TestSchemaVersion(t *testing.T) {
	t.Parallel()
	var schema struct {
		Defs map[string]struct{ Const any } `json:"$defs"`
	}
	readSchema(t, &schema)
	if got := schema.Defs["schemaVersion"].Const; got != float64(bootbuilder.ReportSchema) {
		t.Errorf("the schema is for version %v, the documents are of version %d", got, bootbuilder.ReportSchema)
	}
}

func readSchema(t *testing.T, into any) {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// stringConstants are the values of a package's string constants by the name of their type.
func stringConstants(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string][]string)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			consts, ok := decl.(*ast.GenDecl)
			if !ok || consts.Tok != token.CONST {
				continue
			}
			for _, spec := range consts.Specs {
				value := spec.(*ast.ValueSpec)
				typ, ok := value.Type.(*ast.Ident)
				if !ok {
					continue
				}
				for _, v := range value.Values {
					if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
						text, err := strconv.Unquote(lit.Value)
						if err != nil {
							t.Fatal(err)
						}
						values[typ.Name] = append(values[typ.Name], text)
					}
				}
			}
		}
	}
	return values
}
