package pe_test

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// recipe is what a synthetic image is made from: the shape of xen.efi at a thousandth
// of its size.
type recipe struct {
	machine          uint16 // 0: x86-64
	fileAlignment    uint32 // 0: 0x20
	sectionAlignment uint32 // 0: 0x200000
	room             int    // bytes between the section table and the first content; rounded up
	timestamp        uint32
	debug            bool   // a debug directory in .buildid, as GNU ld makes it
	symbols          bool   // a COFF symbol table behind the sections
	longName         bool   // a section whose name is in the string table
	tail             string // anything behind all that
	text             string // content of .text
}

// Where fields of the built images lie.
const (
	coffAt      = 0x80 + 4
	optAt       = coffAt + 20
	tableAt     = optAt + 112 + 16*8
	sizeOfImage = optAt + 56
	checkSumAt  = optAt + 64
	securityAt  = optAt + 112 + 4*8
)

type rawSection struct {
	name        string
	va, virtual uint32
	data        []byte
	flags       uint32
}

func (r recipe) build(t testing.TB) []byte {
	t.Helper()
	le := binary.LittleEndian
	if r.machine == 0 {
		r.machine = 0x8664
	}
	if r.fileAlignment == 0 {
		r.fileAlignment = 0x20
	}
	if r.sectionAlignment == 0 {
		r.sectionAlignment = 0x200000
	}
	if r.text == "" {
		r.text = "the text of a hypervisor, which nobody runs here"
	}
	build := make([]byte, 0x35) // directory entry, CodeView record
	for i := range build {
		build[i] = byte(i + 1)
	}
	sections := []rawSection{
		{".text", 0x200000, uint32(len(r.text)), []byte(r.text), 0x60000020},
		{".rodata", 0x400000, 0x5e8, bytes.Repeat([]byte("rodata"), 0xfc), 0x40000040},
		{".buildid", 0x4005e8, 0x35, build, 0x40000040},
		{".data", 0x60a000, 0x920, bytes.Repeat([]byte{1, 2, 3}, 0x20), 0xc0000040},
		{".bss", 0x617000, 0x4140, nil, 0xc0000080},
		{".reloc", 0x61c140, 0x0c, []byte{0, 0, 0x20, 0, 12, 0, 0, 0, 0, 0, 0, 0}, 0x42000040},
		{".pad", 0x800000, 0x600000, nil, 0xc0000080},
	}
	if r.longName {
		sections = append(sections, rawSection{"/4", 0xe00000, 0x10, []byte("debug info here!"), 0x42000040})
	}
	up := func(n int) int { a := int(r.fileAlignment); return (n + a - 1) / a * a }
	headers := up(tableAt + 40*len(sections) + r.room)

	b := make([]byte, headers)
	copy(b, "MZ")
	le.PutUint32(b[60:], 0x80)
	copy(b[0x80:], "PE\x00\x00")
	le.PutUint16(b[coffAt:], r.machine)
	le.PutUint16(b[coffAt+2:], uint16(len(sections)))
	le.PutUint32(b[coffAt+4:], r.timestamp)
	le.PutUint16(b[coffAt+16:], tableAt-optAt)
	le.PutUint16(b[coffAt+18:], 0x226)
	opt := b[optAt:]
	le.PutUint16(opt, 0x20b)
	le.PutUint32(opt[4:], uint32(up(len(r.text))))
	le.PutUint32(opt[16:], 0x200000)
	le.PutUint32(opt[20:], 0x200000)
	le.PutUint64(opt[24:], 0xffff82d040000000)
	le.PutUint32(opt[32:], r.sectionAlignment)
	le.PutUint32(opt[36:], r.fileAlignment)
	le.PutUint16(opt[40:], 2) // MajorOperatingSystemVersion, ... as GNU ld has them
	le.PutUint16(opt[48:], 2) // MajorSubsystemVersion
	le.PutUint32(opt[56:], 0xe00000)
	le.PutUint32(opt[60:], uint32(headers))
	le.PutUint16(opt[68:], 10) // EFI application
	le.PutUint16(opt[70:], 0x160)
	for i, v := range []uint64{0x100000, 0x1000, 0x100000, 0x1000} {
		le.PutUint64(opt[72+8*i:], v)
	}
	le.PutUint32(opt[108:], 16)
	le.PutUint32(opt[112+5*8:], 0x61c140)
	le.PutUint32(opt[112+5*8+4:], 0x0c)
	initialised := 0
	for i, s := range sections {
		h := b[tableAt+40*i:]
		copy(h[:8], s.name)
		le.PutUint32(h[8:], s.virtual)
		le.PutUint32(h[12:], s.va)
		le.PutUint32(h[36:], s.flags)
		if len(s.data) == 0 {
			continue
		}
		le.PutUint32(h[16:], uint32(up(len(s.data))))
		le.PutUint32(h[20:], uint32(len(b)))
		if s.name == ".buildid" && r.debug {
			le.PutUint32(opt[112+6*8:], s.va)
			le.PutUint32(opt[112+6*8+4:], 28)
			le.PutUint32(s.data[0:], 0)
			le.PutUint32(s.data[4:], 0)
			le.PutUint32(s.data[8:], 0)
			le.PutUint32(s.data[12:], 2) // CodeView
			le.PutUint32(s.data[16:], 25)
			le.PutUint32(s.data[20:], s.va+28)
			le.PutUint32(s.data[24:], uint32(len(b)+28))
			copy(s.data[28:], "RSDS")
		}
		if s.flags&0x40 != 0 {
			initialised += up(len(s.data))
		}
		b = append(b, s.data...)
		b = append(b, make([]byte, up(len(b))-len(b))...)
		opt = b[optAt:]
	}
	le.PutUint32(b[optAt+8:], uint32(initialised))
	if r.symbols {
		le.PutUint32(b[coffAt+8:], uint32(len(b)))
		le.PutUint32(b[coffAt+12:], 2)
		for _, name := range []string{"start", "idt"} {
			symbol := make([]byte, 18)
			copy(symbol, name)
			le.PutUint16(symbol[12:], 1)
			symbol[16] = 2
			b = append(b, symbol...)
		}
		names := ".debug_info\x00"
		b = le.AppendUint32(b, uint32(4+len(names)))
		b = append(b, names...)
	}
	b = append(b, r.tail...)
	setCheckSum(b)
	return b
}

// setCheckSum does by the book, word by word, what the package does in one stream.
func setCheckSum(b []byte) {
	clear(b[checkSumAt : checkSumAt+4])
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i])
		if i+1 < len(b) {
			word |= uint32(b[i+1]) << 8
		}
		sum += word
		sum = sum&0xffff + sum>>16
	}
	binary.LittleEndian.PutUint32(b[checkSumAt:], sum+uint32(len(b)))
}

func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func put32(b []byte, at int, v uint32) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[at:], v)
	return b
}
func put16(b []byte, at int, v uint16) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint16(b[at:], v)
	return b
}
