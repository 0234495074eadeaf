package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/config"
	"github.com/xen-boot-builder/xen-boot-builder/cmd/xen-boot-builder/internal/suggest"
)

// commandLine is a parsed command line.
type commandLine struct {
	command   *command
	args      []string // its arguments, as many as were given
	verbosity verbosity
	color     colorMode

	esps              []string
	boot              string
	espImage          string
	allowUnmounted    bool
	root              string
	from              string
	only              []string
	layout            string
	defaultMode       string
	limit             string
	signKey           string
	signCert          string
	pkiBundle         string
	signCommand       string
	runSecrets        string
	unverifiedInitrds bool
	variants          []string
	keepDebug         bool
	blessCheck        string
	pcrlockDir        string
	dryRun            bool
	full              bool
	json              bool
	config            string
	wantsHelp         bool
	wantsVersion      bool

	running running // of the environment
}

type verbosity string

const (
	quiet  verbosity = "quiet"
	normal verbosity = "default"
	info   verbosity = "info"
	debug  verbosity = "debug"
)

func verbosities() []verbosity { return []verbosity{quiet, normal, info, debug} }

type colorMode string

const (
	colorAuto   colorMode = "auto"
	colorAlways colorMode = "always"
	colorNever  colorMode = "never"
)

func colorModes() []colorMode { return []colorMode{colorAuto, colorAlways, colorNever} }

// environment is what a run gets beside its arguments.
type environment struct {
	getenv func(string) string
	config string // the configuration file that is read where --config names none; it may be missing
	// places are where commands that only read look for an ESP.
	places []string
	// running is the running system; the zero value is for a system that is not looked at.
	running running
}

// running is where the running system can be looked at.
type running struct {
	root    string // its root directory: --root with another value means another system
	efivars string // its EFI variables (efivarfs)
	sys     string // sysfs, where Linux says whether it runs on Xen
}

// thisMachine is the machine that the process runs on.
func thisMachine() running {
	return running{root: "/", efivars: "/sys/firmware/efi/efivars", sys: "/sys"}
}

// configFile is where that is.
const configFile = "/etc/xen-boot-builder.conf"

// espPlaces are where bootctl looks, too.
func espPlaces() []string { return []string{"/efi", "/boot", "/boot/efi"} }

// parseCommandLine reads the arguments. What they don't say comes from the environment, as the
// hook of nixpkgs' systemd-boot module sets it, and then from the configuration file. Even with an
// error, the color mode is valid.
func parseCommandLine(args []string, env environment) (*commandLine, error) {
	c := &commandLine{running: env.running}
	flags := newFlags(c)
	err := c.parse(flags, args, env)
	if err != nil && slices.Contains(args, "--json") { // behind what could not be read, too
		c.json = true
	}
	if !slices.Contains(colorModes(), c.color) {
		c.color = colorAuto
	}
	return c, err
}

func (c *commandLine) parse(flags *pflag.FlagSet, args []string, env environment) error {
	if err := flags.Parse(args); err != nil {
		return c.hintFlag(err)
	}
	if err := c.takeWords(flags.Args()); err != nil {
		return err
	}
	if c.wantsHelp || c.wantsVersion {
		return nil
	}
	if err := c.checkTaken(flags); err != nil {
		return err
	}
	if err := c.readConfig(flags, env); err != nil {
		return err
	}
	if !c.command.takes("root") && env.running.root != "" {
		c.root = env.running.root
	}
	if c.command.reads && len(c.esps) == 0 && c.espImage == "" && c.boot == "" && c.root == "/" {
		if found, boot := findESP(env.places); found != "" {
			c.esps, c.boot = []string{found}, boot
		}
	}
	return c.check(flags)
}

// takeWords reads what is not a flag: a command, its arguments, and a verbosity.
func (c *commandLine) takeWords(args []string) error {
	c.command = findCommand("install")
	named := false
	if len(args) > 0 {
		if cmd := findCommand(args[0]); cmd != nil {
			c.command, args, named = cmd, args[1:], true
		}
	}
	n := min(len(args), len(c.command.args))
	c.args, args = args[:n], args[n:]
	if c.command.words && len(args) > 0 && slices.Contains(verbosities(), verbosity(args[0])) {
		if c.verbosity != "" {
			return usageError{error: fmt.Errorf("both --verbosity and %q are given", args[0])}
		}
		c.verbosity, args = verbosity(args[0]), args[1:]
	}
	if len(args) > 0 {
		var known []string
		if !named {
			known = commandNames(allCommands)
		}
		if c.command.words {
			known = append(known, plain(verbosities())...)
		}
		return usageError{fmt.Errorf("unexpected argument %q", args[0]), didYouMean("", suggest.Nearest(args[0], known))}
	}
	switch {
	case c.wantsHelp:
		topic := c.command.name
		c.command, c.args = findCommand("help"), nil
		if named {
			c.args = []string{topic}
		}
	case c.wantsVersion:
		c.command, c.args = findCommand("version"), nil
	}
	return c.checkArgs()
}

// checkArgs refuses a command without the arguments that it needs.
func (c *commandLine) checkArgs() error {
	for _, name := range c.command.args[len(c.args):] {
		if !strings.HasPrefix(name, "[") {
			return usageError{fmt.Errorf("%s needs %s", c.command.name, strings.Join(c.command.args, " and ")), helpHint(c.command)}
		}
	}
	if c.command.name != "help" || len(c.args) == 0 || slices.Contains(helpTopics(), c.args[0]) {
		return nil
	}
	return usageError{fmt.Errorf("there is no command or topic %q", c.args[0]), didYouMean("", suggest.Nearest(c.args[0], helpTopics()))}
}

// checkTaken refuses flags that the command does not take.
func (c *commandLine) checkTaken(flags *pflag.FlagSet) error {
	for _, s := range flagSpecs() {
		if flags.Lookup(s.name).Changed && !s.takenBy(c.command.name) {
			return usageError{fmt.Errorf("%s does not take --%s", c.command.name, s.name), helpHint(c.command)}
		}
	}
	return nil
}

// check refuses values that there are not, and fills in what is left open.
func (c *commandLine) check(flags *pflag.FlagSet) error {
	if err := checkWords(flags); err != nil {
		return usageError{error: err}
	}
	if _, _, err := c.limits(); err != nil {
		return usageError{error: err}
	}
	if c.verbosity == "" {
		c.verbosity = normal
	}
	return nil
}

// limits is what --limit says: a number, 0 for all, or as many as fit.
func (c *commandLine) limits() (limit int, fit bool, err error) {
	if c.limit == "fit" {
		return 0, true, nil
	}
	limit, err = strconv.Atoi(c.limit)
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("--limit %q is not a number, and not fit", c.limit)
	case limit < 0:
		return 0, false, fmt.Errorf("--limit %d is negative", limit)
	}
	return limit, false, nil
}

// readConfig fills in what neither arguments nor environment say. The file of this machine says
// nothing about the system below another --root.
func (c *commandLine) readConfig(flags *pflag.FlagSet, env environment) error {
	if !c.command.takes("config") {
		return nil
	}
	if esp := env.getenv("efiMountPoint"); esp != "" && len(c.esps) == 0 && c.espImage == "" {
		c.esps = []string{esp}
	}
	name := c.config
	if name == "" {
		if name = env.config; name == "" || c.root != "/" {
			return nil
		}
	}
	text, err := readLimited(name, config.MaxSize+1)
	if c.config == "" && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	settings, err := config.Parse(name, text)
	if err == nil {
		known := c.esps
		err = config.Apply(name, settings, flags, configRules())
		if len(known) > 0 {
			c.esps, c.espImage = known, ""
		}
	}
	if err == nil {
		return nil
	}
	var wrong *config.Error
	if errors.As(err, &wrong) && errors.Is(err, config.ErrUnknown) {
		return usageError{err, didYouMean("", suggest.Nearest(wrong.Flag, flagNames()))}
	}
	return usageError{error: err}
}

// configRules are the rules of the table of flags for the configuration file.
func configRules() config.Rules {
	groups := make(map[string]string)
	for _, s := range flagSpecs() {
		groups[s.name] = s.group
	}
	return config.Rules{
		Settable: func(flag string) bool { return !slices.Contains([]string{"config", "help", "version"}, flag) },
		Group:    func(flag string) string { return groups[flag] },
		Check: func(flag, value string) error {
			alone := &commandLine{}
			flags := newFlags(alone)
			if err := flags.Set(flag, value); err != nil {
				return err
			}
			return alone.check(flags)
		},
	}
}

func readLimited(name string, limit int64) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit))
	return string(text), err
}

// hintFlag says what flag may have been meant.
func (c *commandLine) hintFlag(err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		return usageError{err, didYouMean("--", suggest.Nearest(unknown.GetSpecifiedName(), flagNames()))}
	}
	return usageError{error: err}
}

func didYouMean(dashes, word string) string {
	if word == "" {
		return ""
	}
	return "did you mean " + dashes + word + "?"
}

func helpHint(c *command) string { return "run '" + program + " help " + c.name + "'" }

// flagNames are all flags, without dashes.
func flagNames() []string {
	var names []string
	for _, s := range flagSpecs() {
		names = append(names, s.name)
	}
	return names
}

// lines joins lines of help text.
func lines(text ...string) string { return strings.Join(text, "\n") }
