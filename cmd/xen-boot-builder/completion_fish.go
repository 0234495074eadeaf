package main

import (
	"fmt"
	"strings"
)

// fishCompletion is a completion for fish 3 and later.
func fishCompletion() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# fish completion for %s
function __xen_boot_builder_words -d 'The words so far that are neither flags nor values of flags'
    set -l skip no
    for word in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case %s
                set skip yes
            case '-*'
            case '*'
                echo -- $word
        end
    end
end

function __xen_boot_builder_runs -d 'Whether one of these commands runs; install does where none is named'
    set -l words (__xen_boot_builder_words)
    set -l command install
    if contains -- "$words[1]" %s
        set command $words[1]
    end
    contains -- $command $argv
end

function __xen_boot_builder_count -d 'Whether there are so many words, the first being one of the others given'
    set -l words (__xen_boot_builder_words)
    test (count $words) -eq $argv[1]; or return
    test $argv[1] -eq 0; or contains -- $words[1] $argv[2..-1]
end

complete -c %[1]s -f
`, program, strings.Join(longFlags(flagSpecs(), flagSpec.takesWord), " "), strings.Join(commandNames(allCommands), " "))
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "complete -c %s -n '__xen_boot_builder_count 0' -a %s -d %s\n", program, cmd.name, fishQuote(cmd.summary))
	}
	verbosity := strings.Join(plain(verbosities()), " ")
	fmt.Fprintf(&b, "complete -c %s -n '__xen_boot_builder_count 0' -a '%s' -d verbosity\n", program, verbosity)
	fmt.Fprintf(&b, "complete -c %s -n '__xen_boot_builder_count 1 %s' -a '%s' -d verbosity\n",
		program, strings.Join(commandNames(takesVerbosity), " "), verbosity)
	fmt.Fprintf(&b, "complete -c %s -n '__xen_boot_builder_count 1 help' -a '%s'\n", program, strings.Join(helpTopics(), " "))
	for _, f := range flagSpecs() {
		takers := commandNames(func(c command) bool { return f.takenBy(c.name) })
		fmt.Fprintf(&b, "complete -c %s -n '__xen_boot_builder_runs %s' -l %s", program, strings.Join(takers, " "), f.name)
		if f.short != "" {
			fmt.Fprintf(&b, " -s %s", f.short)
		}
		switch f.suggestion() {
		case completionNone:
		case completionNothing:
			b.WriteString(" -x")
		case completionFile:
			b.WriteString(" -r -F")
		case completionDir:
			b.WriteString(" -x -a '(__fish_complete_directories)'")
		case completionWords:
			how := "-x"
			if !f.takesWord() {
				how = "-f" // its value may be left out
			}
			fmt.Fprintf(&b, " %s -a '%s'", how, strings.Join(f.words, " "))
		}
		fmt.Fprintf(&b, " -d %s\n", fishQuote(f.text()))
	}
	return b.String()
}

// fishQuote quotes a text for fish, whose single quotes know two escapes.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
