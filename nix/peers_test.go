//go:build peers

package nix_test

import (
	"bytes"
	"debug/pe"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestPeerLanzaboote evaluates with Lanzaboote's own module what TestModule does with a stand-in.
func TestPeerLanzaboote(t *testing.T) {
	lanzabooteModule, nixpkgs := os.Getenv("XBB_LANZABOOTE"), os.Getenv("XBB_NIXPKGS")
	if lanzabooteModule == "" || nixpkgs == "" {
		t.Skip("Lanzaboote's module or nixpkgs' lib is not given")
	}
	for _, test := range moduleCases() {
		if !test.lanzaboote || test.name == "module off" {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			var e evaluated
			args := append(test.args(t, "/pkg", filepath.Join(nixpkgs, "lib")), "--argstr", "lanzabooteModule", lanzabooteModule)
			if len(test.failed) > 0 {
				// Nothing more can be evaluated, as a system with a failed assertion isn't.
				args = append(args, "--argstr", "what", "assertions")
				test.settings, test.hook = nil, "-"
			}
			newStore(t).eval(t, &e, "testdata/evaluate.nix", args...)
			checkSettings(t, e.settings(t), test.settings)
			// It has assertions of its own.
			e.Failed = slices.DeleteFunc(e.Failed, func(m string) bool { return strings.Contains(m, "boot.lanzaboote.configurationLimit") })
			checkParts(t, "failed assertions", e.Failed, test.failed)
			checkParts(t, "warnings", e.Warnings, test.warnings)
			if test.hook == "" && !strings.HasSuffix(e.InstallHook, "-install-lanzaboote-and-xen") {
				t.Errorf("Lanzaboote's hook is not wrapped: %s", e.InstallHook)
			}
		})
	}
}

// TestPeerNixpkgs evaluates a small system with all of nixpkgs' modules: the hook is ours alone, with either Xen module.
func TestPeerNixpkgs(t *testing.T) {
	nixpkgs := os.Getenv("XBB_NIXPKGS_COMPLETE")
	if nixpkgs == "" {
		t.Skip("nixpkgs is not given complete")
	}
	var got struct {
		Hook   string
		Failed []string
	}
	newStore(t).eval(t, &got, "testdata/nixpkgs.nix", "--argstr", "nixpkgs", nixpkgs)
	want := regexp.MustCompile(`^\n?\S+/bin/xen-boot-builder install --config \S+ --verbosity info$`)
	if !want.MatchString(got.Hook) {
		t.Errorf("extraInstallCommands are %q", got.Hook)
	}
	for _, message := range got.Failed {
		if strings.Contains(message, "xen-boot-builder") {
			t.Error(message)
		}
	}
}

// TestPeerBuilder puts nixpkgs' systemd-boot-builder.py before our hook, as install-systemd-boot.sh does, and takes both through
// the life of a machine. XBB_BUILDERS has the builders, separated by colons.
func TestPeerBuilder(t *testing.T) {
	builders := filepath.SplitList(os.Getenv("XBB_BUILDERS"))
	if len(builders) == 0 {
		t.Skip("no builder is given")
	}
	firmware.Need(t, "bootctl")
	for _, file := range builders {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range variants(string(text)) {
			for _, layout := range []string{"shared", "embedded", "unified"} {
				for _, xbootldr := range []bool{false, true} {
					if b.uki && xbootldr && layout != "shared" {
						continue // each run of ukify takes a second, and there are hundreds
					}
					// Both namings have the same file name, and lie in directories of their own.
					name := fmt.Sprintf("%s/%s/%s/xbootldr=%v", filepath.Base(filepath.Dir(file)), b.name, layout, xbootldr)
					t.Run(name, func(t *testing.T) {
						switch {
						case b.uki && os.Getenv("XBB_UKIFY") == "":
							t.Skip("no ukify is given")
						case b.counting && os.Getenv("XBB_SYSTEMD_BOOT") == "":
							// The builder takes for granted that preferred is obeyed.
							t.Skip("no systemd-boot 260 is given")
						}
						l := newLife(t, layout, xbootldr)
						if b.uki {
							l.before = l.forUkify
						}
						l.inNamespace(func() {
							l.installer(b)
							l.live()
						})
					})
				}
			}
		}
	}
}

// builder is a systemd-boot-builder.py with settings of the NixOS options that change what it writes.
type builder struct {
	text, name    string
	counting, uki bool
	// strict is whether install-systemd-boot.sh is `set -euo pipefail`: newer ones are.
	strict bool
}

// variants are the settings that a builder knows.
func variants(text string) []builder {
	counts, strict := strings.Contains(text, "@bootCounting@"), strings.Contains(text, "@bootCounting@")
	all := []builder{{text: text, name: "plain", strict: strict}}
	if counts {
		all = append(all, builder{text: text, name: "counting", counting: true, strict: strict})
	}
	if strings.Contains(text, "@ukiConfig@") {
		all = append(all, builder{text: text, name: "uki", uki: true, strict: strict})
	}
	return all
}

// TestPeerLzbt puts the real lzbt before our hook. XBB_LZBT is its path; "stand-in" is the fixtures' imitation, to try the test
// itself. XBB_STUB is a stub for it to fill, by default systemd's.
func TestPeerLzbt(t *testing.T) {
	lzbt := os.Getenv("XBB_LZBT")
	if lzbt == "" {
		t.Skip("no lzbt is given")
	}
	firmware.Need(t, "bootctl", "sbsign")
	l := newLife(t, "unified", false)
	l.lanzaboote = true
	l.inNamespace(func() {
		l.lzbt(lzbt)
		l.live()
	})
}

// lzbt makes the script of lzbt as Lanzaboote's hook calls it, and of our hook.
func (l *life) lzbt(program string) {
	dir := l.TempDir()
	layOutKeys(l.T, dir)
	conf := filepath.Join(dir, "loader.conf")
	if err := os.WriteFile(conf, []byte("timeout 5\nconsole-mode keep\neditor true\ndefault nixos-*\n"), 0o644); err != nil {
		l.Fatal(err)
	}
	stub := "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
	if s := os.Getenv("XBB_STUB"); s != "" {
		stub = s
	}
	hook := filepath.Join(dir, "install-lanzaboote")
	text := "#!/bin/sh\nLANZABOOTE_STUB=" + stub + " exec " + program + " install --system x86_64-linux --systemd /usr --systemd-boot-loader-config " + conf +
		" --configuration-limit 0 --allow-unsigned false --public-key=" + dir + "/keys/db/db.pem --private-key=" + dir + "/keys/db/db.key " +
		l.esp + " /nix/var/nix/profiles/system-*-link\n"
	if program == "stand-in" {
		text = "#!/bin/sh\n"
		l.before = func() {
			sign := func(image []byte) ([]byte, error) { return image, nil }
			if _, err := l.fix.InstallLanzaboote(l.esp, fixtures.Lanzaboote{Sign: sign}); err != nil {
				l.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(hook, []byte(text), 0o755); err != nil {
		l.Fatal(err)
	}
	l.script = l.machine.evaluate(l.T, lanzabooteConfiguration(hook, dir, "")).InstallHook + ` "$@"`
	l.hook = l.machine.evaluate(l.T, configuration{nix: systemdBoot + "boot.loader.xen-boot-builder.signing.pkiBundle = " + nixString(dir) + ";\n"}).Hook
}

// life is a machine that is administered.
type life struct {
	*testing.T
	machine
	layout string
	// boot is XBOOTLDR, or the ESP.
	boot string
	fix  *fixtures.Root
	// script is the whole installer: the builder, and our hook.
	script, hook string
	step         string
	// lanzaboote is whether the machine has Lanzaboote: it knows the system profile only, and starts its newest generation.
	lanzaboote bool
	// before runs before the script.
	before func()
}

func newLife(t *testing.T, layout string, xbootldr bool) *life {
	l := &life{T: t, layout: layout}
	l.machine = newMachine(t, "esp", func(root *fixtures.Root, esp string) error {
		l.fix = root
		for _, d := range []string{esp, filepath.Join(filepath.Dir(esp), "boot"), root.Path("/nix/store"), root.Path("/nix/var/nix/profiles")} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		return nil
	})
	l.boot = l.esp
	if xbootldr {
		l.boot = filepath.Join(filepath.Dir(l.esp), "boot")
	}
	return l
}

// inNamespace runs body on a thread that has file systems of its own at the ESP, at XBOOTLDR and at /nix.
func (l *life) inNamespace(body func()) {
	// What the builder reads is at /nix whatever we do. A machine without Nix gets the directory for as long as the test runs.
	if err := os.Mkdir("/nix", 0o755); err == nil {
		defer os.Remove("/nix")
	} else if !errors.Is(err, fs.ErrExist) {
		l.Fatal(err)
	}
	done := make(chan error)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread is not used again
		mount := func(source, target, kind string, flags uintptr) error {
			if err := unix.Mount(source, target, kind, flags, ""); err != nil {
				return fmt.Errorf("mount %s: %w", target, err)
			}
			return nil
		}
		if err := errors.Join(
			unix.Unshare(unix.CLONE_NEWNS),
			mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE),
			mount("tmpfs", l.esp, "tmpfs", 0),
			mount("tmpfs", filepath.Join(filepath.Dir(l.esp), "boot"), "tmpfs", 0),
			mount(l.fix.Path("/nix"), "/nix", "", unix.MS_BIND),
		); err != nil {
			done <- err
			return
		}
		body()
	}()
	if err := <-done; err != nil {
		l.Fatalf("it takes root: %v", err)
	}
}

// installer makes the script of the builder with this machine's values in it, and of our hook.
func (l *life) installer(b builder) {
	dir := l.TempDir()
	// nix-env, as far as the builder asks it.
	nixEnv := `#!/bin/sh
for last; do :; done
for link in "$last"-*-link; do
	[ -L "$link" ] || continue
	number=${link#"$last"-}
	echo "${number%-link}   2025-12-02 12:00:00"
done | sort -n
`
	if err := os.MkdirAll(filepath.Join(dir, "nix/bin"), 0o755); err != nil {
		l.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nix/bin/nix-env"), []byte(nixEnv), 0o755); err != nil {
		l.Fatal(err)
	}
	ukiConfig := filepath.Join(dir, "uki.json")
	if err := os.WriteFile(ukiConfig, fmt.Appendf(nil, `{"enable": %v, "ukify": %q, "efiArch": "x64", "privateKey": null, "certificate": null}`,
		b.uki, os.Getenv("XBB_UKIFY")), 0o644); err != nil {
		l.Fatal(err)
	}
	values := map[string]string{
		"efiSysMountPoint": l.esp, "bootMountPoint": l.boot, "nixosDir": "/EFI/nixos", "timeout": "5", "editor": "1", "consoleMode": "keep",
		"bootspecTools": "/nowhere", "distroName": "NixOS", "nix": filepath.Join(dir, "nix"), "systemd": l.systemd(dir), "configurationLimit": "0",
		"rebootForBitlocker": "", "canTouchEfiVariables": "", "graceful": "1", "copyExtraFiles": "/bin/true", "checkMountpoints": "/bin/true",
		"storeDir": "/nix/store", "bootCountingTries": "3", "bootCounting": "False", "prepareExtraFiles": "/bin/true", "ukiConfig": ukiConfig,
	}
	if b.counting {
		values["bootCounting"] = "True"
	}
	filled := regexp.MustCompile(`@(\w+)@`).ReplaceAllStringFunc(b.text, func(s string) string {
		if v, ok := values[strings.Trim(s, "@")]; ok {
			return v
		}
		return s
	})
	program := filepath.Join(dir, "systemd-boot")
	if err := os.WriteFile(program, []byte(filled), 0o644); err != nil {
		l.Fatal(err)
	}
	nix := systemdBoot + "boot.loader.xen-boot-builder.layout = " + nixString(l.layout) + ";\n"
	if l.boot != l.esp {
		nix += "boot.loader.systemd-boot.xbootldrMountPoint = " + nixString(l.boot) + ";\n"
	}
	if l.layout == "unified" {
		keys := l.TempDir()
		layOutKeys(l.T, keys)
		nix += "boot.loader.xen-boot-builder.signing.pkiBundle = " + nixString(keys) + ";\n"
	}
	l.hook = l.machine.evaluate(l.T, configuration{nix: nix}).Hook
	if b.strict {
		l.script = "set -euo pipefail\n"
	}
	l.script += os.Getenv("XBB_PYTHON") + " -B " + program + ` "$@"` + "\n" + l.hook + "\n"
}

// systemd makes a directory in which bootctl takes the newest spelling of an option, whatever systemd is installed, and installs the
// systemd-boot that is given.
func (l *life) systemd(dir string) string {
	bootctl := `#!/bin/bash
set -e
bootctl "${@/#--variables=no/--no-variables}"
`
	if boot := os.Getenv("XBB_SYSTEMD_BOOT"); boot != "" {
		bootctl += `for to in ` + l.esp + `/EFI/systemd/systemd-bootx64.efi ` + l.esp + `/EFI/BOOT/BOOTX64.EFI; do
	cmp -s ` + boot + ` "$to" || cp ` + boot + ` "$to"
done
`
	}
	systemd := filepath.Join(dir, "systemd")
	if err := errors.Join(
		os.MkdirAll(filepath.Join(systemd, "bin"), 0o755),
		os.WriteFile(filepath.Join(systemd, "bin/bootctl"), []byte(bootctl), 0o755),
		os.Symlink("/usr/lib", filepath.Join(systemd, "lib")),
	); err != nil {
		l.Fatal(err)
	}
	return systemd
}

// live goes through the life. After each step everything is looked at.
func (l *life) live() {
	xen := func(version string) fixtures.System { return fixtures.System{Xen: &fixtures.Xen{Version: version}} }
	add := func(g fixtures.Generation) func() { return func() { l.add(g) } }
	rollback := func() {
		if err := l.fix.SetDefault(l.fix.Toplevels()[2]); err != nil {
			l.Fatal(err)
		}
	}
	collect := func() {
		for _, g := range l.fix.Toplevels()[:2] {
			if err := l.fix.Delete(g); err != nil {
				l.Fatal(err)
			}
		}
	}
	awkward := []fixtures.Specialisation{
		{Name: fixtures.AwkwardSpecialisation, System: xen("4.20.2")}, {Name: "trace", System: xen("4.20.2")},
	}
	v1 := fixtures.System{Xen: &fixtures.Xen{Version: "4.20.2", Extension: fixtures.XenV1}}
	for i, step := range []struct {
		name string
		do   func()
	}{
		{"first", add(fixtures.Generation{Number: 1, System: xen("4.19.3")})},
		{"second", add(fixtures.Generation{Number: 2, System: xen("4.19.3")})},
		{"third", add(fixtures.Generation{Number: 3, System: xen("4.19.3")})},
		{"fourth", add(fixtures.Generation{Number: 4, System: xen("4.19.3")})},
		{"fifth", add(fixtures.Generation{Number: 5, System: xen("4.19.3")})},
		{"again", func() {}},
		{"rollback to the third", rollback},
		{"two specialisations", add(fixtures.Generation{Number: 6, System: xen("4.20.2"), Specialisations: awkward})},
		{"Xen in a specialisation only", add(fixtures.Generation{Number: 7, Specialisations: awkward[1:]})},
		{"a second profile", add(fixtures.Generation{Profile: "test", Number: 1, System: xen("4.20.2")})},
		{"garbage collection", collect},
		{"Xen off", add(fixtures.Generation{Number: 8})},
		{"on again", add(fixtures.Generation{Number: 9, System: xen("4.20.2")})},
		{"newer Xen", add(fixtures.Generation{Number: 10, System: xen("4.21.0")})},
		{"bootspec version 1", add(fixtures.Generation{Number: 11, System: v1})},
		{"all Xen gone", l.withoutXen},
	} {
		if l.lanzaboote && (step.name == "a second profile" || step.name == "rollback to the third") {
			continue
		}
		l.step = fmt.Sprintf("step %d, %s", i+1, step.name)
		step.do()
		if l.before != nil {
			l.before()
		}
		l.rebuild()
		l.look()
		if l.Failed() {
			return
		}
	}
}

func (l *life) add(g fixtures.Generation) {
	if _, err := l.fix.Add(g); err != nil {
		l.Fatal(err)
	}
}

// forUkify gives each system what ukify takes from it beside the initrd: os-release, and a kernel that is a PE image and says its
// version. The stub stands in for the kernel.
func (l *life) forUkify() {
	kernel, err := os.ReadFile("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
	if err != nil {
		l.Fatal(err)
	}
	kernel = append(kernel, "Linux version 6.12.58 (nixbld@localhost) "...)
	kernels, err := filepath.Glob(l.fix.Path("/nix/store/*/bzImage"))
	if err != nil || len(kernels) == 0 {
		l.Fatal(kernels, err)
	}
	for _, file := range kernels {
		if old, err := os.ReadFile(file); err != nil || !bytes.Equal(old, kernel) {
			err = errors.Join(err, os.WriteFile(file, kernel, 0o644))
			if err != nil {
				l.Fatal(err)
			}
		}
	}
	for _, top := range l.fix.Toplevels() {
		for _, s := range append(top.Specialisations, top) {
			etc := filepath.Join(l.fix.Path(s.Path), "etc")
			if err := errors.Join(
				os.MkdirAll(etc, 0o755),
				os.WriteFile(filepath.Join(etc, "os-release"), []byte("ID=nixos\nNAME=NixOS\n"), 0o644),
			); err != nil {
				l.Fatal(err)
			}
		}
	}
}

// withoutXen deletes each generation that has Xen, itself or in a specialisation, and adds one without.
func (l *life) withoutXen() {
	l.add(fixtures.Generation{Number: 12})
	for _, top := range slices.Clone(l.fix.Toplevels()) {
		if slices.ContainsFunc(append(top.Specialisations, top), func(s *fixtures.Toplevel) bool { return s.System.Xen != nil }) {
			if err := l.fix.Delete(top); err != nil {
				l.Fatal(err)
			}
		}
	}
}

// rebuild runs the installer, and our hook again, which has to change nothing.
func (l *life) rebuild() {
	def := l.fix.Default()
	run := func(script string) string {
		cmd := exec.Command("bash", "-c", script, "install-systemd-boot.sh", def.Path)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NIXOS_INSTALL_BOOTLOADER=1", "SYSTEMD_RELAX_ESP_CHECKS=1", "HOME=" + l.esp}
		out, err := cmd.CombinedOutput()
		if err != nil {
			l.Errorf("%s: %v\n%s", l.step, err, out)
		}
		return string(out)
	}
	out := run(l.script)
	before := l.states()
	out += run(l.hook)
	for file, state := range l.states() {
		if before[file] != state {
			l.Errorf("%s: a second run of the hook changed %s: %s, was %s", l.step, file, state, before[file])
		}
		delete(before, file)
	}
	if len(before) > 0 {
		l.Errorf("%s: a second run of the hook removed %v", l.step, before)
	}
	if l.Failed() {
		l.Log(out)
	}
}

// states are inode, size and time of change of every file.
func (l *life) states() map[string]string {
	all := make(map[string]string)
	for _, dir := range []string{l.esp, l.boot} {
		if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			st := info.Sys().(*syscall.Stat_t)
			all[path] = fmt.Sprint(st.Ino, info.Size(), st.Ctim, st.Mtim)
			return nil
		}); err != nil {
			l.Fatal(err)
		}
	}
	return all
}

var (
	initWord   = regexp.MustCompile(`\binit=(\S+)/init\b`)
	kernelLine = regexp.MustCompile(`(?m)^(?:kernel|ramdisk)=(\S+)`)
)

// look reads the ESP on its own account: which system each Xen entry starts, whether its files are there, what starts by default, what
// nothing needs.
func (l *life) look() {
	want := make(map[string]bool) // toplevels with Xen
	for _, top := range l.fix.Toplevels() {
		for _, s := range append(top.Specialisations, top) {
			if s.System.Xen != nil {
				want[s.Path] = true
			}
		}
	}
	started := make(map[string]string) // toplevel -> id
	needed := make(map[string]bool)
	for id, entry := range l.xenEntries() {
		m := initWord.FindStringSubmatch(entry.config)
		if m == nil {
			l.Errorf("%s: %s starts no system:\n%s", l.step, id, entry.config)
			continue
		}
		started[m[1]] = id
		for _, f := range entry.files {
			needed[f] = true
			if _, err := os.Stat(f); err != nil {
				l.Errorf("%s: %s: %v", l.step, id, err)
			}
		}
		for _, f := range kernelLine.FindAllStringSubmatch(entry.config, -1) {
			if l.layout == "unified" {
				continue
			}
			file := filepath.Join(l.boot, strings.ReplaceAll(f[1], `\`, "/"))
			if !strings.HasPrefix(f[1], `\`) { // beside the image
				file = filepath.Join(filepath.Dir(entry.files[1]), f[1])
			}
			needed[file] = true
			if _, err := os.Stat(file); err != nil {
				l.Errorf("%s: %s: %v", l.step, id, err)
			}
		}
	}
	for top := range want {
		if started[top] == "" {
			l.Errorf("%s: no Xen entry starts %s", l.step, top)
		}
	}
	for top, id := range started {
		if !want[top] {
			l.Errorf("%s: %s starts %s, which has no Xen or is gone", l.step, id, top)
		}
	}
	l.lookForLeftovers(needed)
	l.lookAtDefault(started)
	l.lookWithBootctl(started)
}

type xenEntry struct {
	config string
	files  []string
}

// xenEntries are our entries by their id.
func (l *life) xenEntries() map[string]xenEntry {
	all := make(map[string]xenEntry)
	confs, _ := filepath.Glob(filepath.Join(l.boot, "loader/entries/xen-*.conf"))
	for _, conf := range confs {
		text := l.read(conf)
		keys := make(map[string]string)
		for _, line := range strings.Split(text, "\n") {
			if k, v, ok := strings.Cut(line, " "); ok {
				keys[k] = v
			}
		}
		image := filepath.Join(l.boot, keys["efi"])
		e := xenEntry{files: []string{conf, image}}
		if _, cfg, ok := strings.Cut(keys["options"], "-cfg="); ok {
			file := filepath.Join(filepath.Dir(image), cfg)
			e.files = append(e.files, file)
			e.config = l.read(file)
		} else {
			e.config = l.section(image, ".config")
		}
		all[filepath.Base(conf)] = e
	}
	images, _ := filepath.Glob(filepath.Join(l.boot, "EFI/Linux/xen-*.efi"))
	for _, image := range images {
		e := xenEntry{config: l.section(image, ".config"), files: []string{image}}
		for _, name := range []string{".kernel", ".ramdisk", ".osrel", ".cmdline"} {
			if l.section(image, name) == "" {
				l.Errorf("%s: %s has no %s", l.step, image, name)
			}
		}
		all[filepath.Base(image)] = e
	}
	return all
}

func (l *life) read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		l.Errorf("%s: %v", l.step, err)
	}
	return string(text)
}

func (l *life) section(image, name string) string {
	f, err := pe.Open(image)
	if err != nil {
		l.Errorf("%s: %s: %v", l.step, image, err)
		return ""
	}
	defer f.Close()
	s := f.Section(name)
	if s == nil {
		return ""
	}
	data, err := s.Data()
	if err != nil {
		l.Errorf("%s: %s: %v", l.step, image, err)
	}
	return string(bytes.TrimRight(data, "\x00"))
}

// lookForLeftovers finds files of ours that no entry needs, and any that are half made.
func (l *life) lookForLeftovers(needed map[string]bool) {
	ours := regexp.MustCompile(`/EFI/xen/|/EFI/(Linux|nixos)/xen-|/loader/entries/xen-|\.tmp`)
	for file := range l.states() {
		if ours.MatchString(file) && !needed[file] {
			l.Errorf("%s: nothing needs %s", l.step, file)
		}
	}
}

// lookAtDefault: loader.conf names the Xen entry of the system that is the default, or its NixOS entry. With preferred, default stays
// as the builder wrote it: it is what starts once counting has given up the preferred one.
func (l *life) lookAtDefault(started map[string]string) {
	def := l.fix.Default()
	conf := l.read(filepath.Join(l.esp, "loader/loader.conf"))
	m := regexp.MustCompile(`(?m)^(default|preferred)\s+(\S+)$`).FindAllStringSubmatch(conf, -1)
	keys := make(map[string]string)
	for _, line := range m {
		keys[line[1]] = line[2]
	}
	if len(keys) != len(m) || keys["default"] == "" {
		l.Errorf("%s: not one default:\n%s", l.step, conf)
		return
	}
	_, preferred := keys["preferred"]
	for key, got := range keys {
		switch {
		case key == "default" && (preferred || l.lanzaboote && def.System.Xen == nil):
			if got != "nixos-*" {
				l.Errorf("%s: %s %s, and not what the builder wrote", l.step, key, got)
			}
		case def.System.Xen != nil:
			// An image that is counted is named by a glob, because older versions count the counter to the id.
			if ok, err := filepath.Match(got, started[def.Path]); err != nil || !ok {
				l.Errorf("%s: %s %s, and %s is the Xen entry of the default", l.step, key, got, started[def.Path])
			}
		default:
			if line := l.commandLine(got); !strings.HasPrefix(got, "nixos-") || !strings.Contains(line+" ", "init="+def.Init+" ") {
				l.Errorf("%s: %s %s, and the default %s has no Xen:\n%s", l.step, key, got, def.Path, line)
			}
		}
	}
}

// commandLine is that of a NixOS entry, or of the image that it names. The id has no counter.
func (l *life) commandLine(id string) string {
	path := filepath.Join(l.boot, "loader/entries", strings.TrimSuffix(id, ".conf"))
	files, _ := filepath.Glob(path + ".conf")
	counted, _ := filepath.Glob(path + "+*.conf")
	if files = append(files, counted...); len(files) != 1 {
		l.Errorf("%s: %s names %d entries", l.step, id, len(files))
		return ""
	}
	entry := l.read(files[0])
	if m := regexp.MustCompile(`(?m)^uki (\S+)$`).FindStringSubmatch(entry); m != nil {
		return l.section(filepath.Join(l.boot, m[1]), ".cmdline")
	}
	return entry
}

// lookWithBootctl: systemd's own tool lists every id and complains of nothing.
func (l *life) lookWithBootctl(started map[string]string) {
	args := []string{"--esp-path=" + l.esp, "list", "--json=short"}
	if l.boot != l.esp {
		args = append([]string{"--boot-path=" + l.boot}, args...)
	}
	cmd := exec.Command("bootctl", args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_RELAX_ESP_CHECKS=1", "SYSTEMD_RELAX_XBOOTLDR_CHECKS=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	// The builder writes what a newer systemd knows than the installed one: that is not ours.
	complaints := regexp.MustCompile(`(?m)^\S+/(loader\.conf:\d+: Unknown line 'preferred'|entries/nixos-\w+\.conf:\d+: Unknown line 'uki'), ignoring\.\n`).ReplaceAllString(stderr.String(), "")
	if err != nil || complaints != "" {
		l.Errorf("%s: bootctl: %v: %s", l.step, err, complaints)
		return
	}
	listed := make(map[string]bool)
	for _, m := range regexp.MustCompile(`"id"\s*:\s*("(?:[^"\\]|\\.)*")`).FindAllSubmatch(out, -1) {
		// Older versions print one object after the other, newer ones an array.
		var id string
		if err := json.Unmarshal(m[1], &id); err != nil {
			l.Errorf("%s: bootctl: %v", l.step, err)
		}
		listed[id] = true
	}
	for _, file := range started {
		id := regexp.MustCompile(`\+\d+(-\d+)?(\.\w+)$`).ReplaceAllString(file, "$2")
		if !listed[id] {
			l.Errorf("%s: bootctl does not list %s: %s", l.step, id, out)
		}
	}
}
