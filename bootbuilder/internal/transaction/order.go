package transaction

import (
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// clear removes what dead runs left. The names first: the clusters are given to somebody else soon. Where only that shows
// whether there is disk space, what is stale and empty goes too, and it is looked at before anything else goes.
func (p *planner) clear() {
	p.phase = phaseClear
	drops := p.drops
	if p.unsure {
		drops = slices.Concat(drops, p.empty)
	}
	p.drop(drops)
	if len(drops) > 0 {
		p.flush()
		p.release()
		p.flush() // until the FAT says so, too, a cut loses their clusters
	}
	p.stop = true
	if p.unsure {
		p.checkSpace()
	}
}

// checkSpace looks how much disk space there is really: with what is stale, where that is still to go.
func (p *planner) checkSpace() {
	p.stop = true
	for _, a := range p.accounts {
		if a.needed == 0 {
			continue
		}
		s := Step{Op: OpSpace, Place: Place{a.fsys, "."}, Size: a.needed}
		if p.first && p.phase == phaseClear {
			s.Later = a.stale
		}
		p.step(s)
	}
}

// leave makes sure that nothing names what is about to go: loader.conf first, then the entries that stay.
func (p *planner) leave() {
	p.phase = phaseLeave
	p.stop = true
	if text, how := p.detour(); text != nil {
		p.rewrite(how, ConfDetour)
	}
	for _, b := range p.blanks {
		at := deciding(b.old)
		size := min(int64(len(b.old))-at, esp.SectorSize)
		if size <= 0 {
			continue
		}
		text := remarked(int(size), b.remark)
		p.do(OpUpdate, b.Place)
		p.step(Step{Op: OpBlank, Place: b.Place, Offset: at, Size: size, Text: text})
		for _, t := range p.targets {
			if t.FS == b.FS && strings.EqualFold(t.Name, b.Name) {
				t.old = slices.Concat(b.old[:at], text, b.old[at+size:])
			}
		}
	}
	p.flush()
}

// detour is what loader.conf holds for a while, and how it gets there; nil where it stays.
func (p *planner) detour() ([]byte, *target) {
	c := p.change.LoaderConf
	if c == nil || c.Detour == nil || c.Before == nil || sameText(c.Before, c.Detour) {
		return nil, nil
	}
	t := &target{Write: &Write{Place: c.Place, Kind: Entry, Text: c.Detour}, old: c.Before}
	fitted, grow, ok := Fit(c.Before, c.Detour)
	space := p.account(c.FS).space
	if ok && space.Rounded(int64(grow)) == space.Rounded(int64(len(c.Before))) {
		t.text, t.grow = fitted, grow
		return fitted, t
	}
	return c.Detour, t
}

// rewrite changes loader.conf at once.
func (p *planner) rewrite(t *target, state ConfState) {
	if t.text == nil {
		temp := p.stagedName(t.Place)
		p.do(OpCreate, temp)
		p.step(Step{Op: OpBlank, Place: temp, Size: int64(len(t.Text)), Text: t.Text})
		p.do(OpSend, temp)
		p.flushTables()
		p.flush()
		p.rename(temp, t.Name, state)
		p.flush()
		p.release()
		return
	}
	p.do(OpUpdate, t.Place)
	if p.lengthen(t) {
		p.do(OpSend, t.Place)
		p.flushTables()
		p.flush()
	}
	p.patchAll(t, state)
	p.do(OpSyncFile, t.Place)
}

// lengthen brings a file to its length with newlines. They have to be on the disk before the length says so: the caller
// sends them.
func (p *planner) lengthen(t *target) bool {
	if t.grow <= len(t.old) {
		return false
	}
	size := t.grow - len(t.old)
	p.step(Step{Op: OpBlank, Place: t.Place, Offset: int64(len(t.old)), Size: int64(size), Text: blank(size)})
	p.do(OpStart, t.Place)
	t.old = extend(t.old, t.grow)
	return true
}

// patchAll writes what differs of a text. The caller has seen to it that it is one sector.
func (p *planner) patchAll(t *target, state ConfState) {
	list := sectors(t.old, t.text)
	for i, s := range list {
		step := Step{Op: OpPatch, Place: t.Place, Offset: s.offset, Size: int64(len(s.text)), Text: s.text}
		if i == len(list)-1 {
			step.conf = state
		}
		p.step(step)
	}
	t.old = t.text
}

// rename replaces a file, and holds what was there until the flush.
func (p *planner) rename(temp Place, name string, state ConfState) {
	p.do(OpHold, Place{temp.FS, name})
	p.step(Step{Op: OpRename, Place: temp, To: name, conf: state})
	p.held = true
}

// makeNames gives all new files their names: of length 0 and without clusters. One directory after the other: should it
// grow, then its own sectors are on the disk before the FAT says so.
func (p *planner) makeNames() {
	p.phase = phaseNames
	p.stop = true
	made := slices.DeleteFunc(p.made(), func(t *target) bool { return t.named })
	var dirs []Place
	for _, t := range made {
		if dir := (Place{t.FS, path.Dir(t.Name)}); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		for _, t := range made {
			if t.FS == dir.FS && path.Dir(t.Name) == dir.Name {
				p.do(OpCreate, t.Place)
			}
		}
		p.do(OpSyncDir, dir)
	}
	for _, t := range append(slices.Clone(p.targets), p.conf) {
		if t != nil && !t.made && t.staged == nil {
			p.do(OpUpdate, t.Place)
		}
	}
}

// made are the files under new names, loader.conf too.
func (p *planner) made() []*target {
	var list []*target
	for _, t := range append(slices.Clone(p.targets), p.conf) {
		if t != nil && t.made {
			list = append(list, t)
		}
	}
	return list
}

// giveClusters takes all clusters, and brings the FAT to the disk before anything on the disk points there. With them comes
// what makes a file say nothing: newlines for an entry, a first sector of zeros for an image. The disk gets all of that at
// once, and is waited for after that.
func (p *planner) giveClusters() {
	p.phase = phaseClusters
	p.stop = true
	any := false
	var started []Place
	for _, t := range append(slices.Clone(p.targets), p.conf) {
		switch {
		case t == nil || t.staged != nil:
		case !t.made:
			if p.lengthen(t) {
				started = append(started, t.Place)
				any = true
			}
		case t.Kind == Entry:
			p.step(Step{Op: OpBlank, Place: t.Place, Size: int64(len(t.text)), Text: t.old})
			p.do(OpStart, t.Place)
			started = append(started, t.Place)
			any = true
		default:
			if t.Size > 0 {
				p.step(Step{Op: OpAllocate, Place: t.Place, Size: t.Size})
			}
			if t.headLater() {
				p.step(Step{Op: OpBlank, Place: t.Place, Size: esp.SectorSize, Text: make([]byte, esp.SectorSize)})
				p.do(OpStart, t.Place)
				started = append(started, t.Place)
			}
			any = true
		}
	}
	for _, at := range started {
		p.do(OpSend, at)
	}
	if any {
		p.flushTables()
		p.flush() // starts and lengths: from now on the names own their clusters, and nothing is lost
	}
}

// writePayload writes everything that nothing names yet.
func (p *planner) writePayload() {
	p.phase = phasePayload
	for _, t := range p.targets {
		if t.Kind == Entry {
			continue
		}
		p.stop = true
		p.step(Step{Op: OpFill, Place: t.Place, Size: t.Size, Text: t.Text, write: t.Write})
		p.total += t.Size
	}
	p.flush()
	for _, t := range p.targets {
		if t.Named {
			p.do(OpHead, t.Place)
		}
	}
	p.flush()
}

// writeEntries makes the entries ones: with one sector each.
func (p *planner) writeEntries() {
	p.phase = phaseEntries
	p.stop = true
	last := make(map[*target]patch)
	for _, t := range p.targets {
		if t.Kind != Entry || t.staged != nil {
			continue
		}
		last[t] = p.allButLast(t)
	}
	p.flush()
	for _, t := range p.targets {
		switch {
		case t.Kind == Image && !t.Named:
			p.do(OpHead, t.Place)
		case t.Kind != Entry:
		case t.staged != nil:
			p.rename(t.staged.Place, t.Name, 0)
		default:
			s := last[t]
			p.step(Step{Op: OpPatch, Place: t.Place, Offset: s.offset, Size: int64(len(s.text)), Text: s.text})
		}
	}
	p.flush()
	p.release()
}

// allButLast writes all sectors of an entry but the one that makes it one, which it returns.
func (p *planner) allButLast(t *target) patch {
	list := sectors(t.old, t.text)
	if len(list) == 0 {
		return patch{}
	}
	at := deciding(t.text)
	i := max(0, slices.IndexFunc(list, func(s patch) bool { return s.offset == at }))
	for j, s := range list {
		if j != i {
			p.step(Step{Op: OpPatch, Place: t.Place, Offset: s.offset, Size: int64(len(s.text)), Text: s.text})
		}
	}
	return list[i]
}

// writeConf changes loader.conf, or makes it.
func (p *planner) writeConf() {
	p.phase = phaseConf
	t := p.conf
	switch {
	case t == nil:
	case t.staged != nil:
		p.rename(t.staged.Place, t.Name, ConfAfter)
		p.flush()
		p.release()
	default:
		if list := sectors(t.old, t.text); t.made && len(list) > 1 {
			s := p.allButLast(t)
			p.do(OpSyncFile, t.Place)
			p.step(Step{Op: OpPatch, Place: t.Place, Offset: s.offset, Size: int64(len(s.text)), Text: s.text, conf: ConfAfter})
		} else {
			p.patchAll(t, ConfAfter)
		}
		p.do(OpSyncFile, t.Place)
		p.dirty = slices.DeleteFunc(p.dirty, func(fsys esp.FS) bool { return fsys == t.FS })
	}
}

// dropStale removes entries before what they name, names before their clusters.
func (p *planner) dropStale(at phase) {
	c := &p.change
	p.phase = at
	p.stop = true
	for _, image := range c.StaleImages {
		// Should its long name be lost, it is not an entry under its short one either. One that is empty is none, and must not
		// grow: it may have clusters.
		if size := min(p.heads[image], esp.SectorSize); size > 0 {
			p.do(OpUpdate, image)
			p.step(Step{Op: OpBlank, Place: image, Size: size, Text: make([]byte, size)})
		}
	}
	p.drop(c.StaleEntries)
	p.flush()
	p.drop(slices.Concat(c.StaleImages, c.StalePayload, c.StaleDirectories))
	p.flush()
	p.release()
	p.flush()
}

// end makes sure that it all really happened: vfat turns read-only at the first damage it meets.
func (p *planner) end() {
	p.phase = phaseEnd
	p.flush()
	for _, fsys := range p.used {
		p.do(OpWritable, Place{fsys, "."})
		p.do(OpSync, Place{fsys, "."})
	}
}
