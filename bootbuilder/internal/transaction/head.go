package transaction

import (
	"io"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// headLater keeps a file's first sector in memory: until it is written, a program without its MZ is none. Who
// signs the program may read and change it meanwhile.
type headLater struct {
	esp.Writer
	head [esp.SectorSize]byte
	size int // of head, as far as it was written
	pos  int64
}

// WriteAt implements [io.WriterAt].
func (h *headLater) WriteAt(p []byte, off int64) (int, error) {
	n := 0
	if off < int64(len(h.head)) {
		n = copy(h.head[off:], p)
		h.size = max(h.size, int(off)+n)
	}
	if n == len(p) {
		return n, nil
	}
	m, err := h.Writer.WriteAt(p[n:], off+int64(n))
	return n + m, err
}

// Write implements [io.Writer].
func (h *headLater) Write(p []byte) (int, error) {
	n, err := h.WriteAt(p, h.pos)
	h.pos += int64(n)
	return n, err
}

// ReadAt implements [io.ReaderAt].
func (h *headLater) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(h.size) {
		return h.Writer.ReadAt(p, off)
	}
	n := copy(p, h.head[off:h.size])
	if n == len(p) {
		return n, nil
	}
	if h.size < len(h.head) {
		return n, io.EOF
	}
	m, err := h.Writer.ReadAt(p[n:], off+int64(n))
	return n + m, err
}
