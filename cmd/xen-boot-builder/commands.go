package main

// commands are the program's commands, in the order of the usage text.
func commands() []command {
	where := []string{"esp", "boot", "allow-unmounted", "root"}
	output := []string{"json", "color"}
	return []command{
		{
			name:    "install",
			summary: "bring the Xen entries in line with the NixOS generations (default)",
			details: lines(
				"Each generation whose bootspec has the Xen extension gets a boot entry that",
				"starts Xen with it as domain 0. Nothing is removed before its replacement is",
				"on the disk. A generation that can't be built is left out with a warning.",
			),
			flags: join(where, []string{"from", "generation", "layout", "default", "limit",
				"sign-key", "sign-cert", "pki-bundle", "sign-command", "dry-run", "verbosity"}, output),
			words: true,
			run:   runInstall,
		},
		{
			name:    "version",
			summary: "print the version",
			flags:   output,
			run:     runVersion,
		},
		{
			name:    "help",
			summary: "print this text, or more on a COMMAND",
			flags:   output,
			run:     runHelp,
		},
	}
}

func join(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}
