package disk_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage/internal/disk"
)

// gpt is a disk of 64 sectors with an ESP in sectors 4 to 10.
func gpt() []byte {
	b := make([]byte, 64*512)
	le := binary.LittleEndian
	entries := b[2*512 : 2*512+128]
	copy(entries, "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xc0\x4f\xc9\x3e\xc9")
	entries[16] = 1
	le.PutUint64(entries[32:], 4)
	le.PutUint64(entries[40:], 10)
	h := b[512 : 512+92]
	copy(h, "EFI PART")
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[24:], 1)
	le.PutUint64(h[72:], 2)
	le.PutUint32(h[80:], 1)
	le.PutUint32(h[84:], 128)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return b
}

func FuzzPartitions(f *testing.F) {
	f.Add(gpt())
	mbr := make([]byte, 1024)
	mbr[450], mbr[454], mbr[458], mbr[510], mbr[511] = 0xef, 1, 1, 0x55, 0xaa
	f.Add(mbr)
	f.Fuzz(func(t *testing.T, b []byte) {
		// The checksums are set right, or hardly an input would pass them.
		if len(b) > 1200 {
			clear(b[512+16 : 512+20])
			binary.LittleEndian.PutUint32(b[512+88:], crc32.ChecksumIEEE(b[1024:1152]))
			binary.LittleEndian.PutUint32(b[512+16:], crc32.ChecksumIEEE(b[512:512+92]))
		}
		list, err := disk.Partitions(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, p := range list {
			if p.Type != disk.Other && (p.Offset < 0 || p.Size < 0 || p.Offset+p.Size > int64(len(b))) {
				t.Errorf("%+v in %d bytes", p, len(b))
			}
		}
	})
}

func TestGPT(t *testing.T) {
	t.Parallel()
	list, err := disk.Partitions(bytes.NewReader(gpt()), 64*512)
	want := disk.Partition{Number: 1, Type: disk.ESP, Offset: 4 * 512, Size: 7 * 512}
	if err != nil || len(list) != 1 || list[0] != want {
		t.Errorf("%+v, %v, want %+v", list, err, want)
	}
}
