package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// completionFlag is a flag as the completions of all shells need it.
type completionFlag struct {
	name, shorthand string
	usage           string
	repeatable      bool
	value           completionValue
	words           []string // where value is completionWords
}

// completionValue is what a shell suggests for a flag's argument.
type completionValue int

const (
	completionNone    completionValue = iota // a switch, without an argument
	completionNothing                        // an argument that can't be guessed
	completionFile
	completionDir
	completionWords
)

// completionFlags are the flags of a command, or with "" all.
func completionFlags(command string) []completionFlag {
	var list []completionFlag
	newFlags(&commandLine{}).VisitAll(func(f *pflag.Flag) {
		if command != "" && !findCommand(command).takes(f.Name) {
			return
		}
		c := completionFlag{name: f.Name, shorthand: f.Shorthand, repeatable: f.Value.Type() == "stringArray"}
		argument, _ := pflag.UnquoteUsage(f)
		c.usage = flagUsage(f)
		switch {
		case f.Value.Type() == "bool":
		case argument == "DIR":
			c.value = completionDir
		case argument == "FILE", argument == "PATH", argument == "PROGRAM":
			c.value = completionFile
		default:
			c.value = completionNothing
			if c.words = flagWords(f.Name); c.words != nil {
				c.value = completionWords
			}
		}
		list = append(list, c)
	})
	return list
}

// flagWords are the words that a flag takes, if it takes no others.
func flagWords(flag string) []string {
	switch flag {
	case "from":
		return plain(bootbuilder.Sources())
	case "layout":
		return plain(bootbuilder.Layouts())
	case "default":
		return plain(bootbuilder.DefaultModes())
	case "verbosity":
		return plain(verbosities())
	case "color":
		return plain([]colorMode{colorAuto, colorAlways, colorNever})
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

func takesWord(c command) bool { return c.words }

// longFlags are the flags as words of a command line: "--esp", "-n".
func longFlags(list []completionFlag, keep func(completionFlag) bool) []string {
	var names []string
	for _, f := range list {
		if !keep(f) {
			continue
		}
		names = append(names, "--"+f.name)
		if f.shorthand != "" {
			names = append(names, "-"+f.shorthand)
		}
	}
	return names
}

func allFlags(completionFlag) bool { return true }

func takesValue(f completionFlag) bool { return f.value != completionNone }

func suggests(value completionValue) func(completionFlag) bool {
	return func(f completionFlag) bool { return f.value == value }
}

// helpTopics is what may follow help.
func helpTopics() []string { return slices.Concat(commandNames(allCommands), topicNames()) }

// shellQuote quotes a text for a POSIX shell and zsh.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
