package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/docs"
)

// runHelp prints the usage text, one command's, or a topic.
func runHelp(_ context.Context, c *commandLine, ui *ui) error {
	text := usageText
	if len(c.args) > 0 {
		text = topics()[c.args[0]]
		if cmd := findCommand(c.args[0]); cmd != nil {
			text = func() string { return commandText(cmd) }
		}
	}
	ui.printf("%s", text())
	return nil
}

// topics are what help prints beside the commands: texts for packagers to install.
func topics() map[string]func() string {
	return map[string]func() string{
		"man":  docs.Manual,
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
	writeFlags(&b, flagSpecs())
	b.WriteString("\nAs nixpkgs' systemd-boot hook calls it, with the ESP in $efiMountPoint:\n  " + program + " info\n")
	fmt.Fprintf(&b, "\nThe manual page, and completions for shells:\n  %s help %s\n", program, strings.Join(topicNames(), "|"))
	return b.String()
}

func commandText(cmd *command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n%s.\n", strings.Join(cmd.synopsis(), " "), capital(cmd.summary))
	if cmd.details != "" {
		fmt.Fprintf(&b, "\n%s\n", cmd.details)
	}
	b.WriteString("\nFlags:\n")
	writeFlags(&b, cmd.flags())
	return b.String()
}

// synopsis is all that makes up a command line.
func (c command) synopsis() []string {
	words := slices.Concat([]string{program, c.name}, c.args, []string{"[FLAGS]"})
	if c.words {
		words = append(words, "["+strings.Join(plain(verbosities()), "|")+"]")
	}
	return words
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// writeFlags lists flags in two columns, the second wrapped at 80.
func writeFlags(b *strings.Builder, list []flagSpec) {
	const column, width = 22, 80
	for _, s := range list {
		head := "      " + s.head()
		if s.short != "" {
			head = "  -" + s.short + ", " + s.head()
		}
		rows := wrap(s.text(), width-column)
		if len(head) > column-2 {
			fmt.Fprintf(b, "%s\n", head)
			head = ""
		}
		for _, row := range rows {
			fmt.Fprintf(b, "%-*s%s\n", column, head, row)
			head = ""
		}
	}
}

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
