package esp

import (
	"context"
	"errors"
	"io"
	"io/fs"
)

// FS is one boot file system: an ESP, an XBOOTLDR partition, or an image of one.
// It is the only door through which this project writes.
//
// A failed operation returns an [*fs.PathError] or wraps one; the usual sentinels
// ([fs.ErrNotExist], syscall.ENOSPC, syscall.EROFS) are found with [errors.Is].
type FS interface {
	// Path says where name is, for messages: "/boot/loader/loader.conf".
	Path(name string) string

	// Open opens a regular file for reading. What is not a regular file is
	// refused with [ErrNotRegular], without blocking on it.
	Open(name string) (File, error)
	// Stat describes a file or directory.
	Stat(name string) (fs.FileInfo, error)
	// ReadDir lists a directory, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)

	// Create makes a new, empty file; one that exists is an error.
	Create(name string) (Writer, error)
	// Update opens a file that exists, to be changed in place. Its content and its length stay
	// until they are written to.
	Update(name string) (Writer, error)
	// Rename gives a file another name, replacing a file that has it, or a directory another place.
	Rename(from, to string) error
	// Remove deletes a file or an empty directory.
	Remove(name string) error
	// Drop deletes the name of a file or an empty directory, and holds the thing itself open: until
	// the result is closed its clusters stay its own. So the name can be brought off the disk before they are free for
	// somebody else. Where that order is of no meaning it is Remove.
	Drop(name string) (Held, error)
	// Mkdir makes one directory.
	Mkdir(name string) error

	// SyncDir brings a directory's names to the disk, but neither start nor length of the files that
	// they are for.
	SyncDir(name string) error
	// FlushTables brings to the disk which clusters are taken, and what was written before with
	// [Writer.Send], but no file's start or length.
	FlushTables() error
	// Flush brings everything to the disk before it returns: what is done after it can't get
	// there first. An FS that makes all changes at once, at Sync, need not do anything.
	Flush() error
	// Sync ends a run: what was done is to last. It may be less than Flush, as syncfs(2) is.
	Sync() error

	// Space says how much room there is.
	Space() (Space, error)
	// Lock keeps other runs out until the returned function is called. It waits
	// until ctx ends. A lock dies with the process that holds it.
	Lock(ctx context.Context) (unlock func(), err error)
}

// File is an open file of an [FS].
type File interface {
	io.Reader
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// Held is what was dropped. Closing it gives back its clusters.
type Held interface {
	io.Closer
	// Sync brings to the disk what was written to it. Of a directory on vfat that is, too, the first cluster of each
	// directory that was made in it, wherever that is now.
	Sync() error
}

// Writer is a file being written.
type Writer interface {
	io.Writer
	io.WriterAt
	io.ReaderAt
	io.Closer
	// Allocate gives the file the clusters that size bytes take, and leaves its length. It does
	// nothing where the file system has no such call.
	Allocate(size int64) error
	// Truncate cuts the file to a length, and gives back clusters behind it.
	Truncate(size int64) error
	// StartSend is for what Send is called for later, when other files have been started, too: the disk
	// writes them together. It waits for nothing.
	StartSend() error
	// Send writes the file's content to the disk, but neither its start nor its length, and does not
	// wait until the disk has it in safety: [FS.FlushTables] does.
	Send() error
	// Sync brings content, start and length to the disk.
	Sync() error
}

// SectorSize is what a disk writes completely or not at all, in bytes.
const SectorSize = 512

// ErrNotRegular is returned for a directory, a FIFO, a device or a socket where a file is wanted.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge is returned by [ReadFile] for a file over its limit.
var ErrTooLarge = errors.New("file is too large")

// ReadFile reads a whole file of at most limit bytes.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	b, err := readUpTo(fsys, name, limit)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &fs.PathError{Op: "read", Path: fsys.Path(name), Err: ErrTooLarge}
	}
	return b, nil
}

// readUpTo reads at most limit bytes of a file, and one more where there is more.
func readUpTo(fsys FS, name string, limit int64) ([]byte, error) {
	if d, ok := fsys.(*Dir); ok {
		if b, err := d.readFile(name, limit); !noOpenat2(err) {
			return b, err
		}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: fsys.Path(name), Err: err}
	}
	return b, nil
}
