package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// manualDate is when the words of the manual page last changed. A page is the same
// whenever it is made, so it can't be the day of the build.
const manualDate = "2026-11-23"

// manualPage is xen-boot-builder(8). Commands and flags come from where the parser has them.
func manualPage() string {
	r := &roff{}
	fmt.Fprintf(r, ".TH %s 8 %s %s\n", roffQuote(strings.ToUpper(program)), manualDate, roffQuote(program+" "+buildVersion()))
	r.section("NAME")
	fmt.Fprintf(r, "%s \\- Xen boot entries for NixOS generations\n", roffText(program))
	r.section("SYNOPSIS")
	fmt.Fprintf(r, ".B %s\n[\\fICOMMAND\\fR] [\\fIFLAGS\\fR] [\\fBquiet\\fR|\\fBdefault\\fR|\\fBinfo\\fR|\\fBdebug\\fR]\n", roffText(program))
	manualDescription(r)
	r.section("COMMANDS")
	for _, cmd := range commands() {
		manualCommand(r, cmd)
	}
	r.section("OPTIONS")
	manualFlags(r)
	r.item("-h, --help", "The same as the command help.")
	manualSurroundings(r)
	manualExamples(r)
	r.section("SEE ALSO")
	fmt.Fprintf(r, ".BR systemd\\-boot (7),\n.BR loader.conf (5),\n.BR bootctl (1),\n.BR sbctl (8),\n.BR sbsign (1)\n")
	return r.String()
}

func manualCommand(r *roff, cmd command) {
	r.item(cmd.name, capital(cmd.summary)+".")
	if cmd.details != "" {
		r.text(strings.Split(cmd.details, "\n")...)
	}
	if cmd.name == "help" {
		r.text("The topics " + strings.Join(topicNames(), ", ") + " print this page, and completions for shells.")
	}
}

func manualFlags(r *roff) {
	newFlags(&commandLine{}).VisitAll(func(f *pflag.Flag) {
		r.item(strings.TrimSpace(flagHead(f)), capital(flagUsage(f))+".")
		var takers []string
		list := commands()
		for _, cmd := range list {
			if cmd.takes(f.Name) {
				takers = append(takers, cmd.name)
			}
		}
		if len(takers) < len(list) {
			r.text("For " + strings.Join(takers, ", ") + ".")
		}
	})
}

// manualSurroundings is what the program reads and writes beside its arguments.
func manualSurroundings(r *roff) {
	r.section("ENVIRONMENT")
	r.item("efiMountPoint", "The ESP where no --esp is given. The boot loader hook of NixOS sets it.")
	r.item("NO_COLOR", "If set and not empty, --color auto means never. So does TERM=dumb.")
	r.section("FILES")
	r.paragraph("On $BOOT, which is XBOOTLDR where --boot names it, and the ESP otherwise:")
	r.item("EFI/xen/", "Xen images and xen.cfg files of the layout shared,",
		"and kernels, ramdisks and devicetrees that the NixOS entries don't have on $BOOT.")
	r.item("EFI/Linux/xen-*.efi", "The images of the layout unified.")
	r.item("EFI/nixos/xen-*.efi", "The images of the layout embedded, and of nixpkgs' script.")
	r.item("loader/entries/xen-*.conf", "The entries of the layouts shared and embedded.")
	r.paragraph("On the ESP:")
	r.item("loader/loader.conf", "The keys default and preferred may change. All other lines stay.")
	r.paragraph("Below --root:")
	r.item("/nix/store/*/boot.json", "The bootspec of a generation.")
	r.item("/nix/var/nix/profiles/", "Read with --from profiles.")
	r.section("EXIT STATUS")
	r.item("0", "Done. Warnings may have been printed.")
	r.item("1", "Failed, or done in part; what failed is named. With verify: an entry can't boot.")
	r.item("2", "The command line is wrong. Nothing was done.")
}

func manualExamples(r *roff) {
	r.section("EXAMPLES")
	r.example("As nixpkgs' systemd-boot hook (boot.loader.systemd-boot.extraInstallCommands) calls it:",
		"export efiMountPoint=/boot", program+" default")
	r.example("After Lanzaboote, with its keys. Xen, its configuration, kernel and ramdisk become one signed image:",
		program+" --esp /boot --pki-bundle /var/lib/sbctl")
	r.example("From a rescue system, with the NixOS disk under /mnt and an ESP that is empty or broken:",
		"bootctl install --esp-path=/mnt/boot",
		program+" --from profiles --root /mnt --esp /mnt/boot")
	r.example("To see what an install would change, with nothing written:",
		program+" install --dry-run --esp /boot info")
	r.example("To rehearse on a copy of the ESP, in a plain directory:",
		"cp -r /boot rehearsal", program+" --esp rehearsal info", program+" verify --esp rehearsal")
}

func manualDescription(r *roff) {
	r.section("DESCRIPTION")
	r.paragraph(
		"For each NixOS generation whose bootspec has the Xen extension,",
		program+" puts an entry into the menu of systemd-boot that starts the Xen hypervisor with it as domain 0.",
		"It runs after the installer that made the entries of NixOS, be it the one of nixpkgs or Lanzaboote's,",
		"and takes over what nixpkgs' xen-boot-builder.sh made.")
	r.paragraph(
		"Nothing is removed before all that takes its place is on the disk.",
		"A generation that can't be built is left out with a warning, and what stood for it stays.",
		"If there is no room, nothing is touched. A run that has nothing to change writes nothing.",
		"Nothing is ever asked.")
	r.paragraph("There are three layouts:")
	r.item("shared", "One Xen image for many generations, a xen.cfg and an entry for each.",
		"This is the default without a key.")
	r.item("embedded", "An image for each generation with its xen.cfg inside, and an entry, as nixpkgs' script makes them.")
	r.item("unified", "One image for each generation with its xen.cfg, kernel and ramdisk inside, which systemd-boot lists by itself.",
		"It is signed if there is a key, and is the default then. It is what Secure Boot needs.")
	r.paragraph("The word at the end says how much install and remove print:")
	r.item("quiet", "Nothing, unless something is wrong.")
	r.item("default", "One line.")
	r.item("info", "Also what changed, with a diff of each xen.cfg and entry.")
	r.item("debug", "Also each step and file, and for each generation why it is in or out.")
}
