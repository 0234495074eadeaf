package pe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errDiffers ends a comparison early.
var errDiffers = errors.New("differs")

// Equal says whether a file of size bytes is exactly what [Assembly.WriteTo] writes.
func (a *Assembly) Equal(r io.ReaderAt, size int64) (bool, error) {
	if size != a.size {
		return false, nil
	}
	var sum checksum
	same, err := a.compare(r, &sum, span{a.checkSum, a.checkSum + 4})
	if err != nil || !same {
		return false, err
	}
	field, err := readAt(r, a.checkSum, 4)
	if err != nil {
		return false, fmt.Errorf("compare PE image: %w", err)
	}
	return binary.LittleEndian.Uint32(field) == sum.value(), nil
}

// EqualSigned says whether a file of size bytes is this image with a signature: the
// same but for CheckSum, Security directory, and an attribute certificate table at its
// end, with up to 7 zeros before it. Whether the signature is any good is not looked at.
func (a *Assembly) EqualSigned(r io.ReaderAt, size int64) (bool, error) {
	table := alignUp(a.size, certificateAlignment)
	if a.security == 0 || size <= table {
		return false, nil
	}
	var want [directorySize]byte
	binary.LittleEndian.PutUint32(want[:], uint32(table))
	binary.LittleEndian.PutUint32(want[4:], uint32(min(size-table, maxImage)))
	entry, err := readAt(r, a.security, directorySize)
	if err != nil {
		return false, fmt.Errorf("compare PE image: %w", err)
	}
	padding, err := readAt(r, a.size, int(table-a.size))
	if err != nil {
		return false, fmt.Errorf("compare PE image: %w", err)
	}
	if !bytes.Equal(entry, want[:]) || len(bytes.Trim(padding, "\x00")) != 0 {
		return false, nil
	}
	return a.compare(r, &checksum{}, span{a.checkSum, a.checkSum + 4}, span{a.security, a.security + directorySize})
}

// compare holds the image against r, whose bytes in the fields to ignore count as
// zeros, and adds it up on the way.
func (a *Assembly) compare(r io.ReaderAt, sum *checksum, ignore ...span) (bool, error) {
	var off int64
	buf := make([]byte, min(streamBuffer, a.size))
	err := a.stream(func(want []byte) error {
		got := buf[:len(want)] // the headers too come in smaller pieces than this
		if err := readFull(r, got, off); err != nil {
			return err
		}
		for _, g := range ignore {
			from, to := max(g.off-off, 0), min(g.end-off, int64(len(got)))
			if from < to {
				clear(got[from:to])
			}
		}
		if !bytes.Equal(want, got) {
			return errDiffers
		}
		sum.add(want)
		off += int64(len(want))
		return nil
	})
	switch {
	case errors.Is(err, errDiffers):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("compare PE image: %w", err)
	}
	return true, nil
}
