// Package crashfs is test support: boot file systems in memory that record every operation,
// can fail any of them, lose power at any point, and then show every state that a FAT may
// be found in.
//
// # What is on the disk
//
// It follows what Linux' vfat was measured to do (fs/fat 6.1, every write to the disk replayed; Microsoft's FAT32 File System
// Specification 1.03, with long names), as seen through [esp.FS]. Four things come to the disk by themselves:
//
//   - A slot: a name with a file's start and length, as the directory's buffer has it. SyncDir brings it.
//   - A file's own start and length. They are in its inode, and get into the slot when that is written: by Sync of the file
//     or of the file system. So after SyncDir a new file has 0 bytes; one that was renamed has 0 bytes under a new name, and
//     under a name that was taken it is what was there before.
//   - Which clusters are taken. SyncDir, FlushTables and Sync bring that, all at once. A file that is removed or replaced is
//     freed at once, but not while it is held open.
//   - Content, by sectors. Send, Sync of the file and of the file system bring it.
//
// What was brought to the disk stays open until the disk's cache is flushed: by everything but Sync of the file system,
// which on vfat does not, and Send. What was not brought may have come there all the same, but for a file's own start and
// length: the kernel writes when it likes. None waits for another. Of a sector there is all or nothing.
//
// A long name is in two sectors: halfway, the file is found under its short name. Mkdir brings a directory's name and its first
// cluster to the disk in any order.
//
// # What it looks like
//
// A file whose clusters are marked free, in part or all, holds [Damaged] text: the next writer may take them. Where a sector was
// never written it holds what somebody deleted there, which looks like an entry and an image. Two names may share a
// chain: to remove one damages the other. A file system turns read-only, and says nothing, where Linux does: when a file is
// removed or replaced whose clusters are free, when a file grows that has more clusters than its length says, and when a directory
// is looked into that holds garbage.
//
// # What is left out
//
// Inodes that the kernel writes by itself, seconds after they were changed; and that it writes the new name of a directory
// between rename(2) and the fsync(2) that follows. Directories that grow. Clusters that are lost, because they are taken and nobody's: they count as free after a power cut. Damage
// to sectors, and by disks that lie about a flush: no order of writing helps against it. Files are not renamed
// from one directory to another (EXDEV); directories are.
package crashfs
