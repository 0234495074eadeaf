package nix_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// program builds the program, once for all tests, into a directory that TestMain removes.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "xen-boot-builder")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/xen-boot-builder").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

var programDir string

func TestMain(m *testing.M) {
	fixtures.UseMemory()
	os.Exit(func() int {
		var err error
		if programDir, err = os.MkdirTemp("", "test-of-nix-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(programDir)
		return m.Run()
	}())
}

// machine is a fixture machine with the program, for running hooks on.
type machine struct {
	store          store
	pkg, root, esp string
}

func newMachine(t *testing.T, espName string, layOut func(root *fixtures.Root, esp string) error) machine {
	t.Helper()
	if testing.Short() {
		t.Skip("not run with -short: the program is built, and hooks are evaluated and run")
	}
	dir := t.TempDir()
	m := machine{newStore(t), filepath.Join(dir, "pkg"), filepath.Join(dir, "root"), filepath.Join(dir, espName)}
	if err := layOut(fixtures.NewRoot(m.root), m.esp); err != nil {
		t.Fatal(err)
	}
	m.install(t)
	return m
}

// install puts the program into the package's directory.
func (m machine) install(t *testing.T) {
	t.Helper()
	real, err := program()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(m.pkg, "bin/xen-boot-builder")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, program); err != nil {
		t.Fatal(err)
	}
}

// evaluate evaluates a configuration for this machine; what of it is executable becomes so.
func (m machine) evaluate(t *testing.T, c configuration) evaluated {
	t.Helper()
	c.nix += fmt.Sprintf("boot.loader.efi.efiSysMountPoint = %s;\nboot.loader.xen-boot-builder.extraArgs = [ \"--root\" %s ];\n",
		nixString(m.esp), nixString(m.root))
	var e evaluated
	m.store.eval(t, &e, "testdata/evaluate.nix", c.args(t, m.pkg, "")...)
	scripts, err := filepath.Glob(filepath.Join(m.store.dir, "store", "*-install-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scripts {
		if err := os.Chmod(s, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func nixString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(s) + `"`
}

// run runs a hook as install-systemd-boot.sh and nixos-rebuild do, with the toplevel as its argument.
func (m machine) run(t *testing.T, hook string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.Command("bash", "-c", hook, "install", "/nix/store/toplevel")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// images are the Xen images and entries on an ESP.
func images(t *testing.T, esp string) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"EFI/Linux/xen-*.efi", "EFI/nixos/xen-*.efi", "EFI/xen/xen-*", "loader/entries/xen-*.conf"} {
		found, err := filepath.Glob(filepath.Join(strings.NewReplacer(`[`, `\[`, `*`, `\*`).Replace(esp), pattern))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

func demo(root *fixtures.Root, _ string) error { return fixtures.Demo(filepath.Dir(root.Dir())) }

// TestHookSystemdBoot runs what systemd-boot's installer would run.
func TestHookSystemdBoot(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "esp", demo)
	e := m.evaluate(t, configuration{nix: systemdBoot + `boot.loader.systemd-boot.extraInstallCommands = "echo mine $1";
		boot.loader.xen-boot-builder.layout = "embedded";`})
	out, stderr, err := m.run(t, e.Hook)
	if want := "mine /nix/store/toplevel\nInstalling Xen Project Hypervisor boot entries...done.\n"; err != nil || out != want || stderr != "" {
		t.Fatalf("%v\n%s\n%s\nwant\n%s", err, out, stderr, want)
	}
	if files, _ := filepath.Glob(filepath.Join(m.esp, "EFI/nixos/xen-*.efi")); len(files) != 5 {
		t.Errorf("images: %q, want those of 4 generations and a specialisation", files)
	}
}

// TestUnitsRun runs what the units run, with the configuration file that the module writes: each command takes the keys that are
// another's.
func TestUnitsRun(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "esp", demo)
	e := m.evaluate(t, configuration{nix: systemdBoot + `boot.loader.efi.canTouchEfiVariables = true;
		boot.loader.xen-boot-builder = { default = "try"; limit = 2; verify.enable = true; bless.check = "true"; };`})
	if out, stderr, err := m.run(t, strings.ReplaceAll(e.Hook, "install ", "install --default xen ")); err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr)
	}
	root := " --root " + m.root
	if out, stderr, err := m.run(t, e.Services["xen-boot-builder-verify"].Script+root); err != nil || out+stderr != "" {
		t.Errorf("verify: %v: %q %q", err, out, stderr)
	}
	for _, command := range []string{"list", "status", "diff 2 3"} {
		out, stderr, err := m.run(t, filepath.Join(m.pkg, "bin/xen-boot-builder")+" "+command+" --config "+e.Settings+root)
		if err != nil || out == "" {
			t.Errorf("%s: %v: %q %q", command, err, out, stderr)
		}
	}
	// Here is no dom0, which is what it has to say, not that a flag is wrong.
	if _, stderr, err := m.run(t, e.Services["xen-boot-builder-bless"].Script+root); err == nil || err.(*exec.ExitError).ExitCode() != 1 {
		t.Errorf("bless: %v: %q", err, stderr)
	}
	for _, f := range images(t, m.esp) {
		if strings.HasSuffix(f, ".efi") {
			if err := os.Truncate(f, 100); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, stderr, err := m.run(t, e.Services["xen-boot-builder-verify"].Script+root); err == nil || out+stderr == "" {
		t.Errorf("all images are damaged, and verify says: %v: %q %q", err, out, stderr)
	}
}

// TestHookQuotedESP: the mount point goes through Nix, a file and a shell.
func TestHookQuotedESP(t *testing.T) {
	t.Parallel()
	const name = `it's "my" boot`
	m := newMachine(t, name, func(root *fixtures.Root, esp string) error {
		if err := demo(root, esp); err != nil {
			return err
		}
		return os.Rename(filepath.Join(filepath.Dir(esp), "esp"), esp)
	})
	e := m.evaluate(t, configuration{nix: systemdBoot})
	if out, stderr, err := m.run(t, e.Hook); err != nil || len(images(t, m.esp)) == 0 {
		t.Errorf("%v: nothing on %s:\n%s%s", err, m.esp, out, stderr)
	}
}

// TestHookXBOOTLDR: entries and images go to XBOOTLDR, and loader.conf is that of the ESP.
func TestHookXBOOTLDR(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "esp", demo)
	boot := filepath.Join(filepath.Dir(m.esp), "boot")
	for _, dir := range []string{"EFI", "loader/entries"} {
		if err := os.MkdirAll(filepath.Join(boot, filepath.Dir(dir)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(m.esp, dir), filepath.Join(boot, dir)); err != nil {
			t.Fatal(err)
		}
	}
	e := m.evaluate(t, configuration{nix: systemdBoot + "boot.loader.systemd-boot.xbootldrMountPoint = " + nixString(boot) + ";\n"})
	if out, stderr, err := m.run(t, e.Hook); err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr)
	}
	if len(images(t, boot)) == 0 || len(images(t, m.esp)) > 0 {
		t.Errorf("on XBOOTLDR: %q, on the ESP: %q", images(t, boot), images(t, m.esp))
	}
	conf, err := os.ReadFile(filepath.Join(m.esp, "loader/loader.conf"))
	if err != nil || !bytes.Contains(conf, []byte("default xen-")) {
		t.Errorf("%v: loader.conf does not start Xen:\n%s", err, conf)
	}
}

// TestHookXenOff: Xen was switched off, the module left on. The entries go with their generations, and nothing is said.
func TestHookXenOff(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "esp", func(root *fixtures.Root, esp string) error {
		for _, g := range []fixtures.Generation{{Number: 1, System: fixtures.System{Xen: &fixtures.Xen{}}}, {Number: 2}} {
			if _, err := root.Add(g); err != nil {
				return err
			}
		}
		_, err := root.InstallSystemdBoot(esp, fixtures.SystemdBoot{})
		return err
	})
	e := m.evaluate(t, configuration{nix: on + "boot.loader.systemd-boot.enable = true;\n"})
	for range 2 {
		if out, stderr, err := m.run(t, e.Hook); err != nil || out+stderr != "" {
			t.Errorf("%v: the hook printed %q %q", err, out, stderr)
		}
		if !slices.ContainsFunc(images(t, m.esp), func(f string) bool { return strings.HasSuffix(f, "xen-generation-1.conf") }) {
			t.Errorf("generation 1 has no entry: %q", images(t, m.esp))
		}
		conf, err := os.ReadFile(filepath.Join(m.esp, "loader/loader.conf"))
		if err != nil || !bytes.Contains(conf, []byte("default nixos-")) {
			t.Errorf("%v: the newest has no Xen, but loader.conf is:\n%s", err, conf)
		}
	}
	// The generation with Xen is collected, its entries and stubs gone with it.
	for _, path := range []string{
		filepath.Join(m.root, "nix/var/nix/profiles/system-1-link"), filepath.Join(m.esp, "loader/entries/nixos-generation-1.conf"),
	} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if out, stderr, err := m.run(t, e.Hook); err != nil || out+stderr != "" {
			t.Errorf("%v: the hook printed %q %q", err, out, stderr)
		}
	}
	if left := images(t, m.esp); len(left) > 0 {
		t.Errorf("no generation has Xen, but there are still %q", left)
	}
}

// lzbt writes a stand-in for lzbt, which prints its arguments and exits with a status.
func lzbt(t *testing.T, status int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lzbt")
	text := fmt.Sprintf("#!/bin/sh\necho lzbt \"$@\"\nexit %d\n", status)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func layOutKeys(t *testing.T, dir string) {
	t.Helper()
	if err := fixtures.LayOutKeys(dir, "db"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "keys/db/db.key"), 0o600); err != nil { // else there is a warning
		t.Fatal(err)
	}
}

// lanzabooteMachine is the demo with Lanzaboote's stubs.
func lanzabooteMachine(t *testing.T) machine {
	t.Helper()
	return newMachine(t, "esp", func(root *fixtures.Root, esp string) error {
		for n := range 2 {
			if _, err := root.Add(fixtures.Generation{Number: n + 1, System: fixtures.System{Xen: &fixtures.Xen{}}}); err != nil {
				return err
			}
		}
		_, err := root.InstallLanzaboote(esp, fixtures.Lanzaboote{})
		return err
	})
}

func lanzabooteConfiguration(hook, keys, more string) configuration {
	return configuration{lanzaboote: true, nix: on + "virtualisation.xen.enable = true;\nboot.lanzaboote = { enable = true; hook = " +
		nixString(hook) + "; pkiBundle = " + nixString(keys) + "; };\n" + more}
}

// TestHookLanzaboote runs what would run in place of Lanzaboote's hook, on two ESPs.
func TestHookLanzaboote(t *testing.T) {
	t.Parallel()
	m := lanzabooteMachine(t)
	keys, mirror := t.TempDir(), filepath.Join(t.TempDir(), "it's the mirror")
	layOutKeys(t, keys)
	if err := os.CopyFS(mirror, os.DirFS(m.esp)); err != nil {
		t.Fatal(err)
	}
	more := "boot.lanzaboote.extraEfiSysMountPoints = [ " + nixString(mirror) + " ];\nvirtualisation.xen.boot.builderVerbosity = \"quiet\";\n"

	// Where Lanzaboote fails, nothing is made, and its exit status is told.
	e := m.evaluate(t, lanzabooteConfiguration(lzbt(t, 42), keys, more))
	_, _, err := m.run(t, e.InstallHook+` "$@"`)
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 42 {
		t.Errorf("Lanzaboote exited with 42, and the hook: %v", err)
	}
	if made := images(t, m.esp); len(made) > 0 {
		t.Errorf("Lanzaboote failed, and here are %q", made)
	}

	e = m.evaluate(t, lanzabooteConfiguration(lzbt(t, 0), keys, more))
	out, stderr, err := m.run(t, e.InstallHook+` "$@"`)
	if err != nil || out != "lzbt /nix/store/toplevel\n" || stderr != "" {
		t.Fatalf("%v: the hook printed %q %q", err, out, stderr)
	}
	for _, esp := range []string{m.esp, mirror} {
		if files, _ := filepath.Glob(filepath.Join(esp, "EFI/Linux/xen-*.efi")); len(files) != 2 {
			t.Errorf("signed images on %s: %q", esp, files)
		}
	}
}

// TestHookKeysComeLater: Lanzaboote installs without a key, and so must we let it.
func TestHookKeysComeLater(t *testing.T) {
	t.Parallel()
	m := lanzabooteMachine(t)
	keys := filepath.Join(t.TempDir(), "it's later")
	e := m.evaluate(t, lanzabooteConfiguration(lzbt(t, 0), keys, "boot.lanzaboote.autoGenerateKeys.enable = true;\n"))
	before, err := os.ReadFile(filepath.Join(m.esp, "loader/loader.conf"))
	if err != nil {
		t.Fatal(err)
	}

	out, stderr, err := m.run(t, e.InstallHook+` "$@"`)
	if err != nil || out != "lzbt /nix/store/toplevel\n" {
		t.Errorf("%v: the hook printed %q", err, out)
	}
	if want := "xen-boot-builder: warning: no Xen entries yet: there is no key " + keys + "/keys/db/db.key\n"; stderr != want {
		t.Errorf("the hook warned %q, want %q", stderr, want)
	}
	if made := images(t, m.esp); len(made) > 0 {
		t.Errorf("there is no key, and here are %q", made)
	}
	if after, err := os.ReadFile(filepath.Join(m.esp, "loader/loader.conf")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v: loader.conf changed:\n%s", err, after)
	}

	// The unit that waits for them.
	layOutKeys(t, keys)
	if out, stderr, err := m.run(t, e.Services["xen-boot-builder"].Script); err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr)
	}
	if files, _ := filepath.Glob(filepath.Join(m.esp, "EFI/Linux/xen-*.efi")); len(files) != 2 {
		t.Errorf("signed images: %q", files)
	}
}

// TestHookMeasuredBoot: the policy is made after the components, which are made after Lanzaboote's.
func TestHookMeasuredBoot(t *testing.T) {
	t.Parallel()
	if capabilities, err := os.ReadFile("/proc/xen/capabilities"); err == nil && bytes.Contains(capabilities, []byte("control_d")) {
		t.Skip("this machine is a dom0")
	}
	m := lanzabooteMachine(t)
	keys, pcrlock := t.TempDir(), filepath.Join(t.TempDir(), "pcrlock.d")
	layOutKeys(t, keys)
	e := m.evaluate(t, lanzabooteConfiguration(lzbt(t, 0), keys, "boot.lanzaboote.measuredBoot = { enable = true; pcrs = [ 4 ]; pcrlockDirectory = "+
		nixString(pcrlock)+"; };\nvirtualisation.xen.boot.builderVerbosity = \"quiet\";\n"))
	out, stderr, err := m.run(t, e.InstallHook+` "$@"`)
	if err != nil || out != "lzbt /nix/store/toplevel\nthe policy is made\n" {
		t.Errorf("%v: the hook printed %q %q", err, out, stderr)
	}
	components := 0
	if err := filepath.WalkDir(pcrlock, func(path string, d os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".pcrlock") {
			components++
		}
		return err
	}); err != nil || components != 2 {
		t.Errorf("%v: %d components, want 2", err, components)
	}
}

// TestWords: the module's options take the words that the program's flags take, as its help lists them.
func TestWords(t *testing.T) {
	t.Parallel()
	m := newMachine(t, "esp", demo)
	help, err := exec.Command(filepath.Join(m.pkg, "bin/xen-boot-builder"), "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	// The help breaks its lines.
	text := strings.Join(strings.Fields(string(help)), " ")
	for option, words := range map[string]string{
		"layout":    "auto, shared, embedded, unified",
		"default":   "xen, nixos, keep, try",
		"verbosity": "quiet, default, info, debug",
	} {
		_, flag, ok := strings.Cut(text, "--"+option+" ")
		if !ok {
			t.Errorf("the program has no --%s", option)
			continue
		}
		flag, _, _ = strings.Cut(flag, " --")
		if !strings.Contains(flag, words) {
			t.Errorf("the program's --%s takes other words than %s: %s", option, words, flag)
		}
		for _, word := range strings.Split(words, ", ") {
			m.evaluate(t, configuration{nix: systemdBoot + "boot.loader.xen-boot-builder." + option + " = \"" + word + "\";\n"})
		}
	}
}
