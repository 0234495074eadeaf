// Package pe reads 64-bit PE images, as UEFI loads them, and appends sections to them.
//
// It follows Microsoft's "PE Format" (PE32+ only) and, for digests and signatures,
// "Windows Authenticode Portable Executable Signature Format" 1.0 with SHA-256. Both
// are read as UEFI firmware (EDK II) and Xen's loader read them, and xen.efi is the
// image in mind: FileAlignment 0x20, SectionAlignment 0x200000, addresses that are
// not aligned, no room for one more section header.
//
// Appending is deterministic: the same inputs make the same bytes, on every machine
// and at every time. Nothing but the headers is ever held in memory.
//
// Left out: PE32, other machines than x86-64 and AArch64, COFF objects, page hashes,
// making PKCS #7 signatures (this package attaches them) and verifying them. Names of
// more than eight bytes ("/123") are looked up in the string table for debug sections only.
package pe
