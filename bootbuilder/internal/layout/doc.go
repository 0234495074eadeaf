// Package layout turns a generation into the files that make it boot on $BOOT: shared, embedded
// or unified (docs/architecture.md compares them). It implements the xen.cfg and unified
// image conventions of Xen's EFI loader (docs/misc/efi.pandoc, 4.17 to 4.22), and entries
// of the Boot Loader Specification, types #1 and #2.
//
// It decides where each byte comes from: for a unified image the store, for other layouts also
// what NixOS' own entry names on $BOOT. It reads, and writes nothing.
//
// Left out: whether a file is there already, and what starts by default.
package layout
