package main

import (
	le "encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// scriptCommands are the scripts' own commands:
//
//	fixture KIND            lays out a machine in a new directory: see layOut. $ROOT, $ESP and $BOOT are where it lies
//	rebuild               the next rebuild of the machine's system: see layOut
//	keys DIR NAME           lays out a key pair as sbctl does
//	snapshot NAME           remembers what is on $ESP and $BOOT
//	[!] unchanged NAME      it is still (or no longer) so
//	resolve VAR PATH        sets VAR to where the store path behind PATH, as seen from inside $ROOT, lies
//	running                 makes the machine of the fixture the running one: $RUNNING, $EFIVARS and $SYSFS, started by systemd-boot 252
//	efivar NAME [VALUE]     sets an EFI variable of the boot loader interface on it, or takes it away
//	dom0 ENTRY LINK         it is a domain 0 that was started by this entry, with the generation behind this profile link
//	edit FILE REGEXP TEXT   replaces what matches; it is an error if nothing does
//	edit-screen FILE      writes stdout to a file, with what differs from run to run put in capitals: TIME, SIZE, ESP
//	exits CODE PROGRAM...   runs a program and wants this exit code
//	pty STREAMS PROGRAM...  runs a program with a terminal as its stdout, stderr or both; what it prints there becomes stdout.
//	                        both:120 is a terminal of 120 columns instead of 80
func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"fixture":   scriptFixture,
		"rebuild":   scriptRebuild,
		"keys":      scriptKeys,
		"snapshot":  scriptSnapshot,
		"unchanged": scriptUnchanged,
		"resolve":   scriptResolve,
		"running":   scriptRunning,
		"efivar":    scriptEFIVar,
		"dom0":      scriptDom0,
		"edit":      scriptEdit,
		"exits":     scriptExits,

		"edit-screen": scriptEditScreen,
		"pty":         scriptPTY,
	}
}

func takesArgs(ts *testscript.TestScript, neg bool, args []string, least, most int) {
	if neg || len(args) < least || most >= 0 && len(args) > most {
		ts.Fatalf("wrong use")
	}
}

func scriptFixture(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 1, 1)
	dir, err := os.MkdirTemp(ts.Getenv("WORK"), "machine-")
	ts.Check(err)
	m, err := layOut(dir, args[0])
	ts.Check(err)
	*ts.Value(machineKey{}).(*machine) = m
	ts.Setenv("ROOT", m.root)
	ts.Setenv("ESP", m.esp)
	ts.Setenv("BOOT", m.boot)
}

// machineKey is where a script's machine is kept.
type machineKey struct{}

func scriptRebuild(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 0, 0)
	m := ts.Value(machineKey{}).(*machine)
	if m.rebuild == nil {
		ts.Fatalf("the fixture has no rebuild")
	}
	ts.Check(m.rebuild())
}

func scriptKeys(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 2, 2)
	dir := ts.MkAbs(args[0])
	ts.Check(fixtures.LayOutKeys(dir, args[1]))
	ts.Check(os.Chmod(filepath.Join(dir, "keys/db/db.key"), 0o600))
}

// snapshotsKey is where a script's snapshots are kept.
type snapshotsKey struct{}

func scriptSnapshots(ts *testscript.TestScript) map[string]map[string]string {
	return ts.Value(snapshotsKey{}).(map[string]map[string]string)
}

// machineSnapshot reads the ESP, and XBOOTLDR where it is another directory.
func machineSnapshot(ts *testscript.TestScript) map[string]string {
	all := make(map[string]string)
	for _, name := range []string{"ESP", "BOOT"} {
		tree, err := fixtures.Snapshot(ts.Getenv(name))
		ts.Check(err)
		for file, content := range tree {
			if file == "loader/loader.conf" {
				// Written in place, a shorter text is filled up with newlines.
				content = strings.TrimRight(content, "\n") + "\n"
			}
			all[name+"/"+file] = content
		}
	}
	return all
}

func scriptSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 1, 1)
	scriptSnapshots(ts)[args[0]] = machineSnapshot(ts)
}

func scriptUnchanged(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, false, args, 1, 1)
	before, ok := scriptSnapshots(ts)[args[0]]
	if !ok {
		ts.Fatalf("there is no snapshot %s", args[0])
	}
	diff := cmp.Diff(before, machineSnapshot(ts))
	if neg && diff == "" {
		ts.Fatalf("nothing changed since %s", args[0])
	}
	if !neg && diff != "" {
		ts.Fatalf("changed since %s (-then +now):\n%s", args[0], diff)
	}
}

func scriptResolve(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 2, 2)
	root := ts.Getenv("ROOT")
	dir, base := filepath.Split(args[1])
	link, err := os.Readlink(filepath.Join(root, args[1]))
	if err != nil { // a file behind a link
		link, err = os.Readlink(filepath.Join(root, dir))
		link = filepath.Join(link, base)
	}
	ts.Check(err)
	ts.Setenv(args[0], filepath.Join(root, link))
}

func scriptRunning(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 0, 0)
	dir := filepath.Dir(ts.Getenv("ROOT"))
	ts.Setenv("RUNNING", ts.Getenv("ROOT"))
	ts.Setenv("EFIVARS", filepath.Join(dir, "efivars"))
	ts.Setenv("SYSFS", filepath.Join(dir, "sys"))
	ts.Check(os.MkdirAll(ts.Getenv("EFIVARS"), 0o755))
	ts.Check(setEFIVar(ts.Getenv("EFIVARS"), "LoaderInfo", "systemd-boot 252.39-1~deb12u2"))
	features := []byte{7, 0, 0, 0, 0xff, 7, 0, 0, 0, 0, 0, 0} // what 252 says of itself
	ts.Check(os.WriteFile(efiVarFile(ts.Getenv("EFIVARS"), "LoaderFeatures"), features, 0o644))
}

func scriptEFIVar(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 1, 2)
	ts.Check(setEFIVar(ts.Getenv("EFIVARS"), args[0], append(args, "")[1]))
}

func scriptDom0(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 2, 2)
	hypervisor := filepath.Join(ts.Getenv("SYSFS"), "hypervisor")
	ts.Check(os.MkdirAll(hypervisor, 0o755))
	ts.Check(os.WriteFile(filepath.Join(hypervisor, "type"), []byte("xen\n"), 0o644))
	ts.Check(os.WriteFile(filepath.Join(hypervisor, "uuid"), []byte("00000000-0000-0000-0000-000000000000\n"), 0o644))
	ts.Check(setEFIVar(ts.Getenv("EFIVARS"), "LoaderEntrySelected", args[0]))
	toplevel, err := os.Readlink(filepath.Join(ts.Getenv("ROOT"), "nix/var/nix/profiles", args[1]))
	ts.Check(err)
	booted := filepath.Join(ts.Getenv("ROOT"), "run/booted-system")
	ts.Check(os.MkdirAll(filepath.Dir(booted), 0o755))
	ts.Check(os.RemoveAll(booted))
	ts.Check(os.Symlink(toplevel, booted))
}

// efiVarFile is where efivarfs has a variable of the boot loader interface.
func efiVarFile(dir, name string) string {
	return filepath.Join(dir, name+"-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")
}

// setEFIVar sets such a variable; "" takes it away.
func setEFIVar(dir, name, value string) error {
	if value == "" {
		return os.RemoveAll(efiVarFile(dir, name))
	}
	b := []byte{7, 0, 0, 0}
	for _, u := range append(utf16.Encode([]rune(value)), 0) {
		b = le.LittleEndian.AppendUint16(b, u)
	}
	return os.WriteFile(efiVarFile(dir, name), b, 0o644)
}

func scriptEdit(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 3, 3)
	file := ts.MkAbs(args[0])
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	text, err := os.ReadFile(file)
	ts.Check(err)
	if !re.Match(text) {
		ts.Fatalf("%s does not match in:\n%s", re, text)
	}
	// TEXT may have escapes, as in a Go string.
	with, err := strconv.Unquote(`"` + strings.ReplaceAll(args[2], `"`, `\"`) + `"`)
	ts.Check(err)
	text = re.ReplaceAll(text, []byte(with))
	ts.Check(os.Remove(file)) // files of the store are read-only
	ts.Check(os.WriteFile(file, text, 0o644))
}

func scriptEditScreen(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 1, 1)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(steadyScreen(ts.ReadFile("stdout"), ts.Getenv("ESP"))), 0o644))
}

// steadyScreen puts capitals where a screen is not the same on each machine and at each time. What follows it on a line
// is no longer where it was.
func steadyScreen(text, esp string) string {
	for _, r := range [][2]string{
		{`\([0-9.]+ s, [0-9.]+ [KM]?i?B written\)`, "(TIME, SIZE written)"},
		{`[0-9.]+ of [0-9.]+ [KMGT]iB free on`, "SIZE of SIZE free on"},
		{`(?m)^(last run +).*$`, "${1}TIME"},
		{regexp.QuoteMeta(esp), "/boot"},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	return text
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	takesArgs(ts, neg, args, 2, -1)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
