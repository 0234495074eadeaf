// Package disk finds the partitions that systemd-boot starts from in a disk image.
//
// It reads GPT (UEFI Specification 2.10, chapter 5), from the backup header where the
// primary one is damaged, and the four primary partitions of an MBR; partition types are those of the
// Discoverable Partitions Specification. Sectors have 512 or 4096 bytes. Left out:
// logical partitions, and repairing anything. The bytes may be hostile.
package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Type is what a partition is for.
type Type int

// The types that are told apart.
const (
	Other    Type = iota
	ESP           // EFI system partition
	XBOOTLDR      // extended boot loader partition
)

// Partition is a part of a disk.
type Partition struct {
	Number int // from 1
	Type   Type
	Offset int64 // bytes
	Size   int64 // bytes
}

// ErrNoTable is returned by [Partitions] where neither a GPT nor an MBR is.
var ErrNoTable = errors.New("no partition table")

// Partitions reads the partition table of a disk of size bytes.
func Partitions(r io.ReaderAt, size int64) ([]Partition, error) {
	list, gptErr := readGPT(r, size)
	if gptErr == nil {
		return list, nil
	}
	list, err := readMBR(r, size)
	if errors.Is(err, errProtective) && !errors.Is(gptErr, ErrNoTable) {
		return nil, gptErr
	}
	return list, err
}

// errProtective is an MBR that only says that the disk has a GPT.
var errProtective = errors.New("the MBR announces a GPT, but none is there")

func readMBR(r io.ReaderAt, size int64) ([]Partition, error) {
	var b [512]byte
	if size < int64(len(b)) {
		return nil, ErrNoTable
	}
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return nil, fmt.Errorf("read MBR: %w", err)
	}
	if b[510] != 0x55 || b[511] != 0xaa {
		return nil, ErrNoTable
	}
	const sector = 512
	var list []Partition
	for i := range 4 {
		e := b[446+16*i:]
		if e[0]&0x7f != 0 {
			return nil, ErrNoTable // a boot sector's code, no table
		}
		p := Partition{
			Number: i + 1,
			Offset: int64(binary.LittleEndian.Uint32(e[8:])) * sector,
			Size:   int64(binary.LittleEndian.Uint32(e[12:])) * sector,
		}
		switch e[4] {
		case 0x00:
			continue
		case 0xee:
			return nil, errProtective
		case 0xef:
			p.Type = ESP
		case 0xea:
			p.Type = XBOOTLDR
		}
		if p.Type != Other && p.Offset+p.Size > size {
			return nil, beyondEnd(p, size)
		}
		list = append(list, p)
	}
	return list, nil
}

func beyondEnd(p Partition, size int64) error {
	return fmt.Errorf("partition %d (%d bytes at %d) reaches beyond the end of the image (%d bytes)", p.Number, p.Size, p.Offset, size)
}
