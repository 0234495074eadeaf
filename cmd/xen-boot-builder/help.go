package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// runHelp prints the usage text, one command's, or a topic.
func runHelp(_ context.Context, c *commandLine, ui *ui) error {
	text := usageText
	if topic, ok := topics()[c.topic]; ok {
		text = topic
	} else if c.topic != "" {
		text = func() string { return commandText(findCommand(c.topic)) }
	}
	ui.printf("%s", text())
	return nil
}

// topics are what help prints beside the commands: texts for packagers to install.
func topics() map[string]func() string {
	return map[string]func() string{
		"man":  manualPage,
		"bash": bashCompletion,
		"zsh":  zshCompletion,
		"fish": fishCompletion,
	}
}

func topicNames() []string { return slices.Sorted(maps.Keys(topics())) }

func usageText() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s [COMMAND] [FLAGS] [quiet|default|info|debug]\n\n", program)
	b.WriteString("Keeps the Xen boot entries of a NixOS machine in line with its generations.\n\nCommands:\n")
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "  %-9s %s\n", cmd.name, cmd.summary)
	}
	b.WriteString("\nFlags:\n")
	writeFlags(&b, func(string) bool { return true })
	b.WriteString("\nAs nixpkgs' systemd-boot hook calls it, with the ESP in $efiMountPoint:\n  " + program + " info\n")
	fmt.Fprintf(&b, "\nThe manual page, and completions for shells:\n  %s help %s\n", program, strings.Join(topicNames(), "|"))
	return b.String()
}

func commandText(cmd *command) string {
	var b strings.Builder
	words := ""
	if cmd.words {
		words = " [quiet|default|info|debug]"
	}
	fmt.Fprintf(&b, "Usage: %s %s [FLAGS]%s\n\n%s.\n", program, cmd.name, words, capital(cmd.summary))
	if cmd.details != "" {
		fmt.Fprintf(&b, "\n%s\n", cmd.details)
	}
	if len(cmd.flags) > 0 {
		b.WriteString("\nFlags:\n")
		writeFlags(&b, cmd.takes)
	}
	return b.String()
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// writeFlags lists flags in two columns, the second wrapped at 80.
func writeFlags(b *strings.Builder, in func(name string) bool) {
	const column, width = 22, 80
	newFlags(&commandLine{}).VisitAll(func(f *pflag.Flag) {
		if !in(f.Name) {
			return
		}
		head := flagHead(f)
		rows := wrap(flagUsage(f), width-column)
		if len(head) > column-2 {
			fmt.Fprintf(b, "%s\n", head)
			head = ""
		}
		for _, row := range rows {
			fmt.Fprintf(b, "%-*s%s\n", column, head, row)
			head = ""
		}
	})
}

// flagHead is a flag with its argument: "  -n, --dry-run", "      --esp DIR".
func flagHead(f *pflag.Flag) string {
	head := "      --" + f.Name
	if f.Shorthand != "" {
		head = "  -" + f.Shorthand + ", --" + f.Name
	}
	if arg, _ := pflag.UnquoteUsage(f); f.Value.Type() != "bool" {
		head += " " + arg
	}
	return head
}

// flagUsage says what a flag does, and its default.
func flagUsage(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" {
		usage += " (default " + f.DefValue + ")"
	}
	return usage
}

// takes reports whether a command takes a flag.
func (c command) takes(flag string) bool { return slices.Contains(c.flags, flag) }

// wrap breaks a text into rows of at most width bytes, at blanks.
func wrap(text string, width int) []string {
	var rows []string
	row := ""
	for _, word := range strings.Fields(text) {
		if row != "" && len(row)+1+len(word) > width {
			rows = append(rows, row)
			row = ""
		}
		if row != "" {
			row += " "
		}
		row += word
	}
	return append(rows, row)
}
