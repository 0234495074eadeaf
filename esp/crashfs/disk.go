package crashfs

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// none is no node, no chain, no slot.
const none = -1

// disk is one file system: what is on the disk, and what is pending. Its parts name each other by their index.
type disk struct {
	nodes  []node
	slots  []slot
	chains []chain
}

// node is a file or a directory, as the running system has it.
type node struct {
	isDir bool
	slot  int // where its start and length belong, none once its name is gone
	chain int
	size  int64
	// blocks is how many clusters the kernel thinks it has: it counts from the length.
	blocks int64
	dirty  bool // start or length are not in the slot
	opens  int  // how often it is held open
	gone   bool // nothing leads there any more

	names map[string]int // of a directory: slots by name in lower case
	long  int64          // of a directory: most bytes that its names ever took; FAT never shrinks it
	ready cell[bool]     // of a directory: its first cluster holds no garbage
	// madeIn is the directory that a directory was made in: with that its first cluster comes to the disk.
	madeIn int
}

// slot is a name in a directory.
type slot struct {
	parent int // a node; none where it is of no use any more
	entry  cell[entry]
	quiet  bool // it comes to the disk only when it is brought there
}

// entry is what a slot holds; no text is no name.
type entry struct {
	text  string
	node  int
	chain int
	size  int64
}

// chain is clusters, in order.
type chain struct {
	taken cell[int64] // how many of them the FAT has
	data  cell[[]byte]
	fresh bool // the last version of data may be written to
}

// root is the root directory.
const root = 0

func newDisk() *disk {
	d := &disk{}
	d.newNode(true)
	d.nodes[root].ready = newCell(true)
	return d
}

func (d *disk) newNode(isDir bool) int {
	n := node{isDir: isDir, slot: none, chain: none, madeIn: none, ready: newCell(false)}
	if isDir {
		n.names, n.long = make(map[string]int), directorySlots
	}
	d.nodes = append(d.nodes, n)
	return len(d.nodes) - 1
}

func (d *disk) newChain() int {
	d.chains = append(d.chains, chain{taken: newCell(int64(0)), data: newCell[[]byte](nil)})
	return len(d.chains) - 1
}

// get is the node that a name in a directory stands for.
func (d *disk) get(dir int, base string) int {
	if s, ok := d.nodes[dir].names[strings.ToLower(base)]; ok {
		return d.slots[s].entry.now().node
	}
	return none
}

// text is a node's name.
func (d *disk) text(n int) string {
	if s := d.nodes[n].slot; s != none {
		return d.slots[s].entry.now().text
	}
	return "."
}

// link gives a node a name in a directory. Its start and length get there when the node is written; those of a new directory
// are there at once.
func (d *disk) link(dir int, base string, n int, start int) {
	s := slot{parent: dir, entry: newCell(entry{node: none, chain: none})}
	e := entry{text: base, node: n, chain: start}
	if alias := d.alias(dir, base); alias != base {
		half := e
		half.text = alias
		s.entry.set(half)
	}
	s.entry.set(e)
	d.slots = append(d.slots, s)
	d.nodes[n].slot = len(d.slots) - 1
	p := &d.nodes[dir]
	p.names[strings.ToLower(base)] = len(d.slots) - 1
	p.long = max(p.long, d.slotBytes(dir))
	p.dirty = true // its times
}

// unlink takes a name away.
func (d *disk) unlink(s int) {
	sl := &d.slots[s]
	e := sl.entry.now()
	d.nodes[sl.parent].dirty = true
	delete(d.nodes[sl.parent].names, strings.ToLower(e.text))
	if alias := d.alias(sl.parent, e.text); alias != e.text {
		half := e
		half.text = alias
		sl.entry.set(half)
	}
	sl.entry.set(entry{node: none, chain: none})
}

// alias is the name under which a file is found whose long name is lost.
func (d *disk) alias(dir int, base string) string {
	stem, ext, _ := strings.Cut(base, ".")
	if i := strings.LastIndexByte(base, '.'); i > 0 {
		stem, ext = base[:i], base[i+1:]
	}
	if base == strings.ToUpper(base) && len(stem) <= 8 && len(ext) <= 3 && !strings.Contains(stem, ".") {
		return base
	}
	stem = strings.ToUpper(strings.Map(func(r rune) rune {
		switch r {
		case '.', ' ':
			return -1
		case '+':
			return '_'
		}
		return r
	}, stem))
	if ext = strings.ToUpper(ext[:min(3, len(ext))]); ext != "" {
		ext = "." + ext
	}
	if strings.EqualFold(stem+ext, base) && len(stem) <= 8 {
		return base // the same name to all who don't tell letter cases apart
	}
	taken := make(map[string]bool)
	for i := range d.slots {
		if d.slots[i].parent != dir {
			continue
		}
		for _, e := range d.slots[i].entry.versions {
			if strings.IndexByte(e.text, '~') >= 0 {
				taken[e.text] = true
			}
		}
	}
	for n := 1; ; n++ {
		tail := "~" + strconv.Itoa(n)
		if name := stem[:min(8-len(tail), len(stem))] + tail + ext; !taken[name] {
			return name
		}
	}
}

// free gives a node's clusters back, once nothing leads there. It reports damage that Linux finds thereby.
func (d *disk) free(n int) (damaged bool) {
	node := &d.nodes[n]
	if node.slot != none || node.opens > 0 || node.gone {
		return false
	}
	node.gone = true
	if node.chain == none {
		return false
	}
	c := &d.chains[node.chain]
	damaged = c.taken.now() == 0
	c.taken.set(0)
	return damaged
}

// writeNode puts a node's start and length into its slot, and brings the sector to the disk that has it. The one with the long
// part of the name may be another.
func (d *disk) writeNode(n int) {
	node := &d.nodes[n]
	if node.slot == none || !node.dirty {
		return
	}
	node.dirty = false
	s := &d.slots[node.slot].entry
	e := s.now()
	e.chain, e.size = node.chain, node.size
	if q := &d.slots[node.slot].quiet; *q {
		s.versions, *q = s.versions[:s.sent+1], false
	}
	for _, half := range s.versions {
		if half.node == n && half.text != e.text {
			half.chain, half.size = e.chain, e.size
			s.set(half)
			s.send()
			s.set(e)
			return
		}
	}
	s.set(e)
	s.send()
}

// sendTables brings to the disk which clusters are taken.
func (d *disk) sendTables() {
	for i := range d.chains {
		d.chains[i].taken.send()
	}
}

// sendDirectory brings a directory's own sectors to the disk, and the first ones of directories in it.
func (d *disk) sendDirectory(dir int) {
	for i := range d.slots {
		if s := &d.slots[i]; s.parent == dir {
			s.entry.send()
			s.quiet = false
		}
	}
	for i := range d.nodes {
		if n := &d.nodes[i]; n.madeIn == dir {
			n.ready.send()
		}
	}
}

// sendAll brings everything to the disk.
func (d *disk) sendAll() {
	for i := range d.nodes {
		d.writeNode(i)
		d.nodes[i].ready.send()
	}
	for i := range d.slots {
		d.slots[i].entry.send()
		d.slots[i].quiet = false
	}
	for i := range d.chains {
		d.sendData(i)
	}
	d.sendTables()
}

func (d *disk) sendData(c int) {
	d.chains[c].data.send()
	d.chains[c].fresh = false
}

// flush makes the disk keep what it was brought.
func (d *disk) flush() {
	for i := range d.nodes {
		d.nodes[i].ready.flush()
	}
	for i := range d.slots {
		s := &d.slots[i]
		s.entry.flush()
		if !s.entry.open() && s.entry.now().text == "" {
			s.parent = none
		}
	}
	for i := range d.chains {
		d.chains[i].taken.flush()
		d.chains[i].data.flush()
	}
}

// write changes content, and lengthens it with garbage where off is behind its end.
func (c *chain) write(p []byte, off int64) {
	data := c.data.now()
	if !c.fresh {
		data = bytes.Clone(data)
		c.data.set(data)
		c.fresh = true
	}
	if end := off + int64(len(p)); end > int64(len(data)) {
		data = append(data, garbage(int64(len(data)), end)...)
	}
	copy(data[off:], p)
	c.data.versions[len(c.data.versions)-1] = data
}

// garbage is what is found where nothing was written: what somebody deleted.
func garbage(from, to int64) []byte {
	sector := []byte("MZ\ntitle deleted\nefi /EFI/deleted.efi\noptions deleted\n")
	sector = append(sector, bytes.Repeat([]byte("#"), esp.SectorSize-len(sector))...)
	b := make([]byte, 0, to-from)
	for at := from; at < to; {
		part := sector[at%esp.SectorSize:]
		part = part[:min(int64(len(part)), to-at)]
		b = append(b, part...)
		at += int64(len(part))
	}
	return b
}

// Damaged begins the content of a file that a power cut damaged; what is wrong with it follows.
const Damaged = "\x00damaged: "

// content is what a file holds that starts with a chain and has a length.
func (d *disk) content(chain int, size, cluster int64) []byte {
	if size == 0 {
		return nil
	}
	damaged := func(what string) []byte {
		return append([]byte(Damaged+what), make([]byte, max(0, size-int64(len(Damaged+what))))...)
	}
	if chain == none {
		return damaged("no clusters")
	}
	c := &d.chains[chain]
	switch taken := c.taken.now(); {
	case taken == 0:
		return damaged("clusters marked free")
	case taken*cluster < size:
		return damaged("chain cut")
	}
	data := c.data.now()
	if int64(len(data)) < size {
		return slices.Concat(data, garbage(int64(len(data)), size))
	}
	return data[:size]
}

// harmed reports whether a directory holds garbage.
func (d *disk) harmed(n int) bool {
	node := &d.nodes[n]
	return node.isDir && n != root && (!node.ready.now() || node.chain == none || d.chains[node.chain].taken.now() == 0)
}

// children are the nodes in a directory, sorted by name.
func (d *disk) children(dir int) []int {
	var list []int
	for _, s := range d.nodes[dir].names {
		list = append(list, d.slots[s].entry.now().node)
	}
	slices.SortFunc(list, func(a, b int) int { return strings.Compare(d.text(a), d.text(b)) })
	return list
}

// settle brings all to the disk.
func (d *disk) settle() {
	d.sendAll()
	d.flush()
}

// clone copies a disk with all that is pending. What is held open is not in the copy.
func (d *disk) clone() *disk {
	c := &disk{nodes: slices.Clone(d.nodes), slots: slices.Clone(d.slots), chains: slices.Clone(d.chains)}
	for i := range c.nodes {
		c.nodes[i].names = maps.Clone(c.nodes[i].names)
		c.nodes[i].ready = c.nodes[i].ready.clone()
	}
	for i := range c.slots {
		c.slots[i].entry = c.slots[i].entry.clone()
	}
	for i := range c.chains {
		d.chains[i].fresh = false
		c.chains[i] = chain{taken: d.chains[i].taken.clone(), data: d.chains[i].data.clone()}
	}
	return c
}
