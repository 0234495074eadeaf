// Package nix_test tests the Nix files, as far as it goes without nixpkgs.
package nix_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

func TestParse(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "nix-instantiate")
	files, err := filepath.Glob("*.nix")
	if err != nil || len(files) == 0 {
		t.Fatalf("no Nix files: %v", err)
	}
	for _, file := range files {
		nixInstantiate(t, "--parse", file)
	}
}

// machine is what a configuration says, for testdata/check.nix.
type machine struct {
	ESP            string         `json:"esp"`
	XBOOTLDR       *string        `json:"xbootldr"`
	SystemdBoot    bool           `json:"systemdBoot"`
	Lanzaboote     map[string]any `json:"lanzaboote"`
	Virtualisation map[string]any `json:"virtualisation"`
	Settings       map[string]any `json:"settings"`
	Commands       string         `json:"commands"`
	InstallHook    string         `json:"installHook"`
}

// evaluation is what the module makes of it.
type evaluation struct {
	SystemdBoot, External string
	Failed                []string
	Words                 map[string][]string
}

// scriptLine is how nixpkgs' module for Xen calls its script.
const scriptLine = "/nix/store/0000-xenBootBuilder/bin/xenBootBuilder default"

func newMachine(t *testing.T) machine {
	t.Helper()
	dir := t.TempDir()
	if err := fixtures.Demo(dir); err != nil {
		t.Fatal(err)
	}
	return machine{
		ESP:            filepath.Join(dir, "esp"),
		SystemdBoot:    true,
		Lanzaboote:     map[string]any{"enable": false},
		Virtualisation: map[string]any{},
		Commands:       "echo mine\n" + scriptLine,
		InstallHook:    "echo lanzaboote",
		Settings: map[string]any{
			"enable":    true,
			"package":   filepath.Join(dir, "xen-boot-builder"),
			"extraArgs": []string{"--root", filepath.Join(dir, "root")},
		},
	}
}

func (m machine) evaluate(t *testing.T) evaluation {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var e evaluation
	out := nixInstantiate(t, "--eval", "--strict", "--json", "testdata/check.nix", "--argstr", "machine", string(text))
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// run builds the program to where the machine has it, and runs a hook.
func (m machine) run(t *testing.T, hook string) string {
	t.Helper()
	build := exec.Command("go", "build", "-o", m.Settings["package"].(string), "../cmd/xen-boot-builder")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command("sh", "-c", hook)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, hook, out)
	}
	return string(out)
}

// TestSystemdBoot runs what systemd-boot's installer would run.
func TestSystemdBoot(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "nix-instantiate")
	m := newMachine(t)
	m.Settings["layout"] = "embedded"
	e := m.evaluate(t)
	if len(e.Failed) > 0 {
		t.Errorf("assertions failed: %q", e.Failed)
	}
	if e.External != m.InstallHook {
		t.Errorf("Lanzaboote is off, but its hook became %q", e.External)
	}
	if strings.Contains(e.SystemdBoot, "xenBootBuilder") {
		t.Errorf("nixpkgs' script is still there:\n%s", e.SystemdBoot)
	}
	out := m.run(t, e.SystemdBoot)
	for _, want := range []string{"mine\n", "Installing Xen Project Hypervisor boot entries...done.\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the hook does not print %q:\n%s", want, out)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(m.ESP, "EFI/nixos/xen-*.efi")); len(files) == 0 {
		t.Errorf("no images on the ESP:\n%s\n%s", e.SystemdBoot, out)
	}
}

// TestLanzaboote runs what would run in place of Lanzaboote's hook.
func TestLanzaboote(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "nix-instantiate")
	m := newMachine(t)
	keys, mirror := t.TempDir(), filepath.Join(t.TempDir(), "it's the mirror")
	if err := fixtures.LayOutKeys(keys, "db"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(keys, "keys/db/db.key"), 0o600); err != nil { // else there is a warning
		t.Fatal(err)
	}
	if err := os.CopyFS(mirror, os.DirFS(m.ESP)); err != nil {
		t.Fatal(err)
	}
	m.SystemdBoot = false
	m.Lanzaboote = map[string]any{"enable": true, "pkiBundle": keys, "extraEfiSysMountPoints": []string{mirror}}
	m.Virtualisation = map[string]any{"xen": map[string]any{"boot": map[string]any{"builderVerbosity": "quiet"}}}
	e := m.evaluate(t)
	if e.SystemdBoot != "echo mine" {
		t.Errorf("systemd-boot's hook is %q", e.SystemdBoot)
	}
	if out := m.run(t, e.External); out != "lanzaboote\n" {
		t.Errorf("the hook printed %q", out)
	}
	for _, esp := range []string{m.ESP, mirror} {
		if files, _ := filepath.Glob(filepath.Join(esp, "EFI/Linux/xen-*.efi")); len(files) == 0 {
			t.Errorf("no images on %s:\n%s", esp, e.External)
		}
	}

	// Where Lanzaboote fails, Xen's entries stay as they are, and the failure is told.
	m.InstallHook = "false"
	if err := exec.Command("sh", "-c", m.evaluate(t).External).Run(); err == nil {
		t.Error("Lanzaboote failed, but the hook did not")
	}
}

func TestModuleOff(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "nix-instantiate")
	m := newMachine(t)
	m.Settings["enable"] = false
	m.Lanzaboote["enable"] = true
	if e := m.evaluate(t); e.SystemdBoot != m.Commands || e.External != m.InstallHook {
		t.Errorf("the hooks changed: %+v", e)
	}
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "nix-instantiate")
	neither := newMachine(t)
	neither.SystemdBoot = false
	mirrored, xbootldr := newMachine(t), "/boot"
	mirrored.XBOOTLDR = &xbootldr
	mirrored.Settings["esps"] = []string{"/efi", "/efi2"}
	for name, m := range map[string]machine{"neither boot loader": neither, "mirrors with XBOOTLDR": mirrored} {
		if e := m.evaluate(t); len(e.Failed) != 1 {
			t.Errorf("%s: these assertions failed: %q", name, e.Failed)
		}
	}
}

// TestWords: the module's options take the words that the flags take.
func TestWords(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "nix-instantiate")
	got := newMachine(t).evaluate(t).Words
	for option, want := range map[string]string{
		"layout":    bootbuilder.Words(bootbuilder.Layouts()),
		"default":   bootbuilder.Words(bootbuilder.DefaultModes()),
		"verbosity": "quiet, default, info, debug",
	} {
		if d := cmp.Diff(want, strings.Join(got[option], ", ")); d != "" {
			t.Errorf("%s (-flag +module):\n%s", option, d)
		}
	}
}

// nixInstantiate runs without a Nix store.
func nixInstantiate(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("nix-instantiate", append([]string{"--store", "dummy://"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "NIX_REMOTE=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("nix-instantiate %q: %v\n%s", args, err, &stderr)
	}
	return out
}
