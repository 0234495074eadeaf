package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/screen"
)

// screensFile shows what the program prints. -update writes it anew.
const screensFile = "../../docs/screens.md"

const screensHead = `# What you see

Each of these is what the program printed on a terminal of 80 columns, but for times, sizes and disk space. A test
holds this page against the program: ` + "`go test ./cmd/xen-boot-builder -run TestBinary/screens -update`" + ` writes it anew.
On a terminal there is colour; in a pipe lines are as long as they have to be, and nothing is left out.

`

// testScreens holds the page against what the program prints.
func testScreens(t *testing.T, b binary) {
	s := &screenshots{T: t, b: b}
	s.newMachine("life")
	s.heading("The first install", "Two generations have Xen.")
	s.show("info")
	s.heading("A rebuild", "A new generation, compared with the one before it, and one that is gone. The small `xen` is Xen's command line, "+
		"`dom0` that of its kernel. What starts next and the numbers always come last.")
	if err := s.m.rebuild(); err != nil {
		t.Fatal(err)
	}
	s.show("--dry-run info")
	s.show("info")
	s.heading("Nothing to do", "")
	s.show("info")
	s.show("")
	s.heading("list", "Newest first. `OWN SIZE` is what would be free without the entry. Where there is space, as in a pipe, the ids of the "+
		"entries follow.")
	s.show("list")
	s.heading("diff", "Any two generations. `--full` adds the files.")
	s.show("diff 41 42")
	s.heading("status", "One screen for a ticket.")
	s.show("status")
	s.text("On the machine itself, while it runs, it also says what runs:")
	s.lines(statusLines(screen.Screen{Width: 80}, runningStatus(), ""))
	s.heading("verify", "`outdated` boots, and an install would rewrite it. One cause is said once.")
	s.edit("loader/entries/nixos-generation-41.conf", "title NixOS", "title NixOS at home")
	s.show("verify")
	s.edit("EFI/xen/xen-4.20.2-*.efi", "\x00\x00\x00\x00", "\x00\x01\x00\x00")
	s.show("verify")
	s.heading("What changed in a file", "A title was changed: the entry that has it is shown as a diff.")
	s.show("info")
	s.heading("What goes wrong", "Something that is wrong with one generation is a warning, and all others are done. Where it is the default, "+
		"the run has failed.")
	s.breakSpec(42)
	s.show("info")
	s.heading("Another layout", "")
	s.newMachine("life")
	s.show("--layout unified info")
	s.show("list")
	s.heading("remove", "")
	s.show("remove info")

	if *update {
		if err := os.WriteFile(screensFile, []byte(s.page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(screensFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(s.page(), "\n")); d != "" {
		t.Errorf("%s (-page +program; -update writes it anew):\n%s", screensFile, d)
	}
}

// runningStatus is that of a machine on which a new generation is on trial.
func runningStatus() *bootbuilder.StatusReport {
	facts := bootbuilder.Facts{Number: 42, Label: "NixOS 26.11 (Linux 6.12.58)", XenVersion: "4.20.2"}
	return &bootbuilder.StatusReport{
		Boot: "/boot", Running: &bootbuilder.Running{Xen: true, Version: "4.20.2"}, Loader: "systemd-boot 257.9",
		Started: &bootbuilder.Start{Entry: "xen-generation-42.conf", Number: 42, Xen: true, XenVersion: "4.20.2"},
		Next: &bootbuilder.Start{
			Entry: "xen-generation-41.conf", Number: 41, Xen: true, XenVersion: "4.19.3", Reason: "loader.conf: default xen-generation-41.conf",
		},
		Trial:      &bootbuilder.TrialStatus{Number: 42, Since: "2025-12-02", Running: true},
		Proven:     []bootbuilder.ProvenStatus{{Number: 41, Date: "2025-11-20"}},
		Newest:     &bootbuilder.NewestStatus{Generation: "xen-generation-42", Facts: facts, Entry: "xen-generation-42.conf"},
		SecureBoot: bootbuilder.SecureBootOff, Layouts: []bootbuilder.Layout{bootbuilder.LayoutShared}, Entries: 2,
		Space: &bootbuilder.SpaceReport{Free: 212 << 20, Total: 511 << 20}, Todo: []bootbuilder.Todo{bootbuilder.TodoBless},
	}
}

// screenshots makes the page.
type screenshots struct {
	*testing.T
	b   binary
	m   machine
	dir string // where the program is run: boot is the ESP, root the root
	out strings.Builder
}

func (s *screenshots) newMachine(kind string) {
	s.Helper()
	s.m, s.dir = mustLayOut(s.T, kind), s.TempDir()
	for name, target := range map[string]string{"boot": s.m.esp, "root": s.m.root} {
		if err := os.Symlink(target, filepath.Join(s.dir, name)); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *screenshots) heading(title, text string) {
	fmt.Fprintf(&s.out, "## %s\n\n", title)
	if text != "" {
		s.text(text)
	}
}

func (s *screenshots) text(text string) {
	fmt.Fprintf(&s.out, "%s\n\n", strings.Join(wrap(text, 120), "\n"))
}

func (s *screenshots) lines(list []string) {
	fmt.Fprintf(&s.out, "```text\n%s\n```\n\n", strings.Join(list, "\n"))
}

// show runs a command and shows what it prints.
func (s *screenshots) show(args string) {
	s.Helper()
	argv := strings.Fields(args)
	flags := []string{"--esp", "boot", "--color", "never"}
	if !strings.HasPrefix(args, "remove") {
		flags = append(flags, "--root", "root")
	}
	cmd := s.b.command(append(argv, flags...)...)
	cmd.Dir = s.dir
	printed, err := onTerminal(cmd, "both", 80)
	if err != nil && cmd.ProcessState == nil {
		s.Fatal(err)
	}
	text := strings.TrimSuffix(steadyPage(strings.ReplaceAll(string(printed), filepath.Join(s.dir, "root"), "")), "\n")
	fmt.Fprintf(&s.out, "```text\n$ %s\n%s\n```\n\n", strings.TrimSpace(program+" "+args), text)
}

// steadyPage gives what differs from run to run a value that it could have.
func steadyPage(text string) string {
	for _, r := range [][2]string{
		{`\([0-9.]+ s, [0-9.]+ [KM]?i?B written\)`, "(0.4 s, 2.9 MiB written)"},
		{`[0-9.]+ of [0-9.]+ [KMGT]iB free on`, "212 of 511 MiB free on"},
		{`(?m)^(last run +).*$`, "${1}2025-12-02 12:00"},
		{`built on [-0-9]+`, "built on 2025-12-02"},
		// That day is in the image, and so in the sum in its name.
		{`(xen-generation-[0-9]+)-[0-9a-f]{16}\.efi`, "${1}-91c772ebd361bda4.efi"},
		{`(^|[ \n])boot(/|\n|$)`, "$1/boot$2"},
		{`(^|[ \n])root/nix`, "$1/nix"},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	// A unified image says on which day it was built, which for a fixture is today.
	return regexp.MustCompile(`(xen-generation-[0-9]+)-[0-9a-f]{16}\.efi`).ReplaceAllStringFunc(text, func(name string) string {
		id := name[:len(name)-len("-0123456789abcdef.efi")]
		return fmt.Sprintf("%s-%.8x.efi", id, sha256.Sum256([]byte(id)))
	})
}

// edit replaces a text on the ESP, once.
func (s *screenshots) edit(pattern, old, new string) {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.m.esp, pattern))
	if err != nil || len(files) != 1 {
		s.Fatalf("%s: %v, %v", pattern, files, err)
	}
	text := string(mustRead(s.T, files[0]))
	if !strings.Contains(text, old) {
		s.Fatalf("%s does not hold %q", files[0], old)
	}
	if err := os.WriteFile(files[0], []byte(strings.Replace(text, old, new, 1)), 0o644); err != nil {
		s.Fatal(err)
	}
}

// breakSpec makes a generation's boot.json one that can't be read.
func (s *screenshots) breakSpec(generation int) {
	s.Helper()
	link := filepath.Join(s.m.root, fmt.Sprintf("nix/var/nix/profiles/system-%d-link", generation))
	top, err := os.Readlink(link)
	if err != nil {
		s.Fatal(err)
	}
	spec := filepath.Join(s.m.root, top, "boot.json")
	if err := os.Remove(spec); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(spec, []byte("{"), 0o644); err != nil {
		s.Fatal(err)
	}
}

func (s *screenshots) page() string {
	return strings.TrimRight(screensHead+s.out.String(), "\n") + "\n"
}
