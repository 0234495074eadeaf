// Package crashfs is test support: boot file systems in memory that record every operation,
// can fail any of them, lose power at any point, and then show every state that a FAT may
// be found in.
//
// # What is on the disk
//
// It follows Linux' vfat (Microsoft's FAT32 File System Specification 1.03, with long names),
// as seen through [esp.FS]:
//
//   - A file's data is on the disk once its Sync has returned. Before that the file may
//     be as of its last Sync (empty, if there was none), cut at a cluster, of full length but
//     zeros, or whole.
//   - A name is on the disk once SyncDir of its directory, or Sync, has returned. Until then each
//     name by itself is in any of the states that it went through since: absent, or pointing
//     at any of the files that it pointed at. Names don't wait for each other, nor for data.
//
// From this follows, for a rename in one directory: done, not done, both names there (FAT writes
// the new one before it clears the old one), or both gone; over an existing file the target
// is the old or the new one, never gone. A directory whose name was lost takes along all that was
// written into it, synced or not.
//
// # What is left out
//
// Clusters are never handed out twice: a file that was removed or replaced keeps its content where
// the change itself is lost. Two names left by a half-done rename are two files of
// equal content, not two chains that share clusters, which only fsck.vfat can part. Damage to
// the FAT itself, to sectors, and by disks that lie about a flush is left out too: no order of
// writing helps against it. Renames from one directory to another are refused (EXDEV).
package crashfs
