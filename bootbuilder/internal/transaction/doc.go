// Package transaction brings a set of changes to a boot partition in an order in which a power cut does no harm.
//
// It implements what was measured of Linux's vfat (fs/fat 6.1, every write to the disk replayed): a file's start and length
// are written with its inode, not with its directory; fsync(2) of any directory writes the complete FAT; a file that
// is deleted and held open keeps its clusters. From that follow the steps that [Plan] lists, and their order;
// docs/reliability.md gives the reason of each. On other file systems the same steps run, and cost nothing.
//
// No file that anything names is renamed, or changed in more than one sector at a time, but for an entry or
// loader.conf that can't be changed otherwise: see [Fit].
//
// It relies on its caller for three things. Payload has names made of its content, so that a file that is needed is never
// written again; a program that an entry names in vain is said to be one ([Write]). Entries are padded to whole sectors (see [Pad]).
// Nobody else writes meanwhile ([esp.FS]'s Lock).
//
// It leaves out: a directory of others that grows by a cluster (it may end in a free one if the power is cut within that
// one flush), and clusters that are lost if it is cut between a FAT and a name (fsck.vfat finds them).
package transaction
