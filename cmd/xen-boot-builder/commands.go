package main

import (
	"context"
	"slices"
)

// command is one of the program's commands. What it takes beside its arguments is in flagTable.
type command struct {
	name    string
	summary string   // one line for the usage text
	details string   // for help COMMAND
	args    []string // what its arguments are called; one in brackets may be left out
	words   bool     // takes a verbosity word
	reads   bool     // only reads, and so may look for the ESP
	run     func(ctx context.Context, c *commandLine, ui *ui) error
}

// commands are the program's commands, in the order of the usage text.
func commands() []command {
	return []command{
		{
			name:    "install",
			summary: "bring the Xen entries in line with the NixOS generations (default)",
			details: lines(
				"Each generation whose bootspec has the Xen extension gets a boot entry that",
				"starts Xen with it as domain 0. Nothing is removed before its replacement is",
				"on the disk. A generation that can't be built is skipped with a warning.",
			),
			words: true,
			run:   runInstall,
		},
		{
			name:    "list",
			summary: "list the generations and their Xen entries",
			details: lines(
				"Newest first, one line for each: number, day of the build, versions of Linux and",
				"Xen, layout, what it takes for itself on the partition, and its state. A star is",
				"before what starts next, > before what runs. Where --root is not the system that",
				"the partition belongs to, it shows what the entries themselves say.",
			),
			reads: true,
			run:   runList,
		},
		{
			name:    "diff",
			summary: "say what changed between two generations",
			details: lines(
				"A and B are generations: numbers, profile links, toplevels or ids of entries.",
				"Field by field, parameters word by word; --full shows the files, too.",
			),
			args:  []string{"A", "B"},
			reads: true,
			run:   runDiff,
		},
		{
			name:    "status",
			summary: "say in one screen how the machine is doing",
			details: lines(
				"Whether Xen runs, what was started, what starts next and why, what is on trial,",
				"the newest generation, Secure Boot, disk space, and what there is to do.",
			),
			reads: true,
			run:   runStatus,
		},
		{
			name:    "verify",
			summary: "say of each Xen entry whether it can boot",
			details: lines(
				"Reads each entry as systemd-boot and Xen would: the image and its sections,",
				"xen.cfg, kernel, ramdisk, the toplevel in the store, and with a certificate the",
				"signature. Four words: ok; outdated, it boots, and an install would rewrite it;",
				"broken, it can't boot; forged, it is not what was signed or what the system has.",
				"The exit code is 1 for the last two. quiet prints nothing but those: for timers.",
			),
			words: true,
			reads: true,
			run:   runVerify,
		},
		{
			name:    "try",
			summary: "start an entry once, at the next boot only",
			details: lines(
				"Writes LoaderEntryOneShot, which systemd-boot forgets by itself: a hang, a panic",
				"or a power cycle leads back to what loader.conf starts. ID is one that list",
				"shows, or the number of a generation.",
			),
			args: []string{"ID"},
			run:  runTry,
		},
		{
			name:    "bless",
			summary: "in dom0, once it is up: what was started has proven itself",
			details: lines(
				"Looks whether Xen runs and an entry of ours was started, records that on $BOOT,",
				"and makes it the default. Run again it changes nothing.",
			),
			words: true,
			run:   runBless,
		},
		{
			name:    "remove",
			summary: "take away all Xen entries, and give loader.conf its old default",
			details: lines(
				"For when Xen is switched off. Only entries and files of this program's and of",
				"nixpkgs' script's making go. On the running system a LoaderEntryOneShot that",
				"names one of them goes, too.",
			),
			words: true,
			run:   runRemove,
		},
		{
			name:    "version",
			summary: "print the version",
			run:     runVersion,
		},
		{
			name:    "help",
			summary: "print this text, or more on a COMMAND",
			args:    []string{"[COMMAND]"},
			run:     runHelp,
		},
	}
}

func findCommand(name string) *command {
	list := commands()
	if i := slices.IndexFunc(list, func(c command) bool { return c.name == name }); i >= 0 {
		return &list[i]
	}
	return nil
}

// flags are the flags that the command takes.
func (c command) flags() []flagSpec {
	return slices.DeleteFunc(flagSpecs(), func(s flagSpec) bool { return !s.takenBy(c.name) })
}

// takes reports whether the command takes a flag.
func (c command) takes(flag string) bool {
	return slices.ContainsFunc(c.flags(), func(s flagSpec) bool { return s.name == flag })
}

// commandNames are all commands' names, or those that keep takes.
func commandNames(keep func(command) bool) []string {
	var names []string
	for _, cmd := range commands() {
		if keep(cmd) {
			names = append(names, cmd.name)
		}
	}
	return names
}

func allCommands(command) bool { return true }

func takesVerbosity(c command) bool { return c.words }
