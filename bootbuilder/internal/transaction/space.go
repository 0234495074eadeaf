package transaction

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// SpaceError is returned where a file system has no disk space for a change.
type SpaceError struct {
	Where  string // the file system
	Needed int64  // bytes, in whole clusters
	Free   int64  // bytes, with what would be freed first
	Items  []SpaceItem
	// Recovered are files that fsck.vfat made of lost clusters: nobody needs them.
	Recovered []SpaceItem
	// Changed says that what is stale is gone: it gave less disk space than its length. Otherwise nothing was touched but what
	// dead runs left.
	Changed bool
}

// SpaceItem is one thing that takes disk space.
type SpaceItem struct {
	Name string
	Size int64 // bytes
}

func (e *SpaceError) Error() string {
	s := fmt.Sprintf("no room on %s: %s needed, %s free", e.Where, esp.FormatSize(e.Needed), esp.FormatSize(e.Free))
	if len(e.Items) > 0 {
		s += ": " + names(e.Items)
	}
	return s
}

// Hint says what the user can do.
func (e *SpaceError) Hint() string {
	was := "nothing was changed; "
	if e.Changed {
		was = "what is stale was removed, entries that named it say nothing until a run succeeds; "
	}
	if len(e.Recovered) > 0 {
		return was + fmt.Sprintf("delete %s: fsck.vfat made them of clusters that were lost in a power cut", names(e.Recovered))
	}
	return was + "remove old generations (nix-collect-garbage --delete-older-than) or give --limit; " +
		"after a power cut clusters may be lost: unmount the partition, run fsck.vfat -a, and delete the FSCK*.REC that it makes of them"
}

// names lists the first few.
func names(items []SpaceItem) string {
	var list []string
	for i, item := range items {
		if i == 3 {
			list = append(list, fmt.Sprintf("and %d more", len(items)-i))
			break
		}
		list = append(list, fmt.Sprintf("%s (%s)", path.Base(item.Name), esp.FormatSize(item.Size)))
	}
	return strings.Join(list, ", ")
}

// Is makes a SpaceError an ENOSPC for [errors.Is].
func (e *SpaceError) Is(target error) bool { return target == syscall.ENOSPC }

// isNumbered reports whether a name is a prefix, so many digits, and a suffix, in any letter case.
func isNumbered(name, prefix string, digits int, suffix string) bool {
	if len(name) != len(prefix)+digits+len(suffix) {
		return false
	}
	number := name[len(prefix) : len(prefix)+digits]
	return strings.EqualFold(name[:len(prefix)], prefix) && strings.EqualFold(name[len(prefix)+digits:], suffix) &&
		strings.Trim(number, "0123456789") == ""
}

// IsRecovered reports whether fsck.vfat gives a file that name, which it makes of lost clusters.
func IsRecovered(name string) bool { return isNumbered(name, "FSCK", 4, ".REC") }

// newSpaceError adds what could be deleted.
func newSpaceError(fsys esp.FS, needed, free int64, items []SpaceItem) *SpaceError {
	e := &SpaceError{Where: fsys.Path("."), Needed: needed, Free: free, Items: items}
	list, err := fsys.ReadDir(".")
	if err != nil {
		return e
	}
	for _, d := range list {
		if !IsRecovered(d.Name()) {
			continue
		}
		if info, err := fsys.Stat(d.Name()); err == nil {
			e.Recovered = append(e.Recovered, SpaceItem{d.Name(), info.Size()})
		}
	}
	return e
}

// account is what a change takes and frees on one file system, in whole clusters.
type account struct {
	fsys   esp.FS
	space  esp.Space
	needed int64
	freed  int64 // by what goes before everything else
	hidden int64 // the same, that can't be seen from lengths: clusters given to a file that has no content yet
	lost   bool  // there may be still more of it
	stale  int64 // by what is stale
	items  []SpaceItem
}

// add books a file.
func (a *account) add(name string, size int64) {
	a.needed += a.space.Rounded(size)
	a.items = append(a.items, SpaceItem{name, size})
}

// verdict is what there is disk space for.
type verdict int

const (
	fits          verdict = iota
	fitsMaybe             // what dead runs left may be as large as it takes
	fitsLater             // once what is stale is gone
	fitsMaybeThen         // both
	fitsNever
)

func (a *account) verdict(dropFirst bool) verdict {
	free := a.space.Free + a.freed
	switch {
	case a.needed <= free:
		return fits
	case dropFirst && a.needed <= free+a.stale:
		return fitsLater
	case a.needed <= free+a.hidden || a.lost && !dropFirst:
		return fitsMaybe
	case dropFirst && (a.lost || a.needed <= free+a.hidden+a.stale):
		return fitsMaybeThen
	}
	return fitsNever
}

func (a *account) err(dropFirst bool) error {
	free := a.space.Free + a.freed
	if dropFirst {
		free += a.stale
	}
	slices.SortStableFunc(a.items, func(x, y SpaceItem) int {
		return cmp.Or(cmp.Compare(y.Size, x.Size), strings.Compare(x.Name, y.Name))
	})
	return newSpaceError(a.fsys, a.needed, free, a.items)
}

// slotSize is what a directory's slot takes, in bytes; slotLetters is how much of a long name one holds (Microsoft, FAT32 File System
// Specification 1.03).
const (
	slotSize    = 32
	slotLetters = 13
)

// slots is how many of a directory's slots a name takes at most.
func slots(name string) int64 {
	return 1 + int64(len(path.Base(name))+slotLetters-1)/slotLetters
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
