package crashfs

import (
	"io"
	"io/fs"
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// handle is an open file.
type handle struct {
	target
	fsys *FS
	name string
	off  int64
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
	return err
}

// Stat describes the file.
func (h *handle) Stat() (fs.FileInfo, error) {
	if _, err := h.fsys.machine.begin(h.fsys, OpStat, h.name); err != nil {
		return nil, err
	}
	return info{h.target}, nil
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
	if _, err := h.fsys.machine.begin(h.fsys, OpRead, h.name); err != nil {
		return 0, err
	}
	if off >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close has nothing to lose.
func (h *handle) Close() error { return nil }

// Write implements [io.Writer].
func (h *handle) Write(p []byte) (int, error) {
	n, err := h.WriteAt(p, h.off)
	h.off += int64(n)
	return n, err
}

// WriteAt implements [io.WriterAt]. What fits is written before ENOSPC is returned.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	half, err := h.fsys.machine.begin(h.fsys, OpWrite, h.name)
	if half {
		p = p[:len(p)/2]
	} else if err != nil {
		return 0, err
	}
	g := h.fsys.geometry
	have := g.clusters(int64(len(h.node.data)))
	if limit := (have + h.fsys.free()) * g.cluster(); off+int64(len(p)) > limit {
		p = p[:max(0, limit-off)]
		if err == nil {
			err = h.fsys.failed(OpWrite, h.name, syscall.ENOSPC)
		}
	}
	if len(p) > 0 {
		h.node.writeAt(p, off)
	}
	return len(p), err
}

// Sync brings the file's data to the disk.
func (h *handle) Sync() error {
	if _, err := h.fsys.machine.begin(h.fsys, OpSync, h.name); err != nil {
		return err
	}
	h.node.synced, h.node.dirty, h.node.frozen = h.node.data, false, true
	return nil
}
