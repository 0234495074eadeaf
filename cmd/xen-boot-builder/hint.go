package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// inNixOSWords gives an error a hint on the options of NixOS, where that is what they are set by, and says what must
// follow for it to count.
func (c *commandLine) inNixOSWords(err error) error {
	if err == nil || !c.onNixOS() {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) {
		return bootbuilder.WithHint(err, "nothing was changed; set boot.loader.systemd-boot.configurationLimit "+
			"(with Lanzaboote boot.lanzaboote.configurationLimit) or boot.loader.xen-boot-builder.limit lower, then nixos-rebuild boot; "+
			"or nix-collect-garbage --delete-older-than 30d, then nixos-rebuild boot")
	}
	return err
}

// onNixOS reports whether the system below --root is a NixOS: its activation script makes that file.
func (c *commandLine) onNixOS() bool {
	if c.espImage != "" {
		return false
	}
	_, err := os.Stat(filepath.Join(c.root, "etc/NIXOS"))
	return err == nil
}

// hasModule reports whether the system below --root is set up by the NixOS module, which writes that file.
func (c *commandLine) hasModule() bool {
	if c.espImage != "" {
		return false
	}
	_, err := os.Lstat(filepath.Join(c.root, configFile))
	return err == nil && c.onNixOS()
}

// optionWords are what people set by flags, and by options of the module where they have that.
var optionWords = []string{
	"--pki-bundle or --sign-key and --sign-cert sign the images", "set " + option + "signing.pkiBundle, then nixos-rebuild boot",
	"give it the key with --sign-key and --sign-cert, and --layout unified", "set " + option + "signing.pkiBundle, then nixos-rebuild boot",
	"--run-initrd-secrets runs its program", option + `extraArgs = [ "--run-initrd-secrets" ] runs its program`,
	"--sign-unverified-initrds signs it", option + `extraArgs = [ "--sign-unverified-initrds" ] signs it`,
	"--limit writes fewer", option + "limit writes fewer",
	"--default try starts", option + `default = "try" starts`,
	"so does --default try", "so does " + option + `default = "try"`,
	"--layout unified is counted", option + `layout = "unified" is counted`,
	"--layout shared ends", option + `layout = "shared" ends`,
	"an install writes it anew", "nixos-rebuild boot writes it anew",
	"an install with its --variant writes it anew", "nixos-rebuild boot writes it anew",
	"an install removes it", "nixos-rebuild boot removes it",
	"then install as before", "then run nixos-rebuild boot",
}

const option = "boot.loader.xen-boot-builder."

// words are a message in the words of who reads it.
func (c *commandLine) words() func(string) string {
	if c.command == nil || !c.hasModule() {
		return nil
	}
	return strings.NewReplacer(optionWords...).Replace
}
