package crashfs

import (
	"bytes"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// node is a file or a directory, whatever its names.
type node struct {
	names map[string]*name // of a directory, by name in lower case; nil for a file
	slots int64            // of a directory: most bytes that its names ever took; FAT never shrinks it

	data   []byte // of a file, as the running system sees it
	synced []byte // as of the last Sync
	dirty  bool   // differs from synced
	frozen bool   // data is shared with another machine: copy before a change
}

// name is one name in a directory: the states that it went through since the directory was synced,
// the first one being on the disk, the last one what the running system sees.
type name struct{ states []target }

// target is what a name stands for: nothing, if node is nil.
type target struct {
	text string // in the letter case it was given
	node *node
}

func newDirectory() *node { return &node{names: make(map[string]*name), slots: directorySlots} }

func (n *node) isDir() bool { return n.names != nil }

func (n *name) now() target { return n.states[len(n.states)-1] }

// get is what a name stands for.
func (n *node) get(base string) target {
	if entry, ok := n.names[strings.ToLower(base)]; ok {
		return entry.now()
	}
	return target{}
}

// set makes a name stand for a node, or for nothing. One that stands for something keeps its
// letter case, as the slot of a file renamed over does.
func (n *node) set(base string, to *node) {
	key := strings.ToLower(base)
	entry, ok := n.names[key]
	if !ok {
		entry = &name{states: []target{{}}}
		n.names[key] = entry
	}
	if had := entry.now(); had.node != nil {
		base = had.text
	}
	entry.states = append(entry.states, target{base, to})
	n.slots = max(n.slots, n.slotBytes())
}

// sync forgets all states of a directory's names but the last.
func (n *node) sync() {
	for key, entry := range n.names {
		entry.states = slices.Clone(entry.states[len(entry.states)-1:])
		if entry.now().node == nil {
			delete(n.names, key)
		}
	}
}

// syncAll syncs all below, data too.
func (n *node) syncAll() {
	n.synced, n.dirty, n.frozen = n.data, false, true
	for _, entry := range n.names {
		if to := entry.now().node; to != nil {
			to.syncAll()
		}
	}
	n.sync()
}

// clone copies a tree with all that is pending.
func (n *node) clone(done map[*node]*node) *node {
	if n == nil || done[n] != nil {
		return done[n]
	}
	n.frozen = true
	c := *n
	done[n] = &c
	if n.isDir() {
		c.names = make(map[string]*name, len(n.names))
		for key, entry := range n.names {
			states := slices.Clone(entry.states)
			for i := range states {
				states[i].node = states[i].node.clone(done)
			}
			c.names[key] = &name{states}
		}
	}
	return &c
}

// writeAt changes a file's data, and lengthens it with zeros where off is behind its end.
func (n *node) writeAt(p []byte, off int64) {
	if n.frozen {
		n.data, n.frozen = bytes.Clone(n.data), false
	}
	if grow := off + int64(len(p)) - int64(len(n.data)); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
	}
	copy(n.data[off:], p)
	n.dirty = true
}

// list gives a directory's names as the running system sees them, sorted.
func (n *node) list() []target {
	var list []target
	for _, entry := range n.names {
		if t := entry.now(); t.node != nil {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b target) int { return strings.Compare(a.text, b.text) })
	return list
}

// info describes a node as FAT does: no owners, no modes, and here no clock.
type info struct{ target }

func (i info) Name() string       { return i.text }
func (i info) Size() int64        { return int64(len(i.node.data)) }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.node.isDir() }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.node.isDir() {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
