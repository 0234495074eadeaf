// Package nix_test evaluates the Nix files with nix-instantiate, and runs what the module would have NixOS run.
//
// Without nixpkgs: its lib and the options that the module touches are stand-ins in testdata, with types that check and
// merge. Where XBB_NIXPKGS names a directory with nixpkgs' lib, all of it is evaluated with that too; .ci/peers does so.
//
// Left out: building anything. The package and the virtual machines need a machine with Nix and nixpkgs.
package nix_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// libs are the libraries to evaluate with, by name: the path, or "" for the one in testdata.
func libs(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"stand-in": ""}
	if dir := os.Getenv("XBB_NIXPKGS"); dir != "" {
		lib := filepath.Join(dir, "lib")
		if _, err := os.Stat(filepath.Join(lib, "default.nix")); err != nil {
			t.Fatalf("XBB_NIXPKGS has no lib: %v", err)
		}
		all["nixpkgs"] = lib
	}
	return all
}

// store is a Nix store of its own, in which evaluation can put text files.
type store struct{ dir string }

func newStore(t *testing.T) store {
	t.Helper()
	firmware.Need(t, "nix-instantiate")
	s := store{t.TempDir()}
	if err := os.Mkdir(filepath.Join(s.dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	// Nothing is built, so there is no need of users to build as.
	if err := os.WriteFile(filepath.Join(s.dir, "etc/nix.conf"), []byte("build-users-group =\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// instantiate runs nix-instantiate and returns what it printed, and what it said on failure.
func (s store) instantiate(args ...string) (stdout []byte, failure string) {
	cmd := exec.Command("nix-instantiate", args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "NIX_REMOTE=",
		"NIX_STORE_DIR=" + filepath.Join(s.dir, "store"),
		"NIX_STATE_DIR=" + filepath.Join(s.dir, "var"),
		"NIX_LOCALSTATE_DIR=" + filepath.Join(s.dir, "var"),
		"NIX_LOG_DIR=" + filepath.Join(s.dir, "log"),
		"NIX_CONF_DIR=" + filepath.Join(s.dir, "etc"),
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err.Error() + "\n" + stderr.String()
	}
	return out, ""
}

// eval evaluates a file, with --arg and --argstr arguments, into v.
func (s store) eval(t *testing.T, v any, file string, args ...string) {
	t.Helper()
	out, failure := s.instantiate(append([]string{"--eval", "--strict", "--json", "--read-write-mode", file}, args...)...)
	if failure != "" {
		t.Fatalf("%s %q: %s", file, args, failure)
	}
	if err := json.Unmarshal(out, v); err != nil {
		t.Fatal(err)
	}
}

// nixFiles are all Nix files of the tree.
func nixFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../*.nix", "*.nix", "*/*.nix"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 10 {
		t.Fatalf("only these Nix files were found: %q", files)
	}
	return files
}

func TestParse(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, file := range nixFiles(t) {
		if _, failure := s.instantiate("--parse", file); failure != "" {
			t.Errorf("%s: %s", file, failure)
		}
	}
}

// TestFormat checks what nixfmt would not let pass and can be told without it.
func TestFormat(t *testing.T) {
	t.Parallel()
	for _, file := range nixFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasSuffix(text, []byte("\n")) || bytes.HasSuffix(text, []byte("\n\n")) {
			t.Errorf("%s does not end with one line break", file)
		}
		for i, line := range strings.Split(string(text), "\n") {
			indent := len(line) - len(strings.TrimLeft(line, " "))
			switch {
			case strings.Contains(line, "\t"):
				t.Errorf("%s:%d: a tab", file, i+1)
			case strings.TrimRight(line, " ") != line:
				t.Errorf("%s:%d: blanks at the end", file, i+1)
			case indent%2 != 0:
				t.Errorf("%s:%d: indented by %d", file, i+1, indent)
			}
		}
	}
}

// TestPackage evaluates package.nix with a buildGoModule that returns its attributes.
func TestPackage(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var p struct {
		Pname, Version, VendorHash string
		Ldflags, Fileset           []string
		Meta                       struct{ Description, Homepage, Changelog, MainProgram string }
		Completions, CrossBuilt    string
		VersionCheckProgramArg     string
	}
	s.eval(t, &p, "testdata/package.nix")

	if want := "-X main.version=" + p.Version; !strings.Contains(strings.Join(p.Ldflags, "\n"), want) {
		t.Errorf("no %q in ldflags: %q", want, p.Ldflags)
	}
	if !regexp.MustCompile(`^sha256-[A-Za-z0-9+/]{43}=$`).MatchString(p.VendorHash) {
		t.Errorf("this is not a hash: %q", p.VendorHash)
	}
	if !strings.HasSuffix(p.Meta.Changelog, "/v"+p.Version+"/CHANGELOG.md") {
		t.Errorf("meta.changelog is not of version %s: %s", p.Version, p.Meta.Changelog)
	}
	if p.Meta.MainProgram != "xen-boot-builder" || p.Pname != "xen-boot-builder" {
		t.Errorf("the program is %q of package %q", p.Meta.MainProgram, p.Pname)
	}
	if !strings.Contains(p.Completions, "installManPage") || strings.Contains(p.CrossBuilt, "help bash") {
		t.Errorf("a cross build can't run the program:\n%s\n--\n%s", p.Completions, p.CrossBuilt)
	}
	for _, path := range p.Fileset {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the package's source: %v", err)
		}
	}

	// The program says that version, where versionCheckHook looks for it, and so does the manual page.
	t.Run("program", func(t *testing.T) {
		if testing.Short() {
			t.Skip("not run with -short: the program is linked as the package does")
		}
		program := filepath.Join(t.TempDir(), p.Pname)
		build := exec.Command("go", "build", "-ldflags", strings.Join(p.Ldflags, " "), "-o", program, "../cmd/xen-boot-builder")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		said := regexp.MustCompile(`\b` + regexp.QuoteMeta(p.Version) + `\b`)
		if out, err := exec.Command(program, p.VersionCheckProgramArg).CombinedOutput(); err != nil || !said.Match(out) {
			t.Errorf("%v: the program does not say %s: %s", err, p.Version, out)
		}
	})
	commands, _, _ := strings.Cut(p.CrossBuilt, "installManPage")
	cmd := exec.Command("bash", "-euc", "cd ..; out=/nowhere; sed() { command sed \"$@\" | tee /dev/stderr; }\n"+
		strings.ReplaceAll(commands, "> xen-boot-builder.8", "> /dev/null"))
	if out, err := cmd.CombinedOutput(); err != nil || !regexp.MustCompile(`(?m)^\.Os .* `+regexp.QuoteMeta(p.Version)+`$`).Match(out) {
		t.Errorf("%v: the manual page does not say %s:\n%.300s", err, p.Version, out)
	}

	changelog, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+)`).FindSubmatch(changelog)
	if newest == nil || string(newest[1]) != p.Version {
		t.Errorf("CHANGELOG.md begins with version %q, package.nix has %q", newest, p.Version)
	}
}

// TestEntryPoints evaluates flake.nix, default.nix and the list of virtual machine tests.
func TestEntryPoints(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var e struct {
		FlakePackages, FlakeModules, FlakeChecks, FlakeChecksAarch64, Overlay, Default, Tests []string
		Description                                                                           string
		Scripts                                                                               map[string]string
	}
	s.eval(t, &e, "testdata/entry-points.nix")
	contains := func(what string, list []string, names ...string) {
		t.Helper()
		for _, name := range names {
			if !strings.Contains(" "+strings.Join(list, " ")+" ", " "+name+" ") {
				t.Errorf("%s has no %s: %q", what, name, list)
			}
		}
	}
	contains("the flake's packages", e.FlakePackages, "default", "xen-boot-builder")
	contains("the flake's modules", e.FlakeModules, "default")
	contains("the flake's checks", e.FlakeChecks, "package", "base")
	contains("the overlay", e.Overlay, "xen-boot-builder")
	contains("default.nix", e.Default, "package", "module")
	contains("the tests", e.Tests, "base", "xbootldr", "specialisation", "rollback", "xen-off", "limit", "script", "try", "lanzaboote")
	if strings.Join(e.FlakeChecksAarch64, " ") != "package" {
		t.Errorf("checks on aarch64, where Xen for NixOS is not: %q", e.FlakeChecksAarch64)
	}
}

// TestScripts: what the virtual machine tests have the driver do is Python.
func TestScripts(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "python3")
	var e struct{ Scripts map[string]string }
	newStore(t).eval(t, &e, "testdata/entry-points.nix")
	if len(e.Scripts) < 9 {
		t.Errorf("only %d scripts", len(e.Scripts))
	}
	for name, script := range e.Scripts {
		cmd := exec.Command("python3", "-W", "error", "-c", "import ast, sys; ast.parse(sys.stdin.read())")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, script)
		}
		if !strings.Contains(script, "in_dom0()\n") {
			t.Errorf("%s never starts Xen", name)
		}
	}
}
