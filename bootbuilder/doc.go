// Package bootbuilder keeps the Xen boot entries of a NixOS machine in line with its generations.
//
// It reads the profile links below a NixOS root and the bootspec of each generation (RFC 125 with
// the org.xenproject.bootspec.v1 and .v2 extensions), and what NixOS' own boot loader
// installer left on the boot partition (systemd-boot entries, Lanzaboote stubs), which
// selects generations and defines none. It brings three things onto $BOOT: Xen images,
// xen.cfg files (docs/misc/efi.pandoc of Xen), and Boot Loader Specification entries for
// systemd-boot.
//
// There are three uses:
//
//   - behind systemd-boot's installer: [NewPlan] with [Options] that name the root, then
//     [Plan.Apply];
//   - behind Lanzaboote's installer: the same with a certificate in the options, and its
//     signer for Apply, which makes signed images;
//   - offline, on another machine's disk or an image file: the same with [FromProfiles].
//
// Beside that there is what looks and writes nothing ([List], [Verify], [Status], [Compare]), what starts an entry
// ([Try] once, [Bless] what was tried, [SetDefault] any), and what takes everything away ([NewRemoval]). What these
// return has the form of the command's JSON documents.
//
// A plan is made of values and changes nothing; it holds the locks of both file systems
// until [Plan.Close]. Apply is the only writer. [Plan.Report] describes what would happen
// or, given Apply's record, what happened. What the user can do about an error is its [Hint].
//
// Left out: installing systemd-boot itself, NixOS' own entries, GRUB, and boot loaders
// that don't follow the Boot Loader Specification.
//
// Before version 1.0 names here may change from one minor version to the next, and
// CHANGELOG.md says so; the command line, the JSON documents and what is written to $BOOT
// are stable earlier: what one version writes, the next one takes over.
package bootbuilder
