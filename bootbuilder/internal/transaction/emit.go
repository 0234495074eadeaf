package transaction

import (
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// step appends a step.
func (p *planner) step(s Step) {
	s.phase = p.phase
	s.safe, p.stop = p.stop, false
	p.steps = append(p.steps, s)
	switch s.Op {
	case OpSpace, OpHold, OpUpdate, OpWritable, OpRelease, OpFlush, OpFlushTables, OpSyncDir, OpSyncHeld:
	default:
		p.mark(s.Place.FS)
	}
}

// do appends a step that needs no more than a place.
func (p *planner) do(op Op, at Place) { p.step(Step{Op: op, Place: at}) }

func (p *planner) mark(fsys esp.FS) {
	if !slices.Contains(p.dirty, fsys) {
		p.dirty = append(p.dirty, fsys)
	}
	if !slices.Contains(p.used, fsys) {
		p.used = append(p.used, fsys)
	}
}

// flush brings all to the disk that was done since the last time.
func (p *planner) flush() {
	for _, fsys := range p.dirty {
		p.do(OpFlush, Place{fsys, "."})
	}
	p.dirty = nil
}

// flushTables brings the FATs to the disk of all file systems that were changed.
func (p *planner) flushTables() {
	for _, fsys := range p.dirty {
		p.do(OpFlushTables, Place{fsys, "."})
	}
}

func (p *planner) drop(list []Place) {
	for _, l := range list {
		p.do(OpDrop, l)
		p.held = true
	}
}

// release frees the clusters of what was dropped: its names are off the disk.
func (p *planner) release() {
	if p.held {
		p.do(OpRelease, Place{p.change.Boot, "."})
		p.held = false
		for _, fsys := range p.used { // the FAT changes now
			p.mark(fsys)
		}
	}
}
