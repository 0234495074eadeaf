package transaction

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// maxText bounds what is read of an entry or of loader.conf, in bytes.
const maxText = 64 << 10

// Plan lists the steps that make a change. It reads, and writes nothing. A [SpaceError] says that there is no disk space for it.
func Plan(c Change) (*Steps, error) {
	p := &planner{change: c}
	if err := p.look(); err != nil {
		return nil, hinted(err, c.Boot)
	}
	if err := p.measure(); err != nil {
		return nil, err
	}
	p.clear()
	if p.first {
		p.leave()
		p.dropStale(phaseDropFirst)
		p.checkSpace()
	}
	if err := p.fitAll(); err != nil {
		return nil, err
	}
	p.makeDirectories()
	p.makeNames()
	p.giveClusters()
	p.writePayload()
	p.writeEntries()
	p.writeConf()
	if !p.first {
		p.dropStale(phaseStale)
	}
	p.end()
	return &Steps{list: p.steps, total: p.total, first: p.first, spaces: p.accounts}, nil
}

type planner struct {
	change  Change
	targets []*target
	conf    *target // of loader.conf, nil where it stays; not among targets
	drops   []Place // before everything else
	blanks  []blanked
	missing []Place // directories, outermost first
	// accounts are the file systems that are written to, $BOOT first.
	accounts []*account
	first    bool // what is stale goes first
	unsure   bool // whether there is disk space shows only once leftovers are gone

	steps  []Step
	phase  phase
	stop   bool     // the next step is a safe point
	dirty  []esp.FS // since the last flush
	used   []esp.FS
	held   bool
	total  int64
	staged int             // the number for the next staged name
	heads  map[Place]int64 // the lengths of what is stale
}

// blanked is an entry that says nothing for a while, and what it holds before that.
type blanked struct {
	Place
	old    []byte
	remark string
}

// target is a file to be made or changed.
type target struct {
	*Write
	made   bool   // under a new name
	named  bool   // it has that name by then
	old    []byte // of one that is changed: what it holds, at its turn
	text   []byte // what an entry is to hold; as long as the file
	grow   int    // the length to which newlines bring it first
	staged *target
}

// look finds out what there is.
func (p *planner) look() error {
	c := &p.change
	p.drops = slices.Clone(c.Leftovers)
	for i := range c.Writes {
		w := &c.Writes[i]
		t := &target{Write: w, made: !w.Exists}
		p.targets = append(p.targets, t)
		if !w.Exists {
			continue
		}
		if w.Kind == Entry {
			old, err := esp.ReadFile(w.FS, w.Name, maxText)
			if err != nil {
				return err
			}
			t.old = old
		}
		// What is not right under a name that says what is in it is what a dead run left. It can't be completed: vfat can't
		// append to a file that has more clusters than its length says. An empty file may be such a one.
		if len(t.old) == 0 {
			p.drops = append(p.drops, w.Place)
			t.made = true
		}
	}
	if l := c.LoaderConf; l != nil && l.Before != nil && len(l.Before) == 0 {
		p.drops = append(p.drops, l.Place)
		made := *l
		made.Before, made.Detour = nil, nil
		c.LoaderConf = &made
	}
	for _, b := range c.Blank {
		old, err := esp.ReadFile(b.FS, b.Name, maxText)
		if err != nil {
			return err
		}
		p.blanks = append(p.blanks, blanked{b.Place, old, b.Remark})
	}
	p.lookForDirectories()
	return nil
}

// lookForDirectories finds those that are missing.
func (p *planner) lookForDirectories() {
	seen := make(map[Place]bool)
	var look func(Place)
	look = func(d Place) {
		if d.Name == "." || seen[d] {
			return
		}
		seen[d] = true
		if _, err := d.FS.Stat(d.Name); missing(err) {
			look(Place{d.FS, path.Dir(d.Name)})
			p.missing = append(p.missing, d)
		}
	}
	for _, t := range p.targets {
		look(Place{t.FS, path.Dir(t.Name)})
	}
	if c := p.change.LoaderConf; c != nil {
		look(Place{c.FS, path.Dir(c.Name)})
	}
}

// fitAll decides how each text gets there.
func (p *planner) fitAll() error {
	for _, t := range slices.Clone(p.targets) {
		if t.Kind == Entry {
			p.fit(t)
		}
	}
	c := p.change.LoaderConf
	if c == nil {
		return nil
	}
	now, after := c.Before, c.After
	if after == nil {
		after = c.Before
	}
	if text, _ := p.detour(); p.first && text != nil {
		now = text
	}
	if after == nil || now != nil && sameText(now, after) {
		return nil
	}
	p.conf = &target{Write: &Write{Place: c.Place, Kind: Entry, Text: after}, made: now == nil, old: now}
	p.fit(p.conf)
	return nil
}

// sameText reports whether two texts differ in newlines at the end at most.
func sameText(a, b []byte) bool {
	return bytes.Equal(bytes.TrimRight(a, "\n"), bytes.TrimRight(b, "\n"))
}

// fit decides how a text gets into its file.
func (p *planner) fit(t *target) {
	if t.made {
		t.text, t.old = t.Text, blank(len(t.Text))
		return
	}
	cluster := p.account(t.FS).space
	inPlace := func(size int) bool { return cluster.Rounded(int64(size)) == cluster.Rounded(int64(len(t.old))) }
	fitted, grow, ok := Fit(t.old, t.Text)
	if ok && inPlace(grow) {
		t.text, t.grow = fitted, grow
		return
	}
	// What is not an entry may be written sector by sector, the one that makes it an entry last.
	if size := max(len(t.old), len(t.Text)); isBlank(t.old) && inPlace(size) {
		t.text, t.grow = padTo(t.Text, size), size
		if len(t.text) == size {
			return
		}
	}
	// All that is left is a rename.
	t.staged = &target{Write: &Write{
		Place: p.stagedName(t.Place),
		Size:  int64(len(t.Text)), Text: t.Text,
	}, made: true}
	p.targets = append(p.targets, t.staged)
}

// stagedName is a name beside a file that nobody has.
func (p *planner) stagedName(beside Place) Place {
	dir := path.Dir(beside.Name)
	list, _ := beside.FS.ReadDir(dir) // what can't be read shows when it is written
	for ; ; p.staged++ {
		name := esp.StagedName(p.staged)
		if !slices.ContainsFunc(list, func(d fs.DirEntry) bool { return strings.EqualFold(d.Name(), name) }) {
			p.staged++
			return Place{beside.FS, path.Join(dir, name)}
		}
	}
}

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

// clear removes what dead runs left. The names first: the clusters are given to somebody else soon.
func (p *planner) clear() {
	p.phase = phaseClear
	p.drop(p.drops)
	if len(p.drops) > 0 {
		p.flush()
		p.release()
		p.flush() // until the FAT says so, too, a cut loses their clusters
	}
	p.stop = true
	if p.unsure && !p.first {
		p.checkSpace()
	}
}

// checkSpace looks how much disk space there is really.
func (p *planner) checkSpace() {
	p.phase = phaseDirectories
	p.stop = true
	for _, a := range p.accounts {
		if a.needed > 0 {
			p.step(Step{Op: OpSpace, Place: Place{a.fsys, "."}, Size: a.needed})
		}
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
		p.do(OpUpdate, b.Place)
		p.step(Step{Op: OpBlank, Place: b.Place, Offset: at, Size: size, Text: remarked(int(size), b.remark)})
		for _, t := range p.targets {
			if t.FS == b.FS && strings.EqualFold(t.Name, b.Name) {
				t.old = slices.Concat(b.old[:at], remarked(int(size), b.remark), b.old[at+size:])
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

// account is the account of a file system; measure has opened it.
func (p *planner) account(fsys esp.FS) *account {
	for _, a := range p.accounts {
		if a.fsys == fsys {
			return a
		}
	}
	return &account{fsys: fsys}
}

// measure holds what the change takes against the disk space, and decides whether what is stale goes first.
func (p *planner) measure() error {
	c := &p.change
	for _, fsys := range []esp.FS{c.Boot, c.ESP} {
		if fsys == nil || slices.ContainsFunc(p.accounts, func(a *account) bool { return a.fsys == fsys }) {
			continue
		}
		space, err := fsys.Space()
		if err != nil {
			return hinted(err, fsys)
		}
		p.accounts = append(p.accounts, &account{fsys: fsys, space: space})
	}
	if err := p.book(); err != nil {
		return err
	}
	for _, a := range p.accounts {
		if a.needed == 0 {
			continue
		}
		switch a.verdict(c.BootsWithoutStale) {
		case fitsMaybe:
			p.unsure = true
		case fitsLater:
			p.first = true
		case fitsMaybeThen:
			p.first, p.unsure = true, true
		case fitsNever:
			return a.err(c.BootsWithoutStale)
		}
	}
	return nil
}

// book fills the accounts.
func (p *planner) book() error {
	c := &p.change
	growth := make(map[Place]int64) // of each directory, in slots
	for _, t := range p.targets {
		a := p.account(t.FS)
		dir := Place{t.FS, path.Dir(t.Name)}
		switch {
		case t.made:
			a.add(t.Name, t.Size)
			growth[dir] += slots(t.Name)
		default: // in place, or beside itself
			if _, grow, ok := Fit(t.old, t.Text); !ok || a.space.Rounded(int64(grow)) != a.space.Rounded(int64(len(t.old))) {
				a.add(t.Name, t.Size)
				growth[dir] += slots(esp.StagedName(0))
			}
		}
	}
	if l := c.LoaderConf; l != nil {
		a := p.account(l.FS)
		if _, grow, ok := Fit(l.Before, l.After); l.After != nil && (l.Before == nil || !ok || a.space.Rounded(int64(grow)) > a.space.Rounded(int64(len(l.Before)))) {
			a.needed += a.space.Rounded(int64(max(len(l.After), len(l.Before)))) // a new one, or one beside it
		}
	}
	for _, dir := range p.missing {
		a := p.account(dir.FS)
		a.needed += a.space.Rounded(p.directorySize(dir))
		a.needed += a.space.Cluster // the one around it
		growth[Place{dir.FS, path.Dir(dir.Name)}] += slots(dir.Name) + 1
	}
	for dir, n := range growth {
		if !slices.Contains(p.missing, dir) {
			p.account(dir.FS).needed += p.account(dir.FS).space.Rounded(n * slotSize)
		}
	}
	planned := make(map[Place]int64)
	for _, t := range p.targets {
		planned[t.Place] = t.Size
	}
	for _, d := range p.drops {
		info, err := d.FS.Stat(d.Name)
		if missing(err) {
			continue
		}
		if err != nil {
			return err
		}
		a := p.account(d.FS)
		a.freed += a.space.Rounded(info.Size())
		if size, ok := planned[d]; ok {
			a.hidden += max(0, a.space.Rounded(size)-a.space.Rounded(info.Size()))
		} else if info.Size() == 0 {
			a.lost = true
		}
	}
	p.heads = make(map[Place]int64)
	for _, s := range slices.Concat(c.StaleEntries, c.StaleImages, c.StalePayload) {
		info, err := s.FS.Stat(s.Name)
		if missing(err) {
			continue
		}
		if err != nil {
			return err
		}
		a := p.account(s.FS)
		p.heads[s] = info.Size()
		a.stale += a.space.Rounded(info.Size())
		a.lost = a.lost || info.Size() == 0
	}
	return nil
}
