// Package bootspec reads NixOS bootspec documents, the boot.json that stands in every
// system toplevel, and checks them before anything is built on them.
//
// It implements version 1 of RFC 125 (https://github.com/NixOS/rfcs/pull/125), as nixpkgs'
// bootspec.cue describes it and as nixpkgs really writes it, together with the extensions
// that an installer of Xen boot entries needs:
//
//   - org.nixos.specialisation.v1,
//   - org.xenproject.bootspec.v1 and .v2, where v2 wins and v1 is then not even looked at,
//   - org.nixos.systemd-boot, org.nixos.extra-initrd.v1 and org.nix-community.lanzaboote.
//
// Documents are untrusted input. [Parse] refuses, with the JSON path of what is wrong, a
// wrong type, a missing key, a key that stands twice, text that is not Unicode, a NUL
// anywhere, a line break or an unclean path in a value that is used, and a document that is
// too large or nested too deeply. Keys and extensions it doesn't know have to be sound JSON
// by the same rules, but are otherwise passed over.
//
// Left out on purpose: the schema's pattern for kernel parameters, since it refuses
// root=UUID=…; the unversioned documents from before the RFC was merged, see
// [ErrNoBootspec]; and every question about files, such as whether the kernel exists. What
// xen.cfg or the boot loader cannot express is theirs to refuse, too.
//
// For the other direction there are [BootParams.Compose], which makes Xen's command line
// the way NixOS does, and [Xen.EncodeExtension].
package bootspec
