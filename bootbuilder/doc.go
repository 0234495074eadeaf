// Package bootbuilder keeps the Xen boot entries of a NixOS machine in line with its
// generations.
//
// It reads what NixOS' own boot loader installer left (systemd-boot entries, Lanzaboote
// stubs) or the profile links of an offline root, reads each generation's bootspec
// (RFC 125 with the org.xenproject.bootspec.v1 and .v2 extensions), and brings three
// things onto $BOOT: Xen images, xen.cfg files (docs/misc/efi.pandoc of Xen), and Boot
// Loader Specification entries for systemd-boot.
//
// A run has two halves. [NewPlan] only reads, and says what $BOOT should hold, what it
// holds, and why each generation is in or out. [Plan.Apply] is the only writer. Every
// view (dry run, report, JSON) is a view of the same [Plan].
//
// Left out: installing systemd-boot itself, NixOS' own entries, GRUB, and boot loaders
// that don't follow the Boot Loader Specification.
package bootbuilder
