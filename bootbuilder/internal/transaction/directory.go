package transaction

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// A directory is made under a name that nobody looks up, since vfat writes its name and its first cluster in any order,
// and one look into a directory of garbage makes Linux turn the file system read-only. It gets as long there as it will
// have to be: one that grows in use may end in a free cluster for a moment. vfat never shrinks one.

var unfinished = regexp.MustCompile(`(?i)^XENBB[0-9]{3}\.TMP$`)

// IsUnfinished reports whether a directory has a name under which one is made. What a power cut left of it must not
// be looked up.
func IsUnfinished(name string) bool { return unfinished.MatchString(path.Base(name)) }

// unfinishedName takes one slot of the directory above.
func unfinishedName(n int) string { return fmt.Sprintf("XENBB%03d.TMP", n) }

// A new directory gets so many slots more than the change needs, and is 4 KiB long at least.
const (
	spareSlots = 64
	leastSlots = 128
)

// directorySize is how long a new directory has to be for the files that the change puts there, and some more.
func (p *planner) directorySize(dir Place) int64 {
	n := int64(2) // . and ..
	for _, t := range p.targets {
		if t.FS == dir.FS && path.Dir(t.Name) == dir.Name {
			n += slots(t.Name)
		}
	}
	return max(leastSlots, n+spareSlots) * slotSize
}

// makeDirectories makes those that are missing.
func (p *planner) makeDirectories() {
	p.phase = phaseDirectories
	for _, dir := range p.missing {
		p.stop = true
		parent := Place{dir.FS, path.Dir(dir.Name)}
		temp := Place{dir.FS, path.Join(parent.Name, p.freeName(parent))}
		size := p.directorySize(dir)
		p.do(OpMkdir, temp)
		cluster := p.account(dir.FS).space.Cluster
		p.do(OpFlushTables, Place{dir.FS, "."}) // its first cluster is its own
		if parent.Name != "." {
			p.do(OpSyncDir, parent) // and holds no garbage; with it comes the name
		}
		if cluster > 0 && size > cluster {
			p.step(Step{Op: OpLengthen, Place: temp, Size: p.account(dir.FS).space.Rounded(size)})
			p.do(OpSyncDir, temp)
		}
		p.step(Step{Op: OpRename, Place: temp, To: dir.Name})
		p.do(OpSyncDir, dir) // a rename leaves its start open: that is written with its own inode
		p.do(OpSyncDir, parent)
	}
}

// freeName is a name for a directory in the making. A new directory has none of them.
func (p *planner) freeName(parent Place) string {
	list, _ := parent.FS.ReadDir(parent.Name)
	for n := 0; ; n++ {
		name := unfinishedName(n)
		taken := false
		for _, d := range list {
			taken = taken || strings.EqualFold(d.Name(), name)
		}
		if !taken {
			return name
		}
	}
}
