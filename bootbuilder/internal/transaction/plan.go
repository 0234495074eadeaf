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
		p.phase = phaseDirectories
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
	empty  []Place         // what of that has no content, but may have clusters
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
