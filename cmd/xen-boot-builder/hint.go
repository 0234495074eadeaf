package main

import (
	"errors"
	"os"
	"path/filepath"
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
