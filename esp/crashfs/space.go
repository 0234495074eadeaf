package crashfs

import (
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Geometry is how large a file system is.
type Geometry struct {
	Cluster  int64 // bytes; 0 for 512
	Capacity int64 // clusters; 0 for more than any test needs
	// Hidden are clusters that Space counts as free although they are not, as another
	// process that writes at the same time would have it.
	Hidden int64
}

const (
	defaultCluster = 512
	ample          = 1 << 40
	// What names take in a directory, in bytes: a slot for each 13 letters of a long name and one
	// for the short name; "." and ".." have one each.
	slotSize       = 32
	slotLetters    = 13
	directorySlots = 2 * slotSize
)

func (g Geometry) cluster() int64 {
	if g.Cluster == 0 {
		return defaultCluster
	}
	return g.Cluster
}

func (g Geometry) capacity() int64 {
	if g.Capacity == 0 {
		return ample
	}
	return g.Capacity
}

func (g Geometry) clusters(size int64) int64 { return (size + g.cluster() - 1) / g.cluster() }

// slotBytes is what the names take that a directory holds now.
func (d *disk) slotBytes(dir int) int64 {
	size := int64(directorySlots)
	for _, s := range d.nodes[dir].names {
		size += nameBytes(d.slots[s].entry.now().text)
	}
	return size
}

func nameBytes(base string) int64 {
	return slotSize * int64(1+(len(base)+slotLetters-1)/slotLetters)
}

// Used counts the clusters in use, the root directory's too. Those of a file that is held open are.
func (f *FS) Used() int64 {
	var sum int64
	seen := make(map[int]bool)
	for i := range f.disk.nodes {
		n := &f.disk.nodes[i]
		switch {
		case n.gone:
		case n.isDir:
			if i == root || n.slot != none || n.opens > 0 {
				sum += f.geometry.clusters(n.long)
			}
		case n.chain != none && !seen[n.chain]:
			seen[n.chain] = true
			sum += f.disk.chains[n.chain].taken.now()
		}
	}
	return sum
}

// Resize changes the geometry. What stands is not touched, even if it no longer fits.
func (f *FS) Resize(g Geometry) { f.geometry = g }

func (f *FS) available() int64 { return max(0, f.geometry.capacity()-f.geometry.Hidden-f.Used()) }

// Space says how much room there is, as statfs(2) would.
func (f *FS) Space() (esp.Space, error) {
	if _, err := f.begin(OpSpace, "."); err != nil {
		return esp.Space{}, err
	}
	if f.readOnly {
		return esp.Space{}, f.failed(OpSpace, ".", syscall.EROFS)
	}
	g := f.geometry
	return esp.Space{
		Free:    max(0, g.capacity()-f.Used()) * g.cluster(),
		Total:   g.capacity() * g.cluster(),
		Cluster: g.cluster(),
	}, nil
}

// roomForName fails where a directory would have to grow by a cluster that is not there.
// extra are clusters taken beside.
func (f *FS) roomForName(dir int, base string, extra int64) error {
	long := f.disk.nodes[dir].long
	slots := max(long, f.disk.slotBytes(dir)+nameBytes(base))
	if f.geometry.clusters(slots)-f.geometry.clusters(long)+extra > f.available() {
		return syscall.ENOSPC
	}
	return nil
}
