package fat

import (
	"fmt"
	"io"
)

// Open opens a file for reading. Its chain is followed as far as it is read, so that is where
// a damaged one is an error. An entry of another volume reads as garbage.
func (v *Volume) Open(e Entry) (*io.SectionReader, error) {
	if e.Size > v.Size() {
		return nil, fmt.Errorf("%w: the file is larger than the file system", ErrCorrupt)
	}
	return io.NewSectionReader(content{v, e.first}, 0, e.Size), nil
}

// content reads a chain as one piece.
type content struct {
	v     *Volume
	first uint32
}

// ReadAt implements [io.ReaderAt].
func (c content) ReadAt(p []byte, off int64) (int, error) {
	v, total := c.v, 0
	for total < len(p) {
		e, err := v.extent(c.first, off, int64(len(p)-total))
		if err != nil {
			return total, err
		}
		start := (e.end - int64(e.count)) * v.clusterSize
		n := min(int64(len(p)-total), e.end*v.clusterSize-off)
		at := v.dataAt + int64(e.first-firstCluster)*v.clusterSize + off - start
		m, err := v.r.ReadAt(p[total:total+int(n)], at)
		total += m
		off += int64(m)
		if int64(m) < n {
			return total, err
		}
	}
	return total, nil
}

// extent gives the part of a chain that holds the byte at off, with up to size bytes behind it.
func (v *Volume) extent(first uint32, off, size int64) (extent, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := off / v.clusterSize
	c := v.chains.from(first, (off+size+v.clusterSize-1)/v.clusterSize)
	if err := c.atLeast(n + 1); err != nil {
		return extent{}, err
	}
	return c.find(n), nil
}

// maxDirectory is what the specification allows a directory, in bytes.
const maxDirectory = 65536 * entrySize

// directoryBytes reads a directory.
func (v *Volume) directoryBytes(e Entry) ([]byte, error) {
	if e.root && v.width != 32 {
		b := make([]byte, v.rootSize)
		if _, err := v.r.ReadAt(b, v.rootAt); err != nil {
			return nil, fmt.Errorf("read root directory: %w", err)
		}
		return b, nil
	}
	v.mu.Lock()
	size, err := v.directorySize(v.chains, e)
	v.mu.Unlock()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := (content{v, e.first}).ReadAt(b, 0); err != nil {
		return nil, fmt.Errorf("read directory: %w", err)
	}
	return b, nil
}

// directorySize follows a directory's chain to its end.
func (v *Volume) directorySize(cs *chains, e Entry) (int64, error) {
	limit := max(maxDirectory/v.clusterSize, 1)
	c := cs.from(e.first, limit+1)
	switch {
	case c.length() > limit:
		return 0, fmt.Errorf("%w: a directory of more than %d clusters", ErrCorrupt, limit)
	case c.err != nil:
		return 0, c.err
	}
	return c.length() * v.clusterSize, nil
}
