package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// flagSpec is one flag. The parser, the usage texts, the completions of all shells and the
// configuration file are made of the table of them, and the tests hold the manual page against it:
// a flag is added by a row of flagTable and an item of the page.
type flagSpec struct {
	name, short string
	arg         string   // what its argument is called: see argKinds. "" for a switch
	bare        string   // what the flag alone means, where the argument may be left out
	words       []string // the only arguments there are; nil for any
	group       string   // flags of which one on the command line outdoes all of the configuration file
	by          string   // the commands that take it
	into        any      // where its value goes: *string, *[]string, *int or *bool
	def         string   // the default
	usage       string   // without a capital and a full stop
}

// flagTable is every flag, in the order of the usage text, with values that go into c.
func flagTable(c *commandLine) []flagSpec {
	const (
		place     = "install list diff status verify remove try bless"
		installer = "install remove"
		reports   = "install list diff status verify remove try bless version"
	)
	return []flagSpec{
		{name: "esp", arg: "DIR", group: "place", by: place, into: &c.esps,
			usage: "mount point of the EFI System Partition; repeatable (default: $efiMountPoint, then the configuration file)"},
		{name: "boot", arg: "DIR", group: "place", by: place, into: &c.boot,
			usage: "mount point of XBOOTLDR, where it is not the ESP"},
		{name: "esp-image", arg: "FILE", group: "place", by: place, into: &c.espImage,
			usage: "a raw FAT or GPT disk image to work on instead, without mounting"},
		{name: "allow-unmounted", by: place, into: &c.allowUnmounted,
			usage: "accept an --esp or --boot that is an empty directory and not a mount point"},
		{name: "root", arg: "DIR", by: "install list diff status verify bless", into: &c.root, def: "/",
			usage: "directory below which the store and the profiles are"},
		{name: "from", arg: "WORD", words: plain(bootbuilder.Sources()), by: "install list status verify", into: &c.from, def: "auto",
			usage: "where generations are found"},
		{name: "generation", arg: "N|PATH", by: "install list verify", into: &c.only,
			usage: "only this generation: a number, a profile link or a toplevel; repeatable"},
		{name: "layout", arg: "WORD", words: plain(bootbuilder.Layouts()), by: "install", into: &c.layout, def: "auto",
			usage: "what is written"},
		{name: "default", arg: "WORD", words: plain(bootbuilder.DefaultModes()), by: "install", into: &c.defaultMode, def: "xen",
			usage: "what loader.conf starts"},
		{name: "limit", arg: "N|fit", by: "install", into: &c.limit, def: "0",
			usage: "Xen entries for the newest N generations of each profile, or for as many as fit; 0 is all"},
		{name: "sign-key", arg: "FILE", group: "key", by: "install", into: &c.signKey,
			usage: "sign unified images with this RSA key, as PEM"},
		{name: "sign-cert", arg: "FILE", group: "key", by: "install verify", into: &c.signCert,
			usage: "the key's certificate, as PEM"},
		{name: "pki-bundle", arg: "DIR", group: "key", by: "install verify", into: &c.pkiBundle,
			usage: "sbctl's directory of keys, which holds both"},
		{name: "sign-command", arg: "PROGRAM", group: "key", by: "install", into: &c.signCommand,
			usage: "sign with this program instead of a key: it gets the path of the unsigned image and the path for its output"},
		{name: "run-initrd-secrets", arg: "WORD", bare: "run", words: []string{"auto", "run", "never"}, by: "install", into: &c.runSecrets, def: "auto",
			usage: "where an initrd is made anew, run its generation's own program that appends the secrets"},
		{name: "sign-unverified-initrds", by: "install", into: &c.unverifiedInitrds,
			usage: "sign initrds, too, that lie on the ESP by definition, where anybody could have changed them"},
		{name: "variant", arg: "NAME=FILE", by: "install verify", into: &c.variants,
			usage: "an extra entry of the newest generation, as the JSON file says: xenParams, xen, ucode, xsm; repeatable"},
		{name: "keep-debug", by: "install", into: &c.keepDebug,
			usage: "keep the debug sections of Xen's image, which no loader reads"},
		{name: "check", arg: "COMMAND", by: "bless", into: &c.blessCheck,
			usage: "run this by the shell first; if it fails, nothing is blessed"},
		{name: "pcrlock-dir", arg: "DIR", by: installer, into: &c.pcrlockDir,
			usage: "keep a systemd-pcrlock component for each unified image in this directory"},
		{name: "dry-run", short: "n", by: installer, into: &c.dryRun,
			usage: "show what would change; write nothing"},
		{name: "full", by: "install diff", into: &c.full,
			usage: "show the files in full, with info and diff"},
		{name: "verbosity", arg: "WORD", words: plain(verbosities()), by: installer + " verify bless", into: (*string)(&c.verbosity),
			usage: "the same as the word at the end"},
		{name: "json", by: reports, into: &c.json,
			usage: "one JSON document instead of text"},
		{name: "color", arg: "WORD", words: plain(colorModes()), by: reports + " help", into: (*string)(&c.color), def: string(colorAuto),
			usage: "whether to use colours"},
		{name: "config", arg: "FILE", by: place, into: &c.config,
			usage: "the configuration file (default: " + configFile + ", where --root is /)"},
		{name: "version", by: reports + " help", into: &c.wantsVersion,
			usage: "the same as the command version"},
		{name: "help", short: "h", by: reports + " help", into: &c.wantsHelp,
			usage: "the same as the command help, for the command that is named"},
	}
}

// argKinds are the names of arguments, and what a shell suggests for them. An argument that is one
// of a few words needs no entry.
var argKinds = map[string]completionValue{
	"DIR":       completionDir,
	"FILE":      completionFile,
	"N|PATH":    completionFile,
	"NAME=FILE": completionFile,
	"PROGRAM":   completionFile,
	"COMMAND":   completionNothing,
	"N|fit":     completionNothing,
}

// newFlags defines the flags of the table for the parser.
func newFlags(c *commandLine) *pflag.FlagSet {
	f := pflag.NewFlagSet(program, pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	for _, s := range flagTable(c) {
		switch into := s.into.(type) {
		case *string:
			f.StringVarP(into, s.name, s.short, s.def, s.usage)
		case *[]string:
			f.StringArrayVarP(into, s.name, s.short, nil, s.usage)
		case *int:
			n, _ := strconv.Atoi(s.def) // a number: TestFlagTable
			f.IntVarP(into, s.name, s.short, n, s.usage)
		case *bool:
			f.BoolVarP(into, s.name, s.short, false, s.usage)
		}
		if s.bare != "" {
			f.Lookup(s.name).NoOptDefVal = s.bare
		}
	}
	return f
}

// flagSpecs is the table for those who want no values.
func flagSpecs() []flagSpec { return flagTable(&commandLine{}) }

// takenBy reports whether the command takes the flag.
func (s flagSpec) takenBy(command string) bool { return slices.Contains(strings.Fields(s.by), command) }

// isSwitch reports whether the flag never has an argument.
func (s flagSpec) isSwitch() bool { return s.arg == "" }

// repeatable reports whether the flag may be given several times.
func (s flagSpec) repeatable() bool {
	_, ok := s.into.(*[]string)
	return ok
}

// head is the flag with its argument: "--esp DIR", "--run-initrd-secrets[=WORD]".
func (s flagSpec) head() string {
	switch {
	case s.isSwitch():
		return "--" + s.name
	case s.bare != "":
		return "--" + s.name + "[=" + s.arg + "]"
	}
	return "--" + s.name + " " + s.arg
}

// text says what the flag does, its words and its default.
func (s flagSpec) text() string {
	text := s.usage
	if s.words != nil {
		text += ": " + strings.Join(s.words, ", ")
	}
	if s.def != "" && s.def != "0" {
		text += " (default " + s.def + ")"
	}
	return text
}

// checkWords refuses an argument that is not one of the flag's words.
func checkWords(flags *pflag.FlagSet) error {
	for _, s := range flagSpecs() {
		f := flags.Lookup(s.name)
		if f.Changed && s.words != nil && !slices.Contains(s.words, f.Value.String()) {
			return fmt.Errorf("--%s %q is not one of %s", s.name, f.Value, strings.Join(s.words, ", "))
		}
	}
	return nil
}

// plain makes strings of words of any type.
func plain[T ~string](words []T) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return list
}
