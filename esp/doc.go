// Package esp reads and writes the partition that systemd-boot starts from.
//
// It implements, as far as an installer of boot entries needs it,
//
//   - the Boot Loader Specification, type #1 entries and boot counting
//     (https://uapi-group.org/specifications/specs/boot_loader_specification/),
//   - loader.conf(5) of systemd-boot, up to version 260,
//   - confined, staged and synced file I/O on a FAT file system that has no journal.
//
// It knows nothing of NixOS bootspec documents or of Xen. It does not boot, does not
// read EFI variables, and does not find the partition by itself: every operation
// takes place on an [FS] that the caller opened.
//
// All names are slash-separated, relative to the file system's root and valid in the
// sense of [io/fs.ValidPath]. FAT does not tell letter cases apart, and neither does an
// [FS]: a name finds the file that FAT would find.
package esp
