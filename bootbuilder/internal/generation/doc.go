// Package generation says which generations a NixOS system has, and which of them have a
// place in the boot menu.
//
// The system defines: the profile links below the root, which only root writes, and the
// specialisations in the boot.json of each (RFC 125). Number, profile, specialisation,
// toplevel and bootspec come from there. Every path in a bootspec has to lead, links
// followed, into the store.
//
// The boot file system selects: NixOS' own entry or stub (nixpkgs' systemd-boot-builder in
// both namings; Lanzaboote's lzbt, f142433) names a toplevel, and nothing else of it is
// believed here. What it names as kernel and initrd is noted, for layouts that are not
// signed. Whoever can write the ESP can choose among generations; he can't make one.
//
// Left out: what a generation's files look like on $BOOT, and what starts by default.
package generation
