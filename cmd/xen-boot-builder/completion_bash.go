package main

import (
	"fmt"
	"strings"
)

// bashCompletion is a completion for bash 4.4 and later that needs no other package.
func bashCompletion() string {
	all := flagSpecs()
	cases := func(names []string) string { return strings.Join(names, "|") }
	var b strings.Builder
	fmt.Fprintf(&b, `# bash completion for %[1]s
_xen_boot_builder() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	# bash takes --flag=value apart, into three words.
	if [[ $cur == = ]]; then
		cur=
		prev+==
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}=
	fi
	COMPREPLY=()
	case $prev in
`, program)
	for _, f := range all {
		if f.suggestion() == completionWords {
			fmt.Fprintf(&b, "	%s)\n		mapfile -t COMPREPLY < <(compgen -W %s -- \"$cur\")\n		return ;;\n",
				cases(bashBeforeValue([]flagSpec{f}, completionWords)), shellQuote(strings.Join(f.words, " ")))
		}
	}
	fmt.Fprintf(&b, `	%s)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return ;;
	%s)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	%s)
		return ;;
	esac

	# The words so far that are neither flags nor values of flags.
	local -a words=()
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*)
			if [[ ${COMP_WORDS[i + 1]-} == = ]]; then
				((i += 2))
				continue
			fi
			case ${COMP_WORDS[i]} in
			%s) ((i++)) ;;
			esac ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done

	local command=install flags
	case ${words[0]-} in
	%s)
		command=${words[0]}
		words=("${words[@]:1}") ;;
	'')
		command= ;;
	esac
	if [[ $cur == -* ]]; then
		case $command in
`, cases(bashBeforeValue(all, completionDir)), cases(bashBeforeValue(all, completionFile)),
		cases(bashBeforeValue(all, completionNothing)), cases(longFlags(all, flagSpec.takesWord)),
		cases(commandNames(allCommands)))
	for _, name := range commandNames(allCommands) {
		pattern := name
		if name == "install" {
			pattern = "install|''" // the command that runs where none is named
		}
		fmt.Fprintf(&b, "		%s) flags=%s ;;\n", pattern, shellQuote(strings.Join(longFlags(findCommand(name).flags(), allFlags), " ")))
	}
	words := strings.Join(plain(verbosities()), " ")
	fmt.Fprintf(&b, `		esac
		mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
	elif ((${#words[@]} == 0)); then
		case $command in
		'') mapfile -t COMPREPLY < <(compgen -W %s -- "$cur") ;;
		%s) mapfile -t COMPREPLY < <(compgen -W %s -- "$cur") ;;
		help) mapfile -t COMPREPLY < <(compgen -W %s -- "$cur") ;;
		esac
	fi
}
complete -F _xen_boot_builder %s
`, shellQuote(strings.Join(commandNames(allCommands), " ")+" "+words),
		cases(commandNames(takesVerbosity)), shellQuote(words),
		shellQuote(strings.Join(helpTopics(), " ")), program)
	return b.String()
}

// bashBeforeValue are the words that may stand before the value of a flag.
func bashBeforeValue(list []flagSpec, kind completionValue) []string {
	var words []string
	for _, f := range list {
		if f.suggestion() != kind {
			continue
		}
		words = append(words, "--"+f.name+"=")
		if f.takesWord() {
			words = append(words, longFlags([]flagSpec{f}, allFlags)...)
		}
	}
	return words
}
