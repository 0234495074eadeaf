package pe

import (
	"encoding/binary"
	"math"
)

// checksum adds up the PE CheckSum of a file that is written to it piece by piece,
// with its CheckSum field as zeros: the 16-bit little-endian words in one's complement
// arithmetic, plus the length in bytes.
type checksum struct {
	sum    uint64
	length uint64
	low    uint16 // the last byte, while the length is odd
}

func (c *checksum) add(p []byte) {
	if c.length%2 == 1 && len(p) > 0 {
		c.sum += uint64(c.low) | uint64(p[0])<<8
		c.length++
		p = p[1:]
	}
	c.length += uint64(len(p))
	// Carries come back in at the low end, so wider words add up to the same value.
	var low, high uint64
	for ; len(p) >= 8; p = p[8:] {
		word := binary.LittleEndian.Uint64(p)
		low += word & math.MaxUint32
		high += word >> 32
	}
	c.sum += low + high
	if len(p) >= 4 {
		c.sum += uint64(binary.LittleEndian.Uint32(p))
		p = p[4:]
	}
	if len(p) >= 2 {
		c.sum += uint64(binary.LittleEndian.Uint16(p))
		p = p[2:]
	}
	if len(p) == 1 {
		c.low = uint16(p[0])
	}
}

// put counts bytes at an offset where zeros were added before.
func (c *checksum) put(off int64, p []byte) {
	for i, b := range p {
		c.sum += uint64(b) << (8 * ((off + int64(i)) % 2))
	}
}

func (c *checksum) value() uint32 {
	sum := c.sum
	if c.length%2 == 1 {
		sum += uint64(c.low)
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint32(sum + c.length)
}
