// Package fatimage is an [esp.FS] on the image of a FAT file system, or on the ESP and the
// XBOOTLDR partition of a disk image: read and written without mounting and without root.
//
// Reading is done here. Writing is left to GNU mtools (mcopy, mdel, mmd, mrd), since no
// Go implementation of FAT that both writes long names and leaves a file system that
// fsck.vfat agrees with was found.
//
// An image that is written is never half-written. Changes are gathered beside it, and only
// [esp.FS.Sync] carries them out: on a copy, which is synced, read back, held byte for byte
// against what was to be written, and then renamed over the image. Until that moment the
// image is as it was, whatever fails; changes that are not synced are dropped by
// [Image.Close]. So the image needs room for itself twice (not where the file system
// under it can share blocks), and a hard link to it keeps the old content.
//
// Before mtools is called, the chains of all that it will touch are followed: on damaged ones it may run
// without end, or do more harm. Such an image is refused ([ErrDamaged]); what can be read of
// it is. The tools end with the context and with this process.
//
// Image builders get the same bytes from the same input where they set SOURCE_DATE_EPOCH:
// mtools (seen with 4.0.32) stamps that time, within what FAT can say (1980 to 2107), in UTC.
//
// Left out: writing to block devices (mount those), repairing a file system, renaming
// directories, and names with characters beyond the Basic Multilingual Plane in anything that is
// written.
package fatimage
