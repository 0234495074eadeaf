package fat

import (
	"fmt"
	"io"
	"slices"
	"sort"
)

// Open opens a file for reading. An entry of another volume reads as garbage.
func (v *Volume) Open(e Entry) (*io.SectionReader, error) {
	var s span
	if e.Size > 0 {
		if e.Size > v.Size() {
			return nil, fmt.Errorf("%w: the file is larger than the file system", ErrCorrupt)
		}
		extents, err := v.chain(e.first, uint32((e.Size+v.clusterSize-1)/v.clusterSize), true)
		if err != nil {
			return nil, err
		}
		s = newSpan(v, extents)
	}
	return io.NewSectionReader(s, 0, e.Size), nil
}

// span reads a chain as one piece.
type span struct {
	v       *Volume
	extents []extent
	ends    []int64 // where in the piece each extent ends
}

func newSpan(v *Volume, extents []extent) span {
	s := span{v: v, extents: extents, ends: make([]int64, len(extents))}
	var end int64
	for i, e := range extents {
		end += int64(e.count) * v.clusterSize
		s.ends[i] = end
	}
	return s
}

// ReadAt implements [io.ReaderAt].
func (s span) ReadAt(p []byte, off int64) (int, error) {
	total := 0
	i := sort.Search(len(s.ends), func(i int) bool { return s.ends[i] > off })
	for ; i < len(s.extents) && total < len(p); i++ {
		e := s.extents[i]
		within := off - (s.ends[i] - int64(e.count)*s.v.clusterSize)
		n := min(int64(len(p)-total), s.ends[i]-off)
		at := s.v.dataAt + int64(e.first-firstCluster)*s.v.clusterSize + within
		m, err := s.v.r.ReadAt(p[total:total+int(n)], at)
		total += m
		off += int64(m)
		if int64(m) < n {
			return total, err
		}
	}
	if total < len(p) {
		return total, io.EOF
	}
	return total, nil
}

// directoryBytes reads a directory whole, up to the two MiB that the specification allows.
func (v *Volume) directoryBytes(e Entry) ([]byte, error) {
	limit := 65536 * entrySize / v.clusterSize // clusters; more would be a loop
	if e.root && v.width != 32 {
		b := make([]byte, v.rootSize)
		if _, err := v.r.ReadAt(b, v.rootAt); err != nil {
			return nil, fmt.Errorf("read root directory: %w", err)
		}
		return b, nil
	}
	extents, err := v.chain(e.first, uint32(min(max(limit, 1), int64(v.clusters))), false)
	if err != nil {
		return nil, err
	}
	s := newSpan(v, extents)
	b := make([]byte, slices.Max(s.ends))
	if _, err := s.ReadAt(b, 0); err != nil {
		return nil, fmt.Errorf("read directory: %w", err)
	}
	return b, nil
}
