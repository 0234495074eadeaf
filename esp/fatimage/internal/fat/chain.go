package fat

import (
	"fmt"
	"sort"
)

// extent is a run of clusters.
type extent struct {
	first, count uint32
	end          int64 // clusters of the chain up to here
}

// chain is a cluster chain as far as it was followed. A chain that jumps to and fro costs a read
// of the table for each cluster, so it is followed no further than what is read needs, and
// never again from its start.
type chain struct {
	extents []extent
	next    uint32 // the cluster to go on with
	ended   bool   // it has no more clusters
	err     error  // why it goes no further
}

// chains are those of a volume that were followed, by their first cluster. A cluster is
// followed once: where two chains meet, the later one ends in an error. That bounds the work on
// a table however hostile by its number of clusters.
type chains struct {
	table *table
	byID  map[uint32]*chain
	seen  bitmap
}

func newChains(v *Volume) *chains {
	// A window is small, since a chain may jump with every step.
	return &chains{table: newTable(v, 4<<10), byID: make(map[uint32]*chain)}
}

// from is the chain that starts at a cluster, followed at least up to n clusters where it has as many.
func (cs *chains) from(first uint32, n int64) *chain {
	c, ok := cs.byID[first]
	if !ok {
		c = &chain{next: first}
		cs.byID[first] = c
	}
	for c.length() < n && !c.ended && c.err == nil {
		c.err = cs.step(c)
	}
	return c
}

// step follows a chain by one cluster.
func (cs *chains) step(c *chain) error {
	v := cs.table.v
	at := c.next
	switch {
	case !v.has(at) && len(c.extents) == 0:
		return fmt.Errorf("%w: a chain starts at cluster %d of %d", ErrCorrupt, at, v.clusters)
	case !v.has(at):
		return fmt.Errorf("%w: a chain leads to cluster %d of %d", ErrCorrupt, at, v.clusters)
	case !cs.seen.add(at - firstCluster):
		return &sharedError{at}
	}
	next, err := cs.table.next(at)
	if err != nil {
		return err
	}
	if next == 0 {
		return fmt.Errorf("%w: cluster %d", errFree, at)
	}
	if end := len(c.extents) - 1; end >= 0 && at == c.extents[end].first+c.extents[end].count {
		c.extents[end].count++
		c.extents[end].end++
	} else {
		c.extents = append(c.extents, extent{at, 1, c.length() + 1})
	}
	c.next, c.ended = next, v.last(next)
	return nil
}

// length is the number of clusters followed so far.
func (c *chain) length() int64 {
	if len(c.extents) == 0 {
		return 0
	}
	return c.extents[len(c.extents)-1].end
}

// atLeast is an error where the chain has fewer than n clusters.
func (c *chain) atLeast(n int64) error {
	switch {
	case c.length() >= n:
		return nil
	case c.err != nil:
		return c.err
	}
	return fmt.Errorf("%w: a chain ends after %d of %d clusters", ErrCorrupt, c.length(), n)
}

// find gives the extent that holds a cluster of the chain, counted from 0.
func (c *chain) find(n int64) extent {
	return c.extents[sort.Search(len(c.extents), func(i int) bool { return c.extents[i].end > n })]
}

// sharedError says that a chain leads to a cluster where another one, or itself, came by.
type sharedError struct{ cluster uint32 }

func (e *sharedError) Error() string {
	return fmt.Sprintf("%v: a chain is a loop, or leads into another one, at cluster %d", ErrCorrupt, e.cluster)
}

func (e *sharedError) Unwrap() error { return ErrCorrupt }

// bitmap is a set of clusters that takes memory only around those that are in it.
type bitmap map[uint32]*[bitmapPage / 64]uint64

const bitmapPage = 4096 // clusters

// add puts a cluster into the set, and reports whether it is new there.
func (b *bitmap) add(n uint32) bool {
	if *b == nil {
		*b = make(bitmap)
	}
	page := (*b)[n/bitmapPage]
	if page == nil {
		page = new([bitmapPage / 64]uint64)
		(*b)[n/bitmapPage] = page
	}
	word, bit := &page[n%bitmapPage/64], uint64(1)<<(n%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}
