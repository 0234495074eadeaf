package main

import (
	"fmt"
	"strings"
)

// bashCompletion is a completion for bash 4.4 and later that needs no other package.
func bashCompletion() string {
	all := completionFlags("")
	cases := func(names []string) string { return strings.Join(names, "|") }
	var b strings.Builder
	fmt.Fprintf(&b, `# bash completion for %[1]s
_xen_boot_builder() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	# bash takes --flag=value apart, into three words.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	case $prev in
`, program)
	for _, f := range all {
		if f.value == completionWords {
			fmt.Fprintf(&b, "	--%s)\n		mapfile -t COMPREPLY < <(compgen -W %s -- \"$cur\")\n		return ;;\n",
				f.name, shellQuote(strings.Join(f.words, " ")))
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

	# The words so far that are no flags, nor values of flags.
	local -a words=()
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		%s)
			[[ ${COMP_WORDS[i + 1]-} == = ]] && ((i++))
			((i++)) ;;
		-*) ;;
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
`, cases(longFlags(all, suggests(completionDir))), cases(longFlags(all, suggests(completionFile))),
		cases(longFlags(all, suggests(completionNothing))), cases(longFlags(all, takesValue)),
		cases(commandNames(allCommands)))
	for _, name := range commandNames(allCommands) {
		pattern := name
		if name == "install" {
			pattern = "install|''" // the command that runs where none is named
		}
		fmt.Fprintf(&b, "		%s) flags=%s ;;\n", pattern, shellQuote(strings.Join(longFlags(completionFlags(name), allFlags), " ")))
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
		cases(commandNames(takesWord)), shellQuote(words),
		shellQuote(strings.Join(helpTopics(), " ")), program)
	return b.String()
}
