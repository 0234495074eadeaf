package crashfs

import (
	"bytes"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// CrashStates gives the states in which the disks may be found after a power cut now, each as a
// machine of its own with nothing pending. It gives all of them, if there are at most
// limit; else the telling ones (nothing of what is pending came to the disk, all of it, all but
// one, only one) and then random ones up to limit. A state may come more than once.
func (m *Machine) CrashStates(limit int, rng *rand.Rand) iter.Seq[*Machine] {
	return func(yield func(*Machine) bool) {
		var sizes []int
		var all []*pending
		for _, f := range m.mounts {
			p := newPending(f.disk)
			all = append(all, p)
			sizes = append(sizes, p.sizes...)
		}
		for choice := range choices(sizes, limit, rng) {
			c := NewMachine()
			at := 0
			for i, f := range m.mounts {
				n := len(all[i].sizes)
				c.Mount(f.dir, f.geometry).disk = all[i].crashed(choice[at:at+n], f.geometry.cluster())
				at += n
			}
			if !yield(c) {
				return
			}
		}
	}
}

// pending is what a power cut leaves open, of one disk: for each part, which of its versions is found.
type pending struct {
	disk   *disk
	choose []func(c *found, n int) // one for each part that is open
	sizes  []int                   // how many versions it has
}

// found is what was chosen: of slots, chains and directories.
type found struct {
	entry map[int]entry
	taken map[int]int64
	data  map[int][]byte
	ready map[int]bool
}

// newPending goes through a disk in an order that does not change from run to run.
func newPending(d *disk) *pending {
	p := &pending{disk: d}
	for i, s := range d.slots {
		if s.parent == none {
			continue
		}
		list := s.entry.versions
		if s.quiet {
			list = list[:s.entry.sent+1]
		}
		p.always(len(list), len(list) < len(s.entry.versions), func(c *found, n int) { c.entry[i] = list[n] })
	}
	for i, ch := range d.chains {
		p.add(len(ch.taken.versions), func(c *found, n int) { c.taken[i] = ch.taken.versions[n] })
		list := mixes(ch.data.versions)
		p.add(len(list), func(c *found, n int) { c.data[i] = list[n] })
	}
	for i, n := range d.nodes {
		p.add(len(n.ready.versions), func(c *found, k int) { c.ready[i] = n.ready.versions[k] })
	}
	return p
}

func (p *pending) add(size int, choose func(c *found, n int)) { p.always(size, false, choose) }

// always adds a part, even one that has one version only.
func (p *pending) always(size int, always bool, choose func(c *found, n int)) {
	if size < 2 && !always {
		return
	}
	p.sizes = append(p.sizes, size)
	p.choose = append(p.choose, choose)
}

// mixes are the contents that a chain may be found with: each version, and some of the mixes of their sectors.
func mixes(versions [][]byte) [][]byte {
	if len(versions) == 1 {
		return versions
	}
	var list [][]byte
	add := func(b []byte) {
		if !slices.ContainsFunc(list, func(other []byte) bool { return bytes.Equal(other, b) }) {
			list = append(list, b)
		}
	}
	size := int64(len(versions[len(versions)-1]))
	full := func(b []byte) []byte {
		return append(slices.Clone(b), garbage(int64(len(b)), max(size, int64(len(b))))...)
	}
	before, after := full(versions[0]), full(versions[len(versions)-1])
	add(before)
	half := size / 2 / esp.SectorSize * esp.SectorSize
	first := min(esp.SectorSize, size)
	add(slices.Concat(after[:half], before[half:]))
	add(slices.Concat(before[:half], after[half:]))
	add(slices.Concat(after[:first], before[first:]))
	add(slices.Concat(before[:first], after[first:]))
	for _, v := range versions[1:] {
		add(full(v))
	}
	if i := slices.IndexFunc(list, func(b []byte) bool { return bytes.Equal(b, after) }); i >= 0 {
		list = append(slices.Delete(list, i, i+1), after) // the last is what the running system sees
	}
	return list
}

// crashed spells out one choice: the disk as it is mounted again.
func (p *pending) crashed(choice []int, cluster int64) *disk {
	chosen := &found{entry: map[int]entry{}, taken: map[int]int64{}, data: map[int][]byte{}, ready: map[int]bool{}}
	for i, n := range choice {
		p.choose[i](chosen, n)
	}
	m := &mounting{from: p.disk, to: newDisk(), chosen: chosen, cluster: cluster, chains: make(map[int]int), slots: make(map[int][]int)}
	for i, s := range p.disk.slots {
		if s.parent != none {
			m.slots[s.parent] = append(m.slots[s.parent], i)
		}
	}
	m.directory(root, root)
	return m.to
}

// mounting builds the disk that is found.
type mounting struct {
	from, to *disk
	chosen   *found
	cluster  int64
	slots    map[int][]int // by directory
	chains   map[int]int   // from one disk to the other
}

func (m *mounting) directory(from, to int) {
	for _, i := range m.slots[from] {
		e, ok := m.chosen.entry[i]
		if !ok {
			e = m.from.slots[i].entry.now()
		}
		if e.text == "" || m.to.get(to, e.text) != none {
			continue // of two of the same name, the first is found
		}
		old := &m.from.nodes[e.node]
		n := m.to.newNode(old.isDir)
		node := &m.to.nodes[n]
		node.chain, node.size = m.chain(e.chain), e.size
		node.blocks = (e.size + m.cluster - 1) / m.cluster
		ready, ok := m.chosen.ready[e.node]
		if !ok {
			ready = old.ready.now()
		}
		node.ready = newCell(ready)
		m.to.slots = append(m.to.slots, slot{parent: to, entry: newCell(entry{e.text, n, node.chain, e.size})})
		node.slot = len(m.to.slots) - 1
		m.to.nodes[to].names[strings.ToLower(e.text)] = node.slot
		if old.isDir {
			node.long = old.long
			m.directory(e.node, n)
		}
	}
	m.to.nodes[to].long = max(m.from.nodes[from].long, m.to.slotBytes(to))
}

func (m *mounting) chain(from int) int {
	if from == none {
		return none
	}
	if to, ok := m.chains[from]; ok {
		return to
	}
	to := m.to.newChain()
	m.chains[from] = to
	c, old := &m.to.chains[to], &m.from.chains[from]
	taken, ok := m.chosen.taken[from]
	if !ok {
		taken = old.taken.now()
	}
	data, ok := m.chosen.data[from]
	if !ok {
		data = old.data.now()
	}
	c.taken, c.data = newCell(taken), newCell(data)
	return to
}

// choices gives ways to pick one option of each, options being numbered from what is on
// the disk for sure (0) to what the running system sees.
func choices(sizes []int, limit int, rng *rand.Rand) iter.Seq[[]int] {
	total := 1
	for _, size := range sizes {
		if total *= size; total > limit {
			return sampled(sizes, limit, rng)
		}
	}
	return func(yield func([]int) bool) {
		choice := make([]int, len(sizes))
		for range total {
			if !yield(choice) {
				return
			}
			for i := range choice { // count up, the first digit fastest
				if choice[i]++; choice[i] < sizes[i] {
					break
				}
				choice[i] = 0
			}
		}
	}
}

func sampled(sizes []int, limit int, rng *rand.Rand) iter.Seq[[]int] {
	none, all := make([]int, len(sizes)), make([]int, len(sizes))
	for i, size := range sizes {
		all[i] = size - 1
	}
	return func(yield func([]int) bool) {
		n := 0
		give := func(choice []int) bool {
			n++
			return n <= limit && yield(choice)
		}
		if !give(none) || !give(all) {
			return
		}
		for _, i := range rng.Perm(len(sizes)) { // limit may not get to all
			for option := range sizes[i] {
				without, only := slices.Clone(all), slices.Clone(none)
				without[i], only[i] = option, option
				if option < sizes[i]-1 && !give(without) || option > 0 && !give(only) {
					return
				}
			}
		}
		for {
			choice := make([]int, len(sizes))
			for i, size := range sizes {
				choice[i] = rng.IntN(size)
			}
			if !give(choice) {
				return
			}
		}
	}
}
