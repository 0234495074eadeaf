package main

// commands are the program's commands, in the order of the usage text.
func commands() []command {
	partition := []string{"esp", "boot", "esp-image", "allow-unmounted"}
	where := join(partition, []string{"root"})
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
				"sign-key", "sign-cert", "pki-bundle", "sign-command", "run-initrd-secrets", "pcrlock-dir", "dry-run", "verbosity"}, output),
			words: true,
			run:   runInstall,
		},
		{
			name:    "list",
			summary: "list the Xen entries",
			details: lines(
				"One line for each: id, Xen's version, layout, the size of all that it needs,",
				"and whether what it names is there; below it, title and version.",
			),
			flags: join(partition, output),
			run:   runList,
		},
		{
			name:    "verify",
			summary: "say of each Xen entry whether it can boot",
			details: lines(
				"Reads each entry as systemd-boot and Xen would: the image and its sections,",
				"xen.cfg, kernel, ramdisk, the toplevel in the store, and with --sign-cert the",
				"signature. The exit code is 1 if any can't boot.",
			),
			flags: join(where, []string{"sign-cert"}, output),
			run:   runVerify,
		},
		{
			name:    "remove",
			summary: "take away all Xen entries, and give loader.conf its old default",
			details: lines(
				"For when Xen is switched off. Only entries and files of this program's and of",
				"nixpkgs' script's making go.",
			),
			flags: join(partition, []string{"pcrlock-dir", "dry-run", "verbosity"}, output),
			words: true,
			run:   runRemove,
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
			flags:   []string{"color"},
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
