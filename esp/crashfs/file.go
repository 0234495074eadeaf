package crashfs

import (
	"io"
	"io/fs"
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// handle is an open file.
type handle struct {
	fsys   *FS
	name   string
	node   int
	off    int64
	closed bool
}

var (
	_ esp.File   = (*handle)(nil)
	_ esp.Writer = (*writer)(nil)
)

// writer is a handle whose Close counts as an operation: it may report a late error.
type writer struct{ *handle }

// Close ends the writing; it syncs nothing.
func (w *writer) Close() error {
	_, err := w.fsys.machine.begin(w.fsys, OpClose, w.name)
	if cerr := w.handle.Close(); err == nil {
		err = cerr
	}
	return err
}

// Stat describes the file.
func (h *handle) Stat() (fs.FileInfo, error) {
	if _, err := h.fsys.begin(OpStat, h.name); err != nil {
		return nil, err
	}
	return h.fsys.info(h.node), nil
}

// Read implements [io.Reader].
func (h *handle) Read(p []byte) (int, error) {
	n, err := h.ReadAt(p, h.off)
	h.off += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt implements [io.ReaderAt].
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	if _, err := h.fsys.begin(OpRead, h.name); err != nil {
		return 0, err
	}
	data := h.fsys.content(h.node)
	if off >= int64(len(data)) {
		return 0, io.EOF
	}
	n := copy(p, data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close gives back the clusters of a file that has no name any more.
func (h *handle) Close() error {
	if !h.closed && !h.fsys.machine.off {
		h.closed = true
		h.fsys.disk.nodes[h.node].opens--
		h.fsys.free(h.node)
	}
	return nil
}

// Write implements [io.Writer].
func (h *handle) Write(p []byte) (int, error) {
	n, err := h.WriteAt(p, h.off)
	h.off += int64(n)
	return n, err
}

// WriteAt implements [io.WriterAt]. What fits is written before ENOSPC is returned.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	half, err := h.fsys.begin(OpWrite, h.name)
	if half {
		// A sector comes to the disk completely or not at all.
		end := (off + int64(len(p))/2) / esp.SectorSize * esp.SectorSize
		p = p[:max(0, end-off)]
	} else if err != nil {
		return 0, err
	}
	f := h.fsys
	node := &f.disk.nodes[h.node]
	end := off + int64(len(p))
	if f.geometry.clusters(end) > node.blocks && f.overlong(h.node) {
		return 0, f.failed(OpWrite, h.name, f.damage())
	}
	if limit := (node.blocks + f.available()) * f.geometry.cluster(); end > limit {
		p = p[:max(0, limit-off)]
		if err == nil {
			err = f.failed(OpWrite, h.name, syscall.ENOSPC)
		}
	}
	if len(p) > 0 {
		f.write(h.node, p, off)
	}
	return len(p), err
}

// overlong reports whether a file has more clusters than the kernel thinks, which counts them from the length.
func (f *FS) overlong(n int) bool {
	node := &f.disk.nodes[n]
	return node.chain != none && f.disk.chains[node.chain].taken.now() != node.blocks
}

// write changes a file.
func (f *FS) write(n int, p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	node := &f.disk.nodes[n]
	end := off + int64(len(p))
	f.grow(n, f.geometry.clusters(end))
	if off > node.size {
		f.disk.chains[node.chain].write(make([]byte, off-node.size), node.size)
	}
	f.disk.chains[node.chain].write(p, off)
	if end > node.size {
		node.size, node.dirty = end, true
	}
}

// grow gives a file so many clusters.
func (f *FS) grow(n int, blocks int64) {
	node := &f.disk.nodes[n]
	if blocks <= node.blocks {
		return
	}
	if node.chain == none {
		node.chain, node.dirty = f.disk.newChain(), true
	}
	node.blocks = blocks
	f.disk.chains[node.chain].taken.set(blocks)
}

// Allocate gives the file clusters, and leaves its length.
func (h *handle) Allocate(size int64) error {
	if _, err := h.fsys.begin(OpAllocate, h.name); err != nil {
		return err
	}
	f := h.fsys
	blocks := f.geometry.clusters(size)
	switch have := f.disk.nodes[h.node].blocks; {
	case blocks > have && f.overlong(h.node):
		return f.failed(OpAllocate, h.name, f.damage())
	case blocks-have > f.available():
		return f.failed(OpAllocate, h.name, syscall.ENOSPC)
	}
	f.grow(h.node, blocks)
	return nil
}

// Truncate cuts the file, and gives back clusters behind its end.
func (h *handle) Truncate(size int64) error {
	if _, err := h.fsys.begin(OpTruncate, h.name); err != nil {
		return err
	}
	node := &h.fsys.disk.nodes[h.node]
	if size < node.size {
		node.size, node.dirty = size, true
	}
	if blocks := h.fsys.geometry.clusters(node.size); blocks < node.blocks {
		node.blocks = blocks
		h.fsys.disk.chains[node.chain].taken.set(blocks)
	}
	return nil
}

// StartSend promises nothing: what was written may be on the disk or not, as before.
func (h *handle) StartSend() error { return nil }

// Send brings the file's content to the disk, neither its start nor its length, and does not flush the disk's cache.
func (h *handle) Send() error {
	if _, err := h.fsys.begin(OpSend, h.name); err != nil {
		return err
	}
	if c := h.fsys.disk.nodes[h.node].chain; c != none {
		h.fsys.disk.sendData(c)
	}
	return nil
}

// Sync brings content, start and length to the disk, and which clusters are taken; of a directory what SyncDir does. It flushes the disk's cache.
func (h *handle) Sync() error {
	if _, err := h.fsys.begin(OpSync, h.name); err != nil {
		return err
	}
	d := h.fsys.disk
	if d.nodes[h.node].isDir {
		h.fsys.syncDirectory(h.node)
		return nil
	}
	d.writeNode(h.node)
	if c := d.nodes[h.node].chain; c != none {
		d.sendData(c)
	}
	d.sendTables()
	d.flush()
	return nil
}
