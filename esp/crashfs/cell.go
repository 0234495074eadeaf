package crashfs

import "slices"

// cell is something that comes to the disk completely or not at all: the versions it had since the last flush of the disk's
// cache. The first one is on the disk for sure, the last one is what the running system has.
type cell[T any] struct {
	versions []T
	sent     int // the latest that was brought to the disk
}

func newCell[T any](v T) cell[T] { return cell[T]{versions: []T{v}} }

func (c *cell[T]) now() T     { return c.versions[len(c.versions)-1] }
func (c *cell[T]) set(v T)    { c.versions = append(c.versions, v) }
func (c *cell[T]) send()      { c.sent = len(c.versions) - 1 }
func (c *cell[T]) open() bool { return len(c.versions) > 1 }

// flush makes last what was sent.
func (c *cell[T]) flush() {
	c.versions = slices.Clone(c.versions[c.sent:])
	c.sent = 0
}

func (c cell[T]) clone() cell[T] {
	c.versions = slices.Clone(c.versions)
	return c
}
