package transaction

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// vfat writes a directory's name and its first cluster in any order, and one look into a directory of garbage makes
// Linux turn the file system read-only. So a directory is made inside another one whose name has not come to the disk,
// gets its clusters on the disk there, and is moved out. The one around it is removed and held open, which brings the
// first cluster to the disk without a name that leads there: that belongs to the directory in which it was made. The
// last name comes last, with where it starts. After a rename vfat has a name that starts nowhere, so the time in between
// is kept short, and nothing else has to be written in it.
//
// A directory that grows in use may end in a free cluster for a moment, and vfat never shrinks one. So names that need
// more than one cluster are made while nobody looks, and with small clusters some more, which go again.

// IsUnfinished reports whether a directory has the name of one in which others are made. Should a power cut leave it, for
// the kernel wrote just then, it must not be looked up.
func IsUnfinished(name string) bool { return isNumbered(path.Base(name), "XENBB", 3, ".TMP") }

// unfinishedName takes one slot of the directory above.
func unfinishedName(n int) string { return fmt.Sprintf("XENBB%03d.TMP", n) }

// leastSlots is how long a new directory is at least, in slots: 4 KiB.
const leastSlots = 128

// directorySize is how long a new directory gets.
func (p *planner) directorySize(dir Place) int64 {
	n := int64(2) // . and ..
	for _, t := range p.madeIn(dir) {
		n += slots(t.Name)
	}
	return max(leastSlots, n) * slotSize
}

// madeIn are the new files of a directory.
func (p *planner) madeIn(dir Place) []*target {
	var list []*target
	for _, t := range p.made() {
		if t.FS == dir.FS && path.Dir(t.Name) == dir.Name {
			list = append(list, t)
		}
	}
	return list
}

// inside is what a directory is called before it is moved to its place.
const inside = "XENBB.DIR"

// makeDirectories makes those that are missing.
func (p *planner) makeDirectories() {
	p.phase = phaseDirectories
	for _, dir := range p.missing {
		p.stop = true
		parent := Place{dir.FS, path.Dir(dir.Name)}
		names := p.freeNames(parent, 2)
		around, beside := Place{dir.FS, path.Join(parent.Name, names[0])}, Place{dir.FS, path.Join(parent.Name, names[1])}
		temp := Place{dir.FS, path.Join(around.Name, inside)}
		p.do(OpMkdir, around)
		p.do(OpMkdir, temp)
		p.do(OpSyncDir, temp) // the FAT says that its clusters are taken
		cluster := p.account(dir.FS).space.Cluster
		short := cluster > 0 && cluster < leastSlots*slotSize
		many := p.directorySize(dir) > max(cluster, leastSlots*slotSize)
		if short {
			p.step(Step{Op: OpLengthen, Place: temp, Size: leastSlots * slotSize})
		}
		if many { // else they come later: the less there is to do here, the less may come in between
			for _, t := range p.madeIn(dir) {
				p.step(Step{Op: OpCreate, Place: t.Place, At: path.Join(temp.Name, path.Base(t.Name))})
				t.named = true
			}
		}
		if short || many {
			p.do(OpSyncDir, temp) // and all but the first are on the disk
		}
		p.step(Step{Op: OpRename, Place: temp, To: beside.Name})
		p.do(OpDrop, around)
		p.do(OpSyncHeld, around) // the first one
		p.step(Step{Op: OpRename, Place: beside, To: dir.Name})
		p.do(OpSyncDir, dir)    // the name, and where it starts
		p.do(OpSyncDir, parent) // the name's long part, if that is in another sector
		p.do(OpRelease, around)
	}
}

// freeNames are names for directories in the making. A new directory has none of them.
func (p *planner) freeNames(parent Place, n int) []string {
	list, _ := parent.FS.ReadDir(parent.Name) // what can't be read shows when it is written
	var names []string
	for i := 0; len(names) < n; i++ {
		name := unfinishedName(i)
		if !slices.ContainsFunc(list, func(d fs.DirEntry) bool { return strings.EqualFold(d.Name(), name) }) {
			names = append(names, name)
		}
	}
	return names
}
