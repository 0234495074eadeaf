package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestBootLayouts starts what the program made the default, in each layout: firmware, systemd-boot,
// Xen, Linux as dom0.
func TestBootLayouts(t *testing.T) {
	t.Parallel()
	lab := newBootLab(t)
	for _, c := range []struct {
		name   string
		layout string
		names  fixtures.EntryNames
		script bool // nixpkgs' script ran before us
		extra  bool // dom0 gets a second initrd
		newer  bool // the other generation is started too
	}{
		{name: "shared", layout: "shared", names: fixtures.ContentHashNames, extra: true, newer: true},
		{name: "embedded", layout: "embedded", names: fixtures.GenerationNames},
		{name: "unified", layout: "unified", names: fixtures.ContentHashNames, extra: true},
		{name: "taken over from the script", layout: "shared", names: fixtures.GenerationNames, script: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var extra []string
			if c.extra {
				extra = append(extra, "EFI/extra/second.img")
			}
			sys := newBootSystem(t, lab.assets, extra...)
			for _, name := range extra {
				sys.write(t, name, firmware.Cpio(map[string]string{"extra": "second initrd\n"}))
			}
			// With its menu, which is looked at.
			options := fixtures.SystemdBoot{Names: c.names, Loader: bootRead(t, lab.assets.SystemdBoot)}
			entries, err := sys.root.InstallSystemdBoot(sys.esp, options)
			if err != nil {
				t.Fatal(err)
			}
			if c.script {
				if err := sys.root.InstallScript(sys.esp, entries, options); err != nil {
					t.Fatal(err)
				}
			}
			sys.install(t, "--layout", c.layout)

			verdict := lab.boot(t, firmware.Machine{Image: sys.esp})
			bootWantDom0(t, verdict, sys.rolledBack)
			// The menu has the title, and the version since two entries have the same title.
			if want := "NixOS (with Xen Hypervisor) (Generation 2 "; !strings.Contains(verdict.Log, want) {
				t.Errorf("the menu has no %s", want)
			}
			if want := strings.Repeat("second initrd", len(extra)); verdict.Extra != want {
				t.Errorf("the second initrd brought %q, want %q", verdict.Extra, want)
			}
			if !c.newer {
				return
			}
			// The entries are in the order of the generations.
			newer := "xen-" + strings.TrimPrefix(entries[1].ID, "nixos-")
			bootWantDom0(t, lab.boot(t, firmware.Machine{Image: sys.esp, Entry: newer}), sys.newest)
		})
	}
}

// machineSlots are those of all tests: each machine takes a processor, and a gigabyte.
var machineSlots = make(chan struct{}, 2)

// bootLab is where the machines of one test run.
type bootLab struct {
	assets firmware.Assets
	slots  chan struct{} // one for each machine that may run
}

func newBootLab(t *testing.T) *bootLab {
	t.Helper()
	return &bootLab{assets: firmware.NeedBoot(t), slots: machineSlots}
}

// boot starts a machine as soon as there is room for it.
func (l *bootLab) boot(t *testing.T, m firmware.Machine, expect ...*regexp.Regexp) firmware.Verdict {
	t.Helper()
	l.slots <- struct{}{}
	defer func() { <-l.slots }()
	verdict, err := m.Boot(t.Context(), expect...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v after %.1f s", verdict.State, verdict.Took.Seconds())
	return verdict
}

// bootSystem is a NixOS with two generations that have Xen, and its ESP.
type bootSystem struct {
	root *fixtures.Root
	esp  string
	// rolledBack is the profile's current generation. It is not the newest, for that is what
	// systemd-boot starts where loader.conf names no entry.
	rolledBack, newest *fixtures.Toplevel
}

// newBootSystem makes a NixOS of real files that boot. Its ESP is left to an installer.
func newBootSystem(t *testing.T, assets firmware.Assets, extraInitrds ...string) *bootSystem {
	t.Helper()
	return makeBootSystem(t, assets, firmware.AMD64, 0, extraInitrds)
}

// makeBootSystem makes one for an architecture, whose default generation has a command line of this length for dom0; 0
// for what it happens to be.
func makeBootSystem(t *testing.T, assets firmware.Assets, arch firmware.Arch, length int, extraInitrds []string) *bootSystem {
	t.Helper()
	dir := t.TempDir()
	s := &bootSystem{root: fixtures.NewRoot(filepath.Join(dir, "root")), esp: filepath.Join(dir, "esp")}
	system := func(params ...string) fixtures.System {
		return fixtures.System{
			Platform:     map[firmware.Arch]string{firmware.AMD64: "x86_64-linux", firmware.ARM64: "aarch64-linux"}[arch],
			Kernel:       bootRead(t, assets.Kernel),
			Initrd:       bootRead(t, assets.Initrd),
			ExtraInitrds: extraInitrds,
			Params:       append([]string{"console=hvc0", "loglevel=4"}, params...),
			Xen: &fixtures.Xen{
				Image:  bootRead(t, assets.Xen),
				Params: append(arch.Console(), "loglvl=all", "dom0_mem=512M,max:512M", "dom0_max_vcpus=1"),
			},
		}
	}
	add := func(g fixtures.Generation) *fixtures.Toplevel {
		t.Helper()
		top, err := s.root.Add(g)
		if err != nil {
			t.Fatal(err)
		}
		return top
	}
	s.rolledBack = add(fixtures.Generation{Number: 2, System: system("xbb.gen=2")})
	if length > 0 {
		// Padding makes another toplevel, whose path is as long.
		have := len("init=" + s.rolledBack.Init + " " + strings.Join(s.rolledBack.System.Params, " "))
		if err := s.root.Delete(s.rolledBack); err != nil {
			t.Fatal(err)
		}
		pad := "pad=" + strings.Repeat("x", length-have-len(" pad="))
		s.rolledBack = add(fixtures.Generation{Number: 2, System: system("xbb.gen=2", pad)})
	}
	s.newest = add(fixtures.Generation{Number: 3, System: system("xbb.gen=3")})
	if err := s.root.SetDefault(s.rolledBack); err != nil {
		t.Fatal(err)
	}
	return s
}

// install runs the program, and returns its warnings. All has to go well.
func (s *bootSystem) install(t *testing.T, args ...string) string {
	t.Helper()
	args = append([]string{"install", "--esp", s.esp, "--root", s.root.Dir()}, args...)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr, noEnvironment())
	if code != exitDone {
		t.Fatalf("%q ended with %d\n%s%s", args, code, &stdout, &stderr)
	}
	if stderr.Len() > 0 {
		t.Logf("the program warned:\n%s", &stderr)
	}
	return stderr.String()
}

// write puts a file on the ESP.
func (s *bootSystem) write(t *testing.T, name string, data []byte) {
	t.Helper()
	bootWrite(t, filepath.Join(s.esp, name), data)
}

func bootWrite(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func bootRead(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// bootWantDom0 wants a Linux on Xen, each with the parameters that a generation's bootspec
// says, no less and no more.
func bootWantDom0(t *testing.T, v firmware.Verdict, want *fixtures.Toplevel) {
	t.Helper()
	bootWantLinux(t, v, want)
	if want := strings.Join(want.System.Xen.Params, " "); !strings.Contains(v.Log, want+"\n") {
		t.Errorf("Xen does not say that it got %s: %v", want, v)
	}
}

// bootWantLinux is bootWantDom0 for a Xen that prints its own parameters before it has a console, as on aarch64.
func bootWantLinux(t *testing.T, v firmware.Verdict, want *fixtures.Toplevel) {
	t.Helper()
	if v.State != firmware.Booted {
		t.Fatal(v)
	}
	if !regexp.MustCompile(`^4\.\d+`).MatchString(v.Xen) {
		t.Errorf("dom0 sees Xen %q, want a version", v.Xen)
	}
	// Xen 4.19 and later put the kernel's name in front.
	_, params, _ := strings.Cut(v.CmdLine, "init=")
	if want := strings.Join(append([]string{want.Init}, want.System.Params...), " "); params != want {
		t.Errorf("dom0 got %q, want init=%s", v.CmdLine, want)
	}
	if complaint := regexp.MustCompile(`parameter ".*" (unknown|has invalid value).*`).FindString(v.Log); complaint != "" {
		t.Errorf("Xen says: %s", complaint)
	}
}
