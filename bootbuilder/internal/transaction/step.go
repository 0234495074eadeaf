package transaction

import (
	"fmt"
	"iter"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Op says what a step does.
type Op int

// The operations. Each is a fixed sequence of operations of [esp.FS].
const (
	OpDrop        Op = iota // Drop: delete a name, and hold its file open
	OpRelease               // close what was dropped: its clusters are free
	OpSpace                 // Space: is there as much as is needed?
	OpMkdir                 // Mkdir
	OpLengthen              // Create and Remove names in a directory until it has taken the clusters that it will need
	OpRename                // Rename
	OpHold                  // Open a file that a rename is about to replace
	OpCreate                // Create: a name of length 0
	OpUpdate                // Update: open a file to be changed in place
	OpAllocate              // Allocate
	OpBlank                 // WriteAt: newlines, or a first sector of zeros
	OpStart                 // StartSend
	OpSend                  // Send
	OpFill                  // write the content, for an image all but its first sector
	OpPatch                 // WriteAt: one sector
	OpHead                  // WriteAt: the first sector of an image
	OpSyncFile              // Sync of a file
	OpSyncDir               // SyncDir
	OpSyncHeld              // Sync of a directory that was dropped
	OpFlushTables           // FlushTables
	OpFlush                 // Flush
	OpWritable              // Space: is the file system still writable?
	OpSync                  // Sync of the file system
)

// Step is one thing that a run does.
type Step struct {
	Op     Op
	Place  Place
	To     string // the new name, for a rename
	At     string // for a new file in a directory that is in the making: its name there
	Offset int64
	Size   int64  // in bytes
	Later  int64  // bytes of the size that come free before they are needed
	Text   []byte // what is written, where that is known

	phase phase
	safe  bool // before it, a run may stop
	write *Write
	conf  ConfState // of loader.conf, once it is done
}

// phase is a part of a run. Up to phaseEntries a failure is undone.
type phase int

const (
	phaseClear phase = iota
	phaseLeave
	phaseDropFirst
	phaseDirectories
	phaseNames
	phaseClusters
	phasePayload
	phaseEntries
	phaseConf
	phaseStale
	phaseEnd
)

// String is the step in one line.
func (s Step) String() string {
	path := s.Place.Path()
	switch s.Op {
	case OpDrop:
		return "remove " + path
	case OpRelease:
		return "release the clusters of what was removed"
	case OpSpace:
		return fmt.Sprintf("need %s on %s", esp.FormatSize(s.Size-s.Later), path)
	case OpMkdir:
		return "make directory " + path
	case OpLengthen:
		return fmt.Sprintf("lengthen directory %s to %s", path, esp.FormatSize(s.Size))
	case OpRename:
		return fmt.Sprintf("rename %s to %s", path, s.Place.FS.Path(s.To))
	case OpHold:
		return "hold " + path
	case OpCreate:
		if s.At != "" {
			return fmt.Sprintf("create %s as %s", path, s.Place.FS.Path(s.At))
		}
		return "create " + path
	case OpUpdate:
		return "open " + path
	case OpAllocate:
		return fmt.Sprintf("allocate %s for %s", esp.FormatSize(s.Size), path)
	case OpBlank:
		return fmt.Sprintf("blank %s (%s at %d)", path, esp.FormatSize(s.Size), s.Offset)
	case OpStart:
		return "start to send " + path
	case OpSend:
		return "send " + path
	case OpFill:
		return fmt.Sprintf("write %s (%s)", path, esp.FormatSize(s.Size))
	case OpPatch:
		return fmt.Sprintf("write %s (%s at %d)", path, esp.FormatSize(s.Size), s.Offset)
	case OpHead:
		return fmt.Sprintf("write %s (its first sector)", path)
	case OpSyncFile:
		return "sync " + path
	case OpSyncDir:
		return "sync directory " + path
	case OpSyncHeld:
		return "sync what was " + path
	case OpFlushTables:
		return "flush the FAT of " + path
	case OpFlush:
		return "flush " + path
	case OpWritable:
		return "look whether " + path + " is still writable"
	case OpSync:
		return "sync " + path
	}
	return fmt.Sprintf("step %d on %s", s.Op, path)
}

// Steps are all that a run does, in order.
type Steps struct {
	list   []Step
	total  int64 // bytes to fill
	first  bool  // what is stale goes first
	spaces []*account
}

// All gives the steps in order.
func (s *Steps) All() iter.Seq[Step] { return slices.Values(s.list) }

// Len is how many there are.
func (s *Steps) Len() int { return len(s.list) }

// DropsFirst reports whether what is stale goes first, for want of disk space.
func (s *Steps) DropsFirst() bool { return s.first }
