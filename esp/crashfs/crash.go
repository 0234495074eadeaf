package crashfs

import (
	"bytes"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
)

// CrashStates gives the states in which the disks may be found after a power cut now, each as a
// machine of its own with nothing pending. It gives all of them, if there are at most
// limit; else the telling ones (nothing of what is pending came to the disk, all of it, all but
// one, only one) and then random ones up to limit. A state may come more than once.
func (m *Machine) CrashStates(limit int, rng *rand.Rand) iter.Seq[*Machine] {
	return func(yield func(*Machine) bool) {
		p := m.pending()
		for choice := range choices(p.sizes, limit, rng) {
			if !yield(p.crashed(m, choice)) {
				return
			}
		}
	}
}

// pending is what a power cut leaves open: for each name that of its states, and for each
// file that of its contents, which is found on the disk.
type pending struct {
	names    map[*name]int // index into sizes
	files    map[*node]int
	contents map[*node][][]byte
	sizes    []int
}

func (m *Machine) pending() *pending {
	p := &pending{names: make(map[*name]int), files: make(map[*node]int), contents: make(map[*node][][]byte)}
	for _, f := range m.mounts {
		p.add(f.root, f.geometry.cluster())
	}
	return p
}

// add goes through a tree in an order that does not change from run to run.
func (p *pending) add(n *node, cluster int64) {
	if n.dirty {
		if _, ok := p.files[n]; !ok {
			p.files[n] = len(p.sizes)
			p.contents[n] = n.unsynced(cluster)
			p.sizes = append(p.sizes, len(p.contents[n]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(n.names)) {
		entry := n.names[key]
		if len(entry.states) > 1 {
			p.names[entry] = len(p.sizes)
			p.sizes = append(p.sizes, len(entry.states))
		}
		for _, t := range entry.states {
			if t.node != nil {
				p.add(t.node, cluster)
			}
		}
	}
}

// unsynced are the contents that a file with unsynced data may be found with, from nothing
// having come to the disk to all.
func (n *node) unsynced(cluster int64) [][]byte {
	half := int64(len(n.data)) / 2 / cluster * cluster
	var list [][]byte
	for _, c := range [][]byte{n.synced, n.data[:half], make([]byte, len(n.data)), n.data} {
		if !slices.ContainsFunc(list, func(other []byte) bool { return bytes.Equal(other, c) }) {
			list = append(list, c)
		}
	}
	return list
}

// crashed spells out one choice.
func (p *pending) crashed(m *Machine, choice []int) *Machine {
	c := NewMachine()
	for _, f := range m.mounts {
		c.Mount(f.dir, f.geometry).root = p.onDisk(f.root, choice)
	}
	return c
}

func (p *pending) onDisk(n *node, choice []int) *node {
	if !n.isDir() {
		data := n.data
		if i, ok := p.files[n]; ok {
			data = p.contents[n][choice[i]]
		}
		return &node{data: data, synced: data, frozen: true}
	}
	c := newDirectory()
	for key, entry := range n.names {
		t := entry.now()
		if i, ok := p.names[entry]; ok {
			t = entry.states[choice[i]]
		}
		if t.node != nil {
			c.names[key] = &name{[]target{{t.text, p.onDisk(t.node, choice)}}}
		}
	}
	c.slots = max(n.slots, c.slotBytes())
	return c
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
