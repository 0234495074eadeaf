package main

import (
	"fmt"
	"strings"
)

// zshCompletion is a completion for zsh's completion system: a file for $fpath.
func zshCompletion() string {
	var b strings.Builder
	fmt.Fprintf(&b, `#compdef %s

_xen_boot_builder() {
	# The words so far that are neither flags nor values of flags.
	local -a positional flags
	local -i i
	for ((i = 2; i < CURRENT; i++)); do
		case $words[i] in
		(%s) ((i++)) ;;
		(-*) ;;
		(*) positional+=($words[i]) ;;
		esac
	done

	local command=install first='1:command or verbosity:_xen_boot_builder_first' second=
	case $positional[1] in
	(%s) command=$positional[1] first='1:command: ' ;;
	esac
	case $command in
`, program, strings.Join(longFlags(flagSpecs(), flagSpec.takesWord), "|"), strings.Join(commandNames(allCommands), "|"))
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "	(%s)\n		flags=(\n", cmd.name)
		for _, f := range cmd.flags() {
			fmt.Fprintf(&b, "			%s\n", zshFlag(f))
		}
		b.WriteString("		)\n")
		switch {
		case cmd.words:
			fmt.Fprintf(&b, "		[[ $positional[1] == %s ]] && second='2:verbosity:(%s)' ;;\n",
				cmd.name, strings.Join(plain(verbosities()), " "))
		case cmd.name == "help":
			fmt.Fprintf(&b, "		second='2:topic:(%s)' ;;\n", strings.Join(helpTopics(), " "))
		default:
			b.WriteString("		;;\n")
		}
	}
	b.WriteString(`	esac
	_arguments -s $flags $first $second
}

_xen_boot_builder_first() {
	local -a list=(
`)
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "		%s\n", shellQuote(cmd.name+":"+strings.ReplaceAll(cmd.summary, ":", `\:`)))
	}
	fmt.Fprintf(&b, `	)
	local -a verbosities=(%s)
	_describe command list -- verbosities
}

_xen_boot_builder "$@"
`, strings.Join(plain(verbosities()), " "))
	return b.String()
}

// zshFlag is a flag's specification for _arguments.
func zshFlag(f flagSpec) string {
	action := ""
	switch f.suggestion() {
	case completionNothing:
		action = ":value: "
	case completionFile:
		action = ":file:_files"
	case completionDir:
		action = ":directory:_files -/"
	case completionWords:
		action = ":word:(" + strings.Join(f.words, " ") + ")"
	}
	equals := ""
	switch {
	case f.takesWord():
		equals = "="
	case !f.isSwitch(): // its value may be left out
		equals, action = "=-", ":"+action
	}
	repeat := ""
	if f.repeatable() {
		repeat = "*"
	}
	rest := shellQuote(equals + "[" + strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`).Replace(f.text()) + "]" + action)
	if f.short != "" {
		return fmt.Sprintf("'(-%[1]s --%[2]s)'{-%[1]s,--%[2]s}%[3]s", f.short, f.name, rest)
	}
	return shellQuote(repeat) + "--" + f.name + rest
}
