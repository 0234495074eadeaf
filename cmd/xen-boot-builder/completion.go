package main

import (
	"slices"
	"strings"
)

// completionValue is what a shell suggests for a flag's argument.
type completionValue int

const (
	completionNone    completionValue = iota // a switch has no argument
	completionNothing                        // an argument that can't be guessed
	completionFile
	completionDir
	completionWords
)

// suggestion is what a shell suggests for the flag's argument.
func (s flagSpec) suggestion() completionValue {
	switch {
	case s.isSwitch():
		return completionNone
	case s.words != nil:
		return completionWords
	}
	return argKinds[s.arg]
}

// longFlags are the flags as words of a command line: "--esp", "-n".
func longFlags(list []flagSpec, keep func(flagSpec) bool) []string {
	var names []string
	for _, f := range list {
		if !keep(f) {
			continue
		}
		names = append(names, "--"+f.name)
		if f.short != "" {
			names = append(names, "-"+f.short)
		}
	}
	return names
}

func allFlags(flagSpec) bool { return true }

// takesWord reports whether the word behind the flag is its argument.
func (s flagSpec) takesWord() bool { return !s.isSwitch() && s.bare == "" }

// helpTopics is what may follow help.
func helpTopics() []string { return slices.Concat(commandNames(allCommands), topicNames()) }

// shellQuote quotes a text for a POSIX shell and zsh.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
