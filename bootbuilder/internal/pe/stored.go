package pe

import (
	"io"
)

// CheckSum compares the CheckSum that an image carries with what its bytes add up to. set
// is false for an image that carries none (0), which says nothing about it.
func (im *Image) CheckSum() (set, right bool, err error) {
	stored := im.optional(optCheckSum)
	if stored == 0 {
		return false, false, nil
	}
	field := int64(im.opt + optCheckSum)
	var sum checksum
	for _, s := range []span{{0, field}, {field + 4, im.size}} {
		if s.off > field {
			sum.add(make([]byte, 4))
		}
		if _, err := io.Copy(writerFunc(sum.add), io.NewSectionReader(im.r, s.off, s.end-s.off)); err != nil {
			return true, false, err
		}
	}
	return true, sum.value() == stored, nil
}

// writerFunc is an [io.Writer] that never fails.
type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
