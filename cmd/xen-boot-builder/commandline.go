package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// commandLine is a parsed command line.
type commandLine struct {
	command   *command
	topic     string // help's argument
	verbosity verbosity
	color     colorMode

	esps           []string
	boot           string
	espImage       string
	allowUnmounted bool
	root           string
	from           string
	only           []string
	layout         string
	defaultMode    string
	limit          int
	signKey        string
	signCert       string
	pkiBundle      string
	signCommand    string
	runSecrets     bool
	pcrlockDir     string
	dryRun         bool
	json           bool
}

// command is one of the program's commands.
type command struct {
	name    string
	summary string   // one line for the usage text
	details string   // for help COMMAND
	flags   []string // the flags it takes
	words   bool     // takes a verbosity word
	run     func(ctx context.Context, c *commandLine, ui *ui) error
}

type verbosity string

const (
	quiet   verbosity = "quiet"
	normal  verbosity = "default"
	info    verbosity = "info"
	debug   verbosity = "debug"
	noWord  verbosity = ""
	allVerb           = "quiet, default, info, debug"
)

func verbosities() []verbosity { return []verbosity{quiet, normal, info, debug} }

type colorMode string

const (
	colorAuto   colorMode = "auto"
	colorAlways colorMode = "always"
	colorNever  colorMode = "never"
)

// newFlags defines every flag once: the parser, the usage text, the man page and the
// shell completions are all made of it.
func newFlags(c *commandLine) *pflag.FlagSet {
	f := pflag.NewFlagSet(program, pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	f.StringArrayVar(&c.esps, "esp", nil, "mount `DIR` of the EFI System Partition; repeatable (default: $efiMountPoint)")
	f.StringVar(&c.boot, "boot", "", "mount `DIR` of XBOOTLDR, where it is not the ESP")
	f.StringVar(&c.espImage, "esp-image", "", "work on a raw FAT or GPT disk image instead: `FILE`")
	f.BoolVar(&c.allowUnmounted, "allow-unmounted", false, "accept an --esp or --boot that is an empty directory and no mount point")
	f.StringVar(&c.root, "root", "/", "`DIR` below which the store and the profiles lie")
	f.StringVar(&c.from, "from", "auto", "where generations are found: `WORD` is "+words(bootbuilder.Sources()))
	f.StringArrayVar(&c.only, "generation", nil, "only this generation: `PATH` of a profile link or toplevel; repeatable")
	f.StringVar(&c.layout, "layout", "auto", "what is written: `WORD` is "+words(bootbuilder.Layouts()))
	f.StringVar(&c.defaultMode, "default", "xen", "what loader.conf starts: `WORD` is "+words(bootbuilder.DefaultModes()))
	f.IntVar(&c.limit, "limit", 0, "Xen entries for the newest `N` generations of each profile; 0 is all")
	f.StringVar(&c.signKey, "sign-key", "", "sign unified images with this RSA key: PEM `FILE`")
	f.StringVar(&c.signCert, "sign-cert", "", "the key's certificate: PEM `FILE`")
	f.StringVar(&c.pkiBundle, "pki-bundle", "", "sbctl key directory `DIR` that holds both")
	f.StringVar(&c.signCommand, "sign-command", "", "sign with `PROGRAM` instead of a key: it gets the unsigned image's path and the output path")
	f.BoolVar(&c.runSecrets, "run-initrd-secrets", false, "where an initrd is made anew, run its generation's own program that appends the secrets")
	f.StringVar(&c.pcrlockDir, "pcrlock-dir", "", "keep a systemd-pcrlock component for each unified image below `DIR`")
	f.BoolVarP(&c.dryRun, "dry-run", "n", false, "everything but the writing")
	f.StringVar((*string)(&c.verbosity), "verbosity", "", "as the `WORD` at the end: "+allVerb)
	f.BoolVar(&c.json, "json", false, "one JSON document instead of text")
	f.StringVar((*string)(&c.color), "color", string(colorAuto), "`WHEN` to use colours: auto, always, never")
	return f
}

func words[T ~string](list []T) string { return bootbuilder.Words(list) }

// parseCommandLine reads the arguments. What is missing comes from the environment, as
// the hook of nixpkgs' systemd-boot module sets it. Even with an error, the color mode is valid.
func parseCommandLine(args []string, getenv func(string) string) (*commandLine, error) {
	c := &commandLine{}
	flags := newFlags(c)
	err := flags.Parse(args)
	if !slices.Contains([]colorMode{colorAuto, colorAlways, colorNever}, c.color) {
		bad := c.color
		c.color = colorAuto
		if err == nil {
			err = fmt.Errorf("--color %q is not one of auto, always, never", string(bad))
		}
	}
	if errors.Is(err, pflag.ErrHelp) {
		c.command = findCommand("help")
		return c, nil
	}
	if err == nil {
		err = c.takeWords(flags.Args())
	}
	if err == nil {
		err = c.check(flags)
	}
	if err != nil {
		return c, usageError{err}
	}
	if len(c.esps) == 0 && c.espImage == "" {
		if esp := getenv("efiMountPoint"); esp != "" {
			c.esps = []string{esp}
		}
	}
	return c, nil
}

// takeWords reads what is not a flag: a command, and a verbosity.
func (c *commandLine) takeWords(args []string) error {
	c.command = findCommand("install")
	if len(args) > 0 {
		if cmd := findCommand(args[0]); cmd != nil {
			c.command, args = cmd, args[1:]
		}
	}
	if c.command.name == "help" && len(args) == 1 {
		if _, ok := topics()[args[0]]; !ok && findCommand(args[0]) == nil {
			return fmt.Errorf("there is no command or topic %q", args[0])
		}
		c.topic, args = args[0], nil
	}
	if c.command.words && len(args) > 0 && slices.Contains(verbosities(), verbosity(args[0])) {
		if c.verbosity != noWord {
			return fmt.Errorf("both --verbosity and %q are given", args[0])
		}
		c.verbosity, args = verbosity(args[0]), args[1:]
	}
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// check refuses values and flags that the command does not take.
func (c *commandLine) check(flags *pflag.FlagSet) error {
	var err error
	flags.Visit(func(f *pflag.Flag) {
		if !slices.Contains(c.command.flags, f.Name) && err == nil {
			err = fmt.Errorf("%s does not take --%s", c.command.name, f.Name)
		}
	})
	if c.verbosity == noWord && !flags.Changed("verbosity") {
		c.verbosity = normal
	} else if !slices.Contains(verbosities(), c.verbosity) && err == nil {
		err = fmt.Errorf("--verbosity %q is not one of %s", string(c.verbosity), allVerb)
	}
	for _, check := range []error{
		oneOf("--from", bootbuilder.Source(c.from), bootbuilder.Sources()),
		oneOf("--layout", bootbuilder.Layout(c.layout), bootbuilder.Layouts()),
		oneOf("--default", bootbuilder.DefaultMode(c.defaultMode), bootbuilder.DefaultModes()),
	} {
		if err == nil {
			err = check
		}
	}
	if c.limit < 0 && err == nil {
		err = fmt.Errorf("--limit %d is negative", c.limit)
	}
	return err
}

func oneOf[T ~string](flag string, word T, list []T) error {
	if slices.Contains(list, word) {
		return nil
	}
	return fmt.Errorf("%s %q is not one of %s", flag, string(word), bootbuilder.Words(list))
}

func findCommand(name string) *command {
	list := commands()
	if i := slices.IndexFunc(list, func(c command) bool { return c.name == name }); i >= 0 {
		return &list[i]
	}
	return nil
}

// lines joins lines of help text.
func lines(text ...string) string { return strings.Join(text, "\n") }
