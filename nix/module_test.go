package nix_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// configuration is a NixOS configuration, and with what nixpkgs it is evaluated.
type configuration struct {
	// nix is the inside of a module.
	nix string
	// nixpkgs is which generation of its options: "new" when empty, see testdata/declarations.nix.
	nixpkgs string
	// lanzaboote is whether Lanzaboote's options are there.
	lanzaboote bool
	// system is x86_64-linux when empty.
	system string
}

// evaluated is what becomes of a configuration.
type evaluated struct {
	Hook, InstallHook, Settings string
	Failed, Warnings            []string
	Services, Paths, Timers     map[string]unit
	Targets, Installed          []string
}

type unit struct {
	WantedBy, Requires, After []string
	UnitConfig, Config        map[string]any
	Script                    string
}

// ours is the module's command in a hook, whichever package and store.
var ours = regexp.MustCompile(`(?m)^\S*/pkg/bin/xen-boot-builder install --config \S+-xen-boot-builder\.conf --verbosity (\w+)`)

func (c configuration) args(t *testing.T, pkg, lib string) []string {
	t.Helper()
	machine := filepath.Join(t.TempDir(), "configuration.nix")
	// Nix takes blanks off an indented string, but no tabs.
	text := "{ config, lib, pkgs, ... }:\n{\n" + strings.ReplaceAll(c.nix, "\t", "  ") + "\n}\n"
	if err := os.WriteFile(machine, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"--argstr", "machine", machine, "--argstr", "package", pkg, "--argstr", "libPath", lib}
	if c.nixpkgs != "" {
		args = append(args, "--argstr", "nixpkgs", c.nixpkgs)
	}
	if c.system != "" {
		args = append(args, "--argstr", "system", c.system)
	}
	if c.lanzaboote {
		args = append(args, "--arg", "withLanzaboote", "true")
	}
	return args
}

func (c configuration) evaluate(t *testing.T, s store, lib string) evaluated {
	t.Helper()
	var e evaluated
	s.eval(t, &e, "testdata/evaluate.nix", c.args(t, "/pkg", lib)...)
	return e
}

// settings are the lines of the configuration file; without a file there are none.
func (e evaluated) settings(t *testing.T) []string {
	t.Helper()
	if e.Settings == "" {
		return nil
	}
	text, err := os.ReadFile(e.Settings)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

const (
	on = "boot.loader.xen-boot-builder.enable = true;\n"
	// Both are what most machines have.
	systemdBoot = on + "boot.loader.systemd-boot.enable = true;\nvirtualisation.xen.enable = true;\n"
	withKeys    = on + "virtualisation.xen.enable = true;\nboot.lanzaboote = { enable = true; hook = \"/lzbt\"; };\n"
	lanzaboote  = withKeys + "boot.lanzaboote.pkiBundle = \"/var/lib/sbctl\";\n"
	script      = "/nix/store/0000-xenBootBuilder/bin/xenBootBuilder"
)

// moduleCase is a configuration, and what has to become of it.
type moduleCase struct {
	name string
	configuration
	// hook is extraInstallCommands, with OURS for the module's command and its verbosity; "-" where it is not looked at.
	hook string
	// settings are lines that the configuration file has, and those with a "-" before them lines that it has not, by their
	// first word.
	settings []string
	// failed and warnings are parts of what is said, in order.
	failed, warnings []string
	units            []string
}

// moduleCases has a case for each row of the table in which the module's behaviour is agreed.
func moduleCases() []moduleCase {
	return []moduleCase{
		{
			name:          "new Xen module",
			configuration: configuration{nix: systemdBoot},
			hook:          "OURS default",
			settings:      []string{"esp /boot", "layout auto", "default xen", "limit 0", "-sign-key", "-sign-cert", "-boot", "-pcrlock-dir"},
		},
		{
			name:          "new Xen module, its verbosity",
			configuration: configuration{nix: systemdBoot + `virtualisation.xen.boot.builderVerbosity = "info";`},
			hook:          "OURS info",
		},
		{
			name:          "old Xen module, its verbosity",
			configuration: configuration{nixpkgs: "old", nix: systemdBoot + `virtualisation.xen.efi.bootBuilderVerbosity = "debug";`},
			hook:          "\nOURS debug",
		},
		{
			name:          "Xen module without entries for systemd-boot",
			configuration: configuration{nixpkgs: "ancient", nix: systemdBoot},
			hook:          "\nOURS default",
		},
		{
			name:          "Xen module with the option of nix/upstream",
			configuration: configuration{nixpkgs: "patched", nix: systemdBoot},
			hook:          "OURS default",
		},
		{
			name: "commands of the user",
			configuration: configuration{nix: systemdBoot + `boot.loader.systemd-boot.extraInstallCommands = lib.mkMerge [
				(lib.mkBefore "first")
				"echo one\n\n  echo 'two words'"
				(lib.mkAfter "last")
			];`},
			hook: "first\necho one\n\n  echo 'two words'\nlast\nOURS default",
		},
		{
			name: "script called by the user, quoted",
			configuration: configuration{nix: systemdBoot + `boot.loader.systemd-boot.extraInstallCommands = ''
				echo a
				"` + script + `" info
				  '` + script + `' 'quiet'
				efiMountPoint=/boot exec ` + script + ` default
				efiMountPoint=/boot /etc/nixos/xen-boot-builder.sh debug
				# ` + script + ` is not called
				echo b'';`},
			hook: "echo a\n# " + script + " is not called\necho b\nOURS default",
		},
		{
			name: "script with another name",
			configuration: configuration{nixpkgs: "renamed", nix: systemdBoot + `boot.loader.systemd-boot.extraInstallCommands = ''
				/nix/store/0000-xen-entries/bin/xen-entries info'';`},
			hook: "OURS default",
		},
		{
			name: "script in a longer line",
			configuration: configuration{nix: systemdBoot +
				`boot.loader.systemd-boot.extraInstallCommands = "test -e /boot/xen && ` + script + ` default";`},
			hook:   "-",
			failed: []string{"in a longer line"},
		},
		{
			name: "script with another name in a longer line",
			configuration: configuration{nixpkgs: "renamed", nix: systemdBoot +
				`boot.loader.systemd-boot.extraInstallCommands = "/nix/store/0000-xen-entries/bin/xen-entries info || true";`},
			hook:   "-",
			failed: []string{"in a longer line"},
		},
		{
			name:          "mkForce",
			configuration: configuration{nix: systemdBoot + `boot.loader.systemd-boot.extraInstallCommands = lib.mkForce "echo forced";`},
			hook:          "echo forced",
			failed:        []string{"set with mkForce"},
		},
		{
			name: "mkForce with the command",
			configuration: configuration{nix: systemdBoot + `boot.loader.systemd-boot.extraInstallCommands = lib.mkForce ''
				echo forced
				${config.boot.loader.xen-boot-builder.installCommand}'';`},
			hook: "echo forced\nOURS default",
		},
		{
			name: "Lanzaboote with a bundle and an extra ESP",
			configuration: configuration{lanzaboote: true, nix: lanzaboote +
				`boot.lanzaboote.extraEfiSysMountPoints = [ "/boot2" ];`},
			settings: []string{
				"esp /boot", "esp /boot2", "sign-key /var/lib/sbctl/keys/db/db.key", "sign-cert /var/lib/sbctl/keys/db/db.pem", "-pcrlock-dir",
			},
		},
		{
			name: "Lanzaboote with key files alone",
			configuration: configuration{lanzaboote: true, nix: withKeys +
				`boot.lanzaboote = { privateKeyFile = "/keys/my.key"; publicKeyFile = "/keys/my.pem"; };`},
			settings: []string{"sign-key /keys/my.key", "sign-cert /keys/my.pem"},
		},
		{
			name: "Lanzaboote with key files that are not the bundle's",
			configuration: configuration{lanzaboote: true, nix: lanzaboote +
				`boot.lanzaboote = { privateKeyFile = "/keys/my.key"; publicKeyFile = "/keys/my.pem"; };`},
			settings: []string{"sign-key /keys/my.key", "sign-cert /keys/my.pem"},
		},
		{
			name:          "Lanzaboote without any key",
			configuration: configuration{lanzaboote: true, nix: withKeys},
			failed:        []string{"no key is known"},
		},
		{
			name:          "Lanzaboote with no bundle",
			configuration: configuration{lanzaboote: true, nix: withKeys + "boot.lanzaboote.pkiBundle = null;"},
			failed:        []string{"no key is known"},
		},
		{
			name: "Lanzaboote with a signing program",
			configuration: configuration{lanzaboote: true, nix: lanzaboote +
				`boot.loader.xen-boot-builder.signing.command = "/etc/sign";`},
			settings: []string{"sign-command /etc/sign", "sign-cert /var/lib/sbctl/keys/db/db.pem", "-sign-key"},
		},
		{
			name:          "Lanzaboote whose services call lzbt",
			configuration: configuration{lanzaboote: true, nix: lanzaboote + "boot.lanzaboote.autoEnrollKeys.enable = true;"},
			units:         []string{"xen-boot-builder.service"},
		},
		{
			name: "Lanzaboote that makes its keys",
			configuration: configuration{lanzaboote: true, nix: lanzaboote +
				"boot.lanzaboote.autoGenerateKeys.enable = true;"},
			units: []string{"xen-boot-builder.path", "xen-boot-builder.service"},
		},
		{
			name: "Lanzaboote with measured boot",
			configuration: configuration{lanzaboote: true, nix: lanzaboote +
				`boot.lanzaboote.measuredBoot = { enable = true; pcrs = [ 4 7 ]; pcrlockDirectory = "/persist/pcrlock.d"; };
				boot.lanzaboote.configurationLimit = 4;`},
			settings: []string{"pcrlock-dir /persist/pcrlock.d"},
			units:    []string{"systemd-pcrlock-make-policy.service"},
		},
		{
			name: "Lanzaboote with measured boot of too many images",
			configuration: configuration{lanzaboote: true, nix: lanzaboote +
				`boot.lanzaboote.measuredBoot = { enable = true; pcrs = [ 4 ]; };
				boot.lanzaboote.configurationLimit = 7; boot.loader.xen-boot-builder.limit = 2;`},
			warnings: []string{"there can be 9"},
			units:    []string{"systemd-pcrlock-make-policy.service"},
		},
		{
			name: "Lanzaboote that measures PCR 7 alone",
			configuration: configuration{lanzaboote: true, nix: lanzaboote +
				`boot.lanzaboote.measuredBoot = { enable = true; pcrs = [ 7 ]; };`},
			settings: []string{"-pcrlock-dir"},
			units:    []string{"systemd-pcrlock-make-policy.service"},
		},
		{
			name:          "Lanzaboote imported and off",
			configuration: configuration{lanzaboote: true, nix: systemdBoot},
			hook:          "OURS default",
			settings:      []string{"-sign-key"},
		},
		{
			name: "Xen in a specialisation only",
			configuration: configuration{nix: on + `boot.loader.systemd-boot.enable = true;
				specialisation.xen.configuration.virtualisation.xen.enable = true;`},
			hook: "OURS default",
		},
		{
			name: "module in a specialisation only",
			configuration: configuration{nix: `boot.loader.systemd-boot.enable = true;
				specialisation.xen.configuration = { virtualisation.xen.enable = true; ` + on + ` };`},
			hook:     "",
			warnings: []string{"in a specialisation only"},
		},
		{
			name:          "Xen switched off",
			configuration: configuration{nix: on + "boot.loader.systemd-boot.enable = true;"},
			hook:          "OURS quiet",
		},
		{
			name: "module off",
			configuration: configuration{lanzaboote: true, nix: `boot.loader.systemd-boot.enable = true; virtualisation.xen.enable = true;
				boot.lanzaboote = { enable = true; hook = "/lzbt"; };
				boot.loader.systemd-boot.extraInstallCommands = "echo mine";`},
			hook: script + " default\necho mine",
		},
		{
			name: "XBOOTLDR",
			configuration: configuration{nix: systemdBoot + `boot.loader.efi.efiSysMountPoint = "/efi";
				boot.loader.systemd-boot.xbootldrMountPoint = "/boot";`},
			hook:     "OURS default",
			settings: []string{"esp /efi", "boot /boot"},
		},
		{
			name: "XBOOTLDR with two ESPs",
			configuration: configuration{nix: systemdBoot + `boot.loader.systemd-boot.xbootldrMountPoint = "/boot";
				boot.loader.xen-boot-builder.esps = [ "/efi" "/efi2" ];`},
			hook:   "OURS default",
			failed: []string{"only one ESP"},
		},
		{
			name:          "aarch64",
			configuration: configuration{system: "aarch64-linux", nix: systemdBoot},
			hook:          "OURS default",
			settings:      []string{"layout shared"},
		},
		{
			name:          "aarch64 with another layout",
			configuration: configuration{system: "aarch64-linux", nix: systemdBoot + `boot.loader.xen-boot-builder.layout = "unified";`},
			hook:          "OURS default",
			failed:        []string{`has to be "shared" on aarch64`},
		},
		{
			name:          "aarch64 with Lanzaboote",
			configuration: configuration{system: "aarch64-linux", lanzaboote: true, nix: lanzaboote},
			settings:      []string{"layout shared", "-sign-key", "-sign-cert"},
			warnings:      []string{"can't be signed"},
		},
		{
			name:          "GRUB",
			configuration: configuration{nix: on + "boot.loader.grub.enable = true;"},
			failed:        []string{"here is GRUB.\nSet boot.loader.systemd-boot.enable = true"},
		},
		{
			name:          "Limine",
			configuration: configuration{nix: on + "boot.loader.limine.enable = true;"},
			failed:        []string{"here is Limine."},
		},
		{
			name:          "another external boot loader",
			configuration: configuration{nix: on + `boot.loader.external = { enable = true; installHook = "/other"; };`},
			failed:        []string{"here is an external boot loader."},
		},
		{
			name:          "no boot loader",
			configuration: configuration{nix: on},
			failed:        []string{"here is no boot loader."},
		},
		{
			name:          "ESP with a quote and a blank in its path",
			configuration: configuration{nix: systemdBoot + `boot.loader.efi.efiSysMountPoint = "/it's my boot";`},
			hook:          "OURS default",
			settings:      []string{"esp /it's my boot"},
		},
		{
			name: "every setting",
			configuration: configuration{nix: systemdBoot + `boot.loader.xen-boot-builder = {
				layout = "unified"; default = "keep"; limit = "fit"; verbosity = "debug"; pcrlockDir = "/pcr";
				signing.pkiBundle = "/keys"; extraArgs = [ "--from" "it's" ];
				variants.verbose.xenParams = [ "loglvl=all" ];
			};`},
			hook:     "OURS debug --from 'it'\\''s'",
			settings: []string{"layout unified", "default keep", "limit fit", "pcrlock-dir /pcr", "sign-key /keys/keys/db/db.key", "sign-cert /keys/keys/db/db.pem"},
		},
		{
			name: "key in the store",
			configuration: configuration{nix: systemdBoot + `boot.loader.xen-boot-builder.signing = {
				keyFile = "${builtins.storeDir}/0000-key"; certFile = "/cert"; };`},
			hook:     "OURS default",
			warnings: []string{"every user of this machine can read it"},
		},
		{
			name:          "key without a certificate",
			configuration: configuration{nix: systemdBoot + `boot.loader.xen-boot-builder.signing.keyFile = "/key";`},
			hook:          "OURS default",
			failed:        []string{"needs certFile and one of keyFile and command"},
		},
		{
			name: "try",
			configuration: configuration{nix: systemdBoot + `boot.loader.xen-boot-builder.default = "try";
				boot.loader.efi.canTouchEfiVariables = true;`},
			hook:     "OURS default",
			settings: []string{"default try"},
			units:    []string{"boot-complete.target", "xen-boot-builder-bless.service"},
		},
		{
			name:          "try without EFI variables",
			configuration: configuration{nix: systemdBoot + `boot.loader.xen-boot-builder.default = "try";`},
			hook:          "OURS default",
			settings:      []string{"default nixos"},
			warnings:      []string{"canTouchEfiVariables"},
		},
		{
			name:          "timer",
			configuration: configuration{nix: systemdBoot + `boot.loader.xen-boot-builder.verify.enable = true;`},
			hook:          "OURS default",
			units:         []string{"xen-boot-builder-verify.service", "xen-boot-builder-verify.timer"},
		},
	}
}

func TestModule(t *testing.T) {
	t.Parallel()
	for lib, path := range libs(t) {
		for n, test := range moduleCases() {
			if testing.Short() && n%3 != 0 {
				continue
			}
			t.Run(lib+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				e := test.evaluate(t, newStore(t), path)
				if test.hook != "-" {
					if d := cmp.Diff(test.hook, ours.ReplaceAllString(e.Hook, "OURS $1")); d != "" {
						t.Errorf("extraInstallCommands (-want +got):\n%s", d)
					}
				}
				checkSettings(t, e.settings(t), test.settings)
				checkParts(t, "failed assertions", e.Failed, test.failed)
				checkParts(t, "warnings", e.Warnings, test.warnings)
				if d := cmp.Diff(test.units, e.units()); d != "" {
					t.Errorf("units (-want +got):\n%s", d)
				}
			})
		}
	}
}

// units are the names of all units, sorted; none is nil.
func (e evaluated) units() []string {
	var names []string
	for kind, units := range map[string]map[string]unit{"service": e.Services, "path": e.Paths, "timer": e.Timers} {
		for name := range units {
			names = append(names, name+"."+kind)
		}
	}
	for _, name := range e.Targets {
		names = append(names, name+".target")
	}
	slices.Sort(names)
	return names
}

func checkSettings(t *testing.T, got, want []string) {
	t.Helper()
	for _, line := range want {
		if key, absent := strings.CutPrefix(line, "-"); absent {
			if slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, key+" ") }) {
				t.Errorf("the configuration file has %q: %q", key, got)
			}
		} else if !slices.Contains(got, line) {
			t.Errorf("the configuration file has no %q: %q", line, got)
		}
	}
}

func checkParts(t *testing.T, what string, got, parts []string) {
	t.Helper()
	ok := len(got) == len(parts)
	for i := 0; ok && i < len(parts); i++ {
		ok = strings.Contains(got[i], parts[i])
	}
	if !ok {
		t.Errorf("%s are %q, want these in them: %q", what, got, parts)
	}
}

// TestRefused has what the types refuse, before anything is built.
func TestRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ nix, says string }{
		"layout":          {`layout = "grub";`, "layout"},
		"default":         {`default = "xem";`, "default"},
		"negative limit":  {`limit = -1;`, "limit"},
		"limit of a word": {`limit = "all";`, "limit"},
		"verbosity":       {`verbosity = "loud";`, "verbosity"},
		"no ESP":          {`esps = [ ];`, "esps"},
		"relative ESP":    {`esps = [ "boot" ];`, "esps"},
		"ESP of two lines": {`esps = [ "/boot
layout shared" ];`, "esps"},
		"bundle as a path":    {`signing.pkiBundle = ./keys;`, "pkiBundle"},
		"key as a path":       {`signing.keyFile = ./db.key;`, "keyFile"},
		"number as ESP":       {`esps = [ 1 ];`, "esps"},
		"package of a string": {`package = "xen-boot-builder";`, "package"},
		"own installCommand":  {`installCommand = "true";`, "installCommand"},
		"unknown option":      {`pkiBundle = "/keys";`, "pkiBundle"},
		"unknown variant":     {`variants.a.xenParam = [ ];`, "xenParam"},
	}
	for lib, path := range libs(t) {
		for name, test := range tests {
			t.Run(lib+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := newStore(t)
				c := configuration{nix: systemdBoot + "boot.loader.xen-boot-builder = {" + test.nix + "};\n"}
				args := append([]string{"--eval", "--strict", "--json", "--read-write-mode", "testdata/evaluate.nix"}, c.args(t, "/pkg", path)...)
				out, failure := s.instantiate(args...)
				if failure == "" {
					t.Fatalf("evaluated: %s", out)
				}
				if !strings.Contains(failure, test.says) || !regexp.MustCompile(`is not of type|read-only|does not exist`).MatchString(failure) {
					t.Errorf("refused, but not because of %s:\n%s", test.says, failure)
				}
				// What is refused never got into the store: the key is not copied first.
				if files, _ := filepath.Glob(filepath.Join(s.dir, "store", "*key*")); len(files) > 0 {
					t.Errorf("in the store: %q", files)
				}
			})
		}
	}
}

// TestUnits looks at what the units do and when.
func TestUnits(t *testing.T) {
	t.Parallel()
	for lib, path := range libs(t) {
		t.Run(lib, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			e := configuration{nix: systemdBoot + `boot.loader.efi.canTouchEfiVariables = true;
				boot.loader.xen-boot-builder = { default = "try"; bless.check = "ping -c 1 it's"; verify = { enable = true; dates = "daily"; }; };`}.evaluate(t, s, path)

			bless := e.Services["xen-boot-builder-bless"]
			if !slices.Contains(bless.Requires, "boot-complete.target") || !slices.Contains(bless.After, "boot-complete.target") {
				t.Errorf("bless does not wait for boot-complete.target: %+v", bless)
			}
			if c, _ := bless.Config["ExecCondition"].(string); !strings.Contains(c, "control_d /proc/xen/capabilities") {
				t.Errorf("bless does not ask for dom0: %+v", bless)
			}
			if want := ` bless --config ` + e.Settings + ` --check 'ping -c 1 it'\''s'`; !strings.HasSuffix(bless.Script, want) {
				t.Errorf("bless runs %q, want %q", bless.Script, want)
			}
			verify := e.Services["xen-boot-builder-verify"]
			if !strings.HasSuffix(verify.Script, " verify --config "+e.Settings+" quiet") || len(verify.WantedBy) > 0 {
				t.Errorf("verify is %+v", verify)
			}
			timer := e.Timers["xen-boot-builder-verify"]
			if timer.Config["OnCalendar"] != "daily" || !slices.Equal(timer.WantedBy, []string{"timers.target"}) {
				t.Errorf("the timer is %+v", timer)
			}

			e = configuration{lanzaboote: true, nix: lanzaboote + `boot.lanzaboote.autoGenerateKeys.enable = true;
				boot.loader.efi.canTouchEfiVariables = true; boot.loader.xen-boot-builder.default = "try";`}.evaluate(t, s, path)
			later := e.Services["xen-boot-builder"]
			for _, service := range []string{"generate-sb-keys.service", "prepare-sb-auto-enroll.service", "auto-cryptenroll.service"} {
				if !slices.Contains(later.After, service) {
					t.Errorf("the images are not made after %s: %q", service, later.After)
				}
			}
			if !strings.HasSuffix(later.Script, " --default keep") {
				t.Errorf("each boot arms another trial: %s", later.Script)
			}
			keys := []any{"/var/lib/sbctl/keys/db/db.key", "/var/lib/sbctl/keys/db/db.pem"}
			if d := cmp.Diff(keys, later.UnitConfig["ConditionPathExists"]); d != "" {
				t.Errorf("the service's condition (-want +got):\n%s", d)
			}
			if d := cmp.Diff(keys, e.Paths["xen-boot-builder"].Config["PathChanged"]); d != "" {
				t.Errorf("what is watched (-want +got):\n%s", d)
			}
		})
	}
}

// TestOptionDocs: each option can be shown in the manual of options.
func TestOptionDocs(t *testing.T) {
	t.Parallel()
	for lib, path := range libs(t) {
		t.Run(lib, func(t *testing.T) {
			t.Parallel()
			var options []struct {
				Name, Type, Description string
				HasDefault, HasExample  bool
			}
			c := configuration{nix: systemdBoot}
			newStore(t).eval(t, &options, "testdata/evaluate.nix", append(c.args(t, "/pkg", path), "--argstr", "what", "options")...)
			if len(options) < 15 {
				t.Fatalf("only %d options", len(options))
			}
			for _, o := range options {
				if strings.Contains(o.Name, "._module.") {
					continue
				}
				if o.Type == "" || !o.HasDefault || !o.HasExample || !strings.HasSuffix(strings.TrimSpace(o.Description), ".") {
					t.Errorf("%s lacks something: %+v", o.Name, o)
				}
				if strings.Count(o.Description, "`")%2 != 0 || regexp.MustCompile(`\{(option|file|manpage)\}[^`+"`"+`]`).MatchString(o.Description) {
					t.Errorf("%s: this does not render: %s", o.Name, o.Description)
				}
			}
		})
	}
}
