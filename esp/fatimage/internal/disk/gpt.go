package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// Partition types, as they are written.
const (
	guidESP      = "c12a7328-f81f-11d2-ba4b-00c04fc93ec9"
	guidXBOOTLDR = "bc13c2ff-59e6-4262-a352-b275fd6f7172"
)

// readGPT tries the primary header, then the backup at the disk's end, for each sector size.
// ErrNoTable means that neither has even a signature.
func readGPT(r io.ReaderAt, size int64) ([]Partition, error) {
	err := ErrNoTable
	for _, backup := range []bool{false, true} {
		for _, sector := range []int64{512, 4096} {
			g := gpt{r: r, size: size, sector: sector}
			lba := int64(1)
			if backup {
				lba = size/sector - 1
			}
			list, found, e := g.read(lba)
			if found && e == nil {
				return list, nil
			}
			if found && err == ErrNoTable {
				err = e
			}
		}
	}
	return nil, err
}

type gpt struct {
	r            io.ReaderAt
	size, sector int64
}

// read takes the header in a sector; found says whether there is any.
func (g gpt) read(lba int64) (list []Partition, found bool, err error) {
	header := make([]byte, g.sector)
	if lba < 1 || (lba+1)*g.sector > g.size {
		return nil, false, nil
	}
	if _, err := g.r.ReadAt(header, lba*g.sector); err != nil {
		return nil, false, nil
	}
	if string(header[:8]) != "EFI PART" {
		return nil, false, nil
	}
	fail := func(what string) ([]Partition, bool, error) {
		return nil, true, fmt.Errorf("GPT header in sector %d: %s", lba, what)
	}
	length := int64(binary.LittleEndian.Uint32(header[12:]))
	if length < 92 || length > g.sector {
		return fail("its length makes no sense")
	}
	header = header[:length]
	sum := binary.LittleEndian.Uint32(header[16:])
	clear(header[16:20])
	if crc32.ChecksumIEEE(header) != sum {
		return fail("wrong checksum")
	}
	if binary.LittleEndian.Uint64(header[24:]) != uint64(lba) {
		return fail("it belongs elsewhere")
	}
	at := binary.LittleEndian.Uint64(header[72:])
	count := int64(binary.LittleEndian.Uint32(header[80:]))
	each := int64(binary.LittleEndian.Uint32(header[84:]))
	if each < 128 || each > 4096 || count > 4096 || at > uint64(g.size/g.sector) {
		return fail("its list of partitions makes no sense")
	}
	entries := make([]byte, count*each)
	if _, err := g.r.ReadAt(entries, int64(at)*g.sector); err != nil {
		return fail("read list of partitions: " + err.Error())
	}
	if crc32.ChecksumIEEE(entries) != binary.LittleEndian.Uint32(header[88:]) {
		return fail("wrong checksum of the list of partitions")
	}
	list, err = g.partitions(entries, int(each))
	return list, true, err
}

func (g gpt) partitions(entries []byte, each int) ([]Partition, error) {
	var list []Partition
	for i := 0; i*each < len(entries); i++ {
		e := entries[i*each:]
		if bytes.Equal(e[:16], make([]byte, 16)) {
			continue
		}
		p := Partition{Number: i + 1}
		switch guid(e[:16]) {
		case guidESP:
			p.Type = ESP
		case guidXBOOTLDR:
			p.Type = XBOOTLDR
		default:
			list = append(list, p)
			continue
		}
		first, last := binary.LittleEndian.Uint64(e[32:]), binary.LittleEndian.Uint64(e[40:])
		if sectors := uint64(g.size / g.sector); first > last || last >= sectors {
			return nil, fmt.Errorf("partition %d (sectors %d to %d) reaches beyond the end of the image (%d sectors)", p.Number, first, last, sectors)
		}
		p.Offset = int64(first) * g.sector
		p.Size = int64(last-first+1) * g.sector
		list = append(list, p)
	}
	return list, nil
}

// guid writes 16 bytes as text; the first three fields are little-endian.
func guid(b []byte) string {
	h := make([]byte, 0, 16)
	for _, i := range []int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		h = append(h, b[i])
	}
	s := hex.EncodeToString(h)
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}
