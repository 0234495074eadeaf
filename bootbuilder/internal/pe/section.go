package pe

import (
	"encoding/binary"
	"io"
	"slices"
)

const (
	sectionHeaderSize = 40
	sectionNameSize   = 8

	// The image's memory is readable here and holds initialised data.
	readOnlyData = 0x40000040
)

// Section is a section header. All fields are as the image has them.
type Section struct {
	Name            string // up to the first NUL; a long COFF name stays "/123"
	VirtualAddress  uint32 // relative to the image's base
	VirtualSize     uint32 // in memory; what Xen takes as the size of its content
	Offset          uint32 // of the content in the file; 0 where there is none
	Size            uint32 // of the content in the file, with padding
	Characteristics uint32
}

func decodeSection(h []byte) Section {
	le := binary.LittleEndian
	return Section{
		Name:            cutNUL(h[:sectionNameSize]),
		VirtualSize:     le.Uint32(h[8:]),
		VirtualAddress:  le.Uint32(h[12:]),
		Size:            le.Uint32(h[16:]),
		Offset:          le.Uint32(h[20:]),
		Characteristics: le.Uint32(h[36:]),
	}
}

func (s Section) encode(h []byte) {
	le := binary.LittleEndian
	clear(h[:sectionHeaderSize])
	copy(h[:sectionNameSize], s.Name)
	le.PutUint32(h[8:], s.VirtualSize)
	le.PutUint32(h[12:], s.VirtualAddress)
	le.PutUint32(h[16:], s.Size)
	le.PutUint32(h[20:], s.Offset)
	le.PutUint32(h[36:], s.Characteristics)
}

// inFile says whether the section has content in the file.
func (s Section) inFile() bool { return s.Offset != 0 && s.Size != 0 }

// endInMemory is the first address behind the section.
func (s Section) endInMemory() int64 {
	return int64(s.VirtualAddress) + int64(max(s.VirtualSize, s.Size))
}

// Sections are the image's section headers in the order of its section table.
func (im *Image) Sections() []Section { return slices.Clone(im.sections) }

// Section finds a section by its name: the first one, as Xen does.
func (im *Image) Section(name string) (Section, bool) {
	i := slices.IndexFunc(im.sections, func(s Section) bool { return s.Name == name })
	if i < 0 {
		return Section{}, false
	}
	return im.sections[i], true
}

// Open reads a section's content without its padding in the file. What the file does
// not hold (.bss) is not read: the reader is then shorter than VirtualSize.
func (im *Image) Open(s Section) *io.SectionReader {
	if !s.inFile() {
		return io.NewSectionReader(im.r, 0, 0)
	}
	// Parse has checked its own sections; this one may be of the caller's making.
	n := min(int64(min(s.VirtualSize, s.Size)), im.size-int64(s.Offset))
	return io.NewSectionReader(im.r, int64(s.Offset), max(n, 0))
}
