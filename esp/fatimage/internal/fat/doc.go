// Package fat reads FAT12, FAT16 and FAT32 file systems, with long file names.
//
// It follows Microsoft's "FAT: General Overview of On-Disk Format" 1.03 and, where that
// leaves a choice, Linux's vfat: the same widths, the same names.
//
// Left out: writing, exFAT, code pages (a short name's byte from 0x80 on reads as U+FFFD),
// and times of creation and access.
//
// The bytes may be hostile. No input makes it panic, run without end, or take more
// memory than a small multiple of a directory's or a file allocation table's size. A chain is
// followed no further than it is read, and no cluster twice: where two chains meet, the
// later one is damaged.
package fat
