package fat

import "fmt"

// firstCluster is the number of the first cluster: entries 0 and 1 of a table are no clusters.
const firstCluster = 2

// has reports whether c is the number of a cluster.
func (v *Volume) has(c uint32) bool { return c >= firstCluster && c-firstCluster < v.clusters }

// table reads a file allocation table through a window, for one walk over it.
type table struct {
	v      *Volume
	start  int64 // of the window, from the table's start
	window []byte
}

// newTable has a window of size bytes: large for a walk in order, small for a chain, which may
// jump with every step.
func newTable(v *Volume, size int64) *table {
	return &table{v: v, window: make([]byte, 0, min(size, v.tableSize))}
}

// next is the raw entry of a cluster, which exists.
func (t *table) next(c uint32) (uint32, error) {
	var at, n int64
	switch t.v.width {
	case 12:
		at, n = int64(c)+int64(c)/2, 2
	case 16:
		at, n = int64(c)*2, 2
	default:
		at, n = int64(c)*4, 4
	}
	if at < t.start || at+n > t.start+int64(len(t.window)) {
		if err := t.load(at); err != nil {
			return 0, err
		}
	}
	b := t.window[at-t.start:]
	switch word := uint32(b[0]) | uint32(b[1])<<8; {
	case t.v.width == 32:
		return (word | uint32(b[2])<<16 | uint32(b[3])<<24) & 0x0fffffff, nil
	case t.v.width == 12 && c%2 == 1:
		return word >> 4, nil
	case t.v.width == 12:
		return word & 0xfff, nil
	default:
		return word, nil
	}
}

// load moves the window over what lies at an offset, and all of an entry that starts there.
func (t *table) load(at int64) error {
	t.start, t.window = at, t.window[:min(int64(cap(t.window)), t.v.tableSize-at)]
	if _, err := t.v.r.ReadAt(t.window, t.v.tableAt+at); err != nil {
		t.window = t.window[:0]
		return fmt.Errorf("read file allocation table: %w", err)
	}
	return nil
}

// last reports whether an entry marks the end of a chain.
func (v *Volume) last(entry uint32) bool {
	switch v.width {
	case 12:
		return entry >= 0xff8
	case 16:
		return entry >= 0xfff8
	default:
		return entry >= 0x0ffffff8
	}
}

// Free counts the bytes in free clusters.
func (v *Volume) Free() (int64, error) {
	t := newTable(v, 64<<10)
	var free int64
	for c := range v.clusters {
		entry, err := t.next(c + firstCluster)
		if err != nil {
			return 0, err
		}
		if entry == 0 {
			free++
		}
	}
	return free * v.clusterSize, nil
}
