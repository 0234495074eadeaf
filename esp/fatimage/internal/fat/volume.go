package fat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
)

// ErrNotFAT is returned by [Open] for bytes that hold no FAT file system.
var ErrNotFAT = errors.New("not a FAT file system")

// ErrCorrupt is returned for a FAT whose parts contradict each other.
var ErrCorrupt = errors.New("damaged FAT file system")

// Volume is a FAT file system. It is safe for concurrent use where its reader is.
type Volume struct {
	r           io.ReaderAt
	width       int // bits of a table entry: 12, 16 or 32
	clusterSize int64
	clusters    uint32 // their numbers start at 2
	tableAt     int64  // offsets and sizes in bytes
	tableSize   int64
	rootAt      int64 // FAT12 and FAT16: the root directory lies outside of the clusters
	rootSize    int64
	rootCluster uint32 // FAT32
	dataAt      int64

	mu     sync.Mutex // guards chains
	chains *chains
}

// bootSector is what the first sector says, in its own units.
type bootSector struct {
	sectorSize, sectorsPerCluster, reserved, tables int64
	rootEntries, sectors, tableSectors              int64
	rootCluster                                     uint32
	flags                                           uint16
	wide                                            bool // FAT32
}

// Open reads the boot sector of a file system that fills r from 0 to size.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	var b [512]byte
	if size < int64(len(b)) {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrNotFAT, size)
	}
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return nil, fmt.Errorf("read boot sector: %w", err)
	}
	boot, err := parseBoot(&b)
	if err != nil {
		return nil, err
	}
	if end := boot.sectors * boot.sectorSize; end > size {
		return nil, fmt.Errorf("%w: %d bytes long by its boot sector, but only %d are there", ErrCorrupt, end, size)
	}
	return boot.volume(r)
}

func parseBoot(b *[512]byte) (*bootSector, error) {
	switch name := string(b[3:11]); {
	case name == "EXFAT   ":
		return nil, fmt.Errorf("%w but exFAT, which no firmware has to read", ErrNotFAT)
	case name == "NTFS    ":
		return nil, fmt.Errorf("%w but NTFS", ErrNotFAT)
	case b[510] != 0x55 || b[511] != 0xaa:
		return nil, fmt.Errorf("%w: no boot sector", ErrNotFAT)
	case b[0] != 0xeb && b[0] != 0xe9:
		return nil, fmt.Errorf("%w: the boot sector starts with no jump", ErrNotFAT)
	}
	short := func(at int) int64 { return int64(binary.LittleEndian.Uint16(b[at:])) }
	long := func(at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }
	boot := &bootSector{
		sectorSize: short(11), sectorsPerCluster: int64(b[13]), reserved: short(14), tables: int64(b[16]),
		rootEntries: short(17), sectors: short(19), tableSectors: short(22),
	}
	if boot.sectors == 0 {
		boot.sectors = long(32)
	}
	if boot.tableSectors == 0 { // as Linux and mtools tell FAT32, whatever the number of clusters
		boot.wide = true
		boot.tableSectors = long(36)
		boot.flags = uint16(short(40))
		boot.rootCluster = uint32(long(44))
	}
	media := b[21]
	power := func(n int64) bool { return bits.OnesCount64(uint64(n)) == 1 }
	if !power(boot.sectorSize) || boot.sectorSize < 512 || boot.sectorSize > 4096 ||
		!power(boot.sectorsPerCluster) || boot.reserved == 0 || boot.tables == 0 ||
		boot.tableSectors == 0 || boot.sectors == 0 || media != 0xf0 && media < 0xf8 ||
		boot.wide && boot.rootEntries != 0 {
		return nil, fmt.Errorf("%w: the boot sector's parameters make no sense", ErrNotFAT)
	}
	return boot, nil
}

// volume works out where the parts lie.
func (b *bootSector) volume(r io.ReaderAt) (*Volume, error) {
	rootSectors := (b.rootEntries*entrySize + b.sectorSize - 1) / b.sectorSize
	dataSector := b.reserved + b.tables*b.tableSectors + rootSectors
	clusters := (b.sectors - dataSector) / b.sectorsPerCluster
	if clusters < 1 {
		return nil, fmt.Errorf("%w: no room for a single cluster", ErrCorrupt)
	}
	v := &Volume{
		r:           r,
		clusterSize: b.sectorsPerCluster * b.sectorSize,
		tableAt:     b.reserved * b.sectorSize,
		tableSize:   b.tableSectors * b.sectorSize,
		rootAt:      (dataSector - rootSectors) * b.sectorSize,
		rootSize:    b.rootEntries * entrySize,
		dataAt:      dataSector * b.sectorSize,
	}
	limit := int64(0xfff4)
	switch {
	case b.wide:
		v.width, limit = 32, 0x0ffffff4
	case clusters <= 0xff4:
		v.width = 12
	default:
		v.width = 16
	}
	if clusters > limit {
		return nil, fmt.Errorf("%w: %d clusters are too many for FAT%d", ErrCorrupt, clusters, v.width)
	}
	// A table may be too short for the data area; what it can't name doesn't exist.
	clusters = min(clusters, v.tableSize*8/int64(v.width)-firstCluster)
	if clusters < 1 {
		return nil, fmt.Errorf("%w: its table names no cluster", ErrCorrupt)
	}
	v.clusters = uint32(clusters)
	if b.wide {
		v.rootCluster = b.rootCluster
		if !v.has(v.rootCluster) {
			return nil, fmt.Errorf("%w: the root directory starts in cluster %d of %d", ErrCorrupt, v.rootCluster, v.clusters)
		}
		const oneActive = 0x80
		if active := int64(b.flags & 0xf); b.flags&oneActive != 0 {
			if active >= b.tables {
				return nil, fmt.Errorf("%w: table %d of %d is the active one", ErrCorrupt, active, b.tables)
			}
			v.tableAt += active * v.tableSize
		}
	}
	v.chains = newChains(v)
	return v, nil
}

// ClusterSize is the unit of allocation, in bytes.
func (v *Volume) ClusterSize() int64 { return v.clusterSize }

// Size is the room for files and directories, in bytes.
func (v *Volume) Size() int64 { return int64(v.clusters) * v.clusterSize }

// Width is the kind of FAT: 12, 16 or 32.
func (v *Volume) Width() int { return v.width }
