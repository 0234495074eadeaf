package transaction

import (
	"context"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Place is a file's place: a name on one of the file systems.
type Place struct {
	FS   esp.FS
	Name string
}

// Path is the place, for messages.
func (p Place) Path() string { return p.FS.Path(p.Name) }

// Change is what is to become of the boot partition.
type Change struct {
	ESP, Boot esp.FS // the same where there is no XBOOTLDR partition

	// Leftovers are files that a dead run left, which nothing names, on clusters of their own ([esp.ShareClusters]): they
	// go first.
	Leftovers []Place
	// Writes are files that are missing or wrong.
	Writes []Write
	// LoaderConf is nil where loader.conf stays.
	LoaderConf *ConfChange
	// What is stale goes last: entries; images that are entries by themselves, those in EFI/Linux; payload; and
	// directories, each only if it is empty then.
	StaleEntries     []Place
	StaleImages      []Place
	StalePayload     []Place
	StaleDirectories []Place

	// Where there is disk space only without what is stale, that goes first. Blank are then the entries that stay, or are
	// written again, and name something that goes: they say nothing meanwhile.
	Blank []Blank
	// BootsWithoutStale says that something starts without what is stale: else it never goes first.
	BootsWithoutStale bool
}

// Blank is an entry that says nothing for a while.
type Blank struct {
	Place
	// Remark is a comment that it holds meanwhile, "" for none. The next run finds it if this one doesn't live.
	Remark string
}

// Kind says how a file becomes one that counts.
type Kind int

const (
	// Payload is a file that only others name. Its name says what is in it.
	Payload Kind = iota
	// Entry is a text that is an entry by itself, and may be changed in place: a loader entry.
	Entry
	// Image is a program that is an entry by itself: one in EFI/Linux. Its name says what is in it.
	Image
)

// Write is a file to be made or, if it is an entry, to be changed.
type Write struct {
	Place
	Kind Kind
	// Size is what the file takes at most, in bytes.
	Size int64
	// Text is the complete content; nil where Fill gives it. An entry has always one.
	Text []byte
	// Fill writes the content. It may read back what it wrote, and change it.
	Fill func(ctx context.Context, w esp.Writer) error
	// Named says that an entry names the file, which is not there or not complete. It becomes a program when it is complete, as an Image
	// does, and that before any entry changes.
	Named bool
	// Exists says that there is a file of that name. One that is not an entry is dropped and made anew.
	Exists bool
}

// ConfChange is what becomes of loader.conf.
type ConfChange struct {
	Place
	Before []byte // nil: there is none
	After  []byte // nil: as before
	// Detour is what it says while what is stale is gone and what is new not yet there; nil: as before. It counts only
	// where the stale goes first.
	Detour []byte
}

// headLater reports whether the file's first sector comes after all others.
func (w *Write) headLater() bool { return w.Kind == Image || w.Named }

// fill writes a file's content.
func (w *Write) fill(ctx context.Context, to esp.Writer) error {
	if w.Fill != nil {
		return w.Fill(ctx, to)
	}
	_, err := to.Write(w.Text)
	return err
}
