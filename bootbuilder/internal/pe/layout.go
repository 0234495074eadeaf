package pe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	symbolSize         = 18
	debugEntrySize     = 28
	debugEntryPointer  = 24
	maxDebugEntries    = 64
	sectionRelocations = 32 // two 16-bit counts: relocations, line numbers
)

// layout says where the parts of an image lie, and where they go. Offsets are bytes in
// the file; those named new… count in the new one.
type layout struct {
	fileAlignment, sectionAlignment int64

	firstRaw, endRaw int64 // from the first section's content to the last one's end
	shift            int64 // by how much they move
	newRaw           int64 // where the new sections start
	tableEnd         int64 // where the new section table ends
	sizeOfHeaders    int64 // new
	endVA            int64 // the first address behind all sections
	added            int64 // bytes of new sections, padding included

	symbolPointer uint32 // the symbol table to keep, 0 for none
	symbols       span   // what of it lies behind the sections, to be carried over
	symbolsAt     int64  // new
}

// measure works out a layout with room for count more section headers.
func (im *Image) measure(count int) (*layout, error) {
	content, err := im.contentSize()
	if err != nil {
		return nil, err
	}
	fileAlignment, sectionAlignment := im.optional(optFileAlignment), im.optional(optSectionAlignment)
	if !isPowerOfTwo(fileAlignment) || fileAlignment > maxFileAlignment || !isPowerOfTwo(sectionAlignment) || sectionAlignment > maxImage {
		return nil, fmt.Errorf("odd alignment: FileAlignment %#x, SectionAlignment %#x", fileAlignment, sectionAlignment)
	}
	l := &layout{
		fileAlignment:    int64(fileAlignment),
		sectionAlignment: int64(sectionAlignment),
		tableEnd:         int64(len(im.head) + count*sectionHeaderSize),
	}
	lowest, err := im.measureSections(l, content)
	if err != nil {
		return nil, err
	}
	if err := im.measureHeaders(l, lowest); err != nil {
		return nil, err
	}
	l.newRaw = alignUp(l.endRaw+l.shift, l.fileAlignment)
	return l, im.measureSymbols(l, content)
}

// measureSections finds the ends of all sections, and the one that is lowest in memory. An empty one
// takes no memory: Xen's image for aarch64 has such a .reloc at address 0.
func (im *Image) measureSections(l *layout, content int64) (lowest Section, err error) {
	in := im.byOffset()
	if len(in) == 0 {
		return lowest, errors.New("the image has no section with content")
	}
	l.firstRaw = int64(in[0].Offset)
	for _, s := range in {
		l.endRaw = max(l.endRaw, int64(s.Offset)+int64(s.Size))
	}
	lowest.VirtualAddress = maxImage
	for i, s := range im.sections {
		l.endVA = max(l.endVA, s.endInMemory())
		if s.endInMemory() > int64(s.VirtualAddress) && s.VirtualAddress < lowest.VirtualAddress {
			lowest = s
		}
		h := im.head[im.table+i*sectionHeaderSize:]
		if binary.LittleEndian.Uint32(h[sectionRelocations:]) != 0 {
			return lowest, fmt.Errorf("section %q has COFF relocations or line numbers", s.Name)
		}
	}
	switch {
	case l.endVA > maxImage:
		return lowest, errTooBig
	case l.endRaw > content:
		return lowest, errors.New("sections overlap the certificate table")
	}
	return lowest, nil
}

// measureHeaders finds room for the section table.
func (im *Image) measureHeaders(l *layout, lowest Section) error {
	end, size := int64(len(im.head)), int64(im.optional(optSizeOfHeaders))
	if l.firstRaw < end || l.firstRaw < size || size < end {
		return fmt.Errorf("headers and sections overlap: section table until %d, SizeOfHeaders %d, first content at %d",
			end, size, l.firstRaw)
	}
	if l.tableEnd > l.firstRaw {
		l.shift = alignUp(l.tableEnd-l.firstRaw, l.fileAlignment)
	}
	l.sizeOfHeaders = max(size, min(alignUp(l.tableEnd, l.fileAlignment), l.firstRaw+l.shift))
	if l.sizeOfHeaders > int64(lowest.VirtualAddress) {
		return fmt.Errorf("no room for headers of %d bytes in memory: section %q lies right behind the old ones, at address %d",
			l.sizeOfHeaders, lowest.Name, lowest.VirtualAddress)
	}
	// Bound imports and the like may live behind the section table.
	end = int64(len(im.raw))
	room, err := readAt(im.r, end, int(max(min(l.tableEnd, l.firstRaw)-end, 0)))
	if err != nil {
		return fmt.Errorf("read PE headers: %w", err)
	}
	if len(bytes.Trim(room, "\x00")) != 0 {
		return errors.New("the space behind the section table is in use")
	}
	return nil
}

// measureSymbols decides on the COFF symbol table. Its string table, which comes right
// behind it, is where "/123" as a section's name points.
func (im *Image) measureSymbols(l *layout, content int64) error {
	pointer := binary.LittleEndian.Uint32(im.head[im.coff+coffSymbolTable:])
	needed := false
	for _, s := range im.sections {
		needed = needed || strings.HasPrefix(s.Name, "/")
	}
	if !needed || pointer == 0 {
		return nil
	}
	off := int64(pointer)
	names := off + symbolSize*int64(binary.LittleEndian.Uint32(im.head[im.coff+coffSymbolCount:]))
	if off < l.firstRaw || names+4 > content {
		return fmt.Errorf("the symbol table, bytes %d to %d, lies outside of the file's %d", off, names, content)
	}
	size, err := readAt(im.r, names, 4)
	if err != nil {
		return fmt.Errorf("read string table: %w", err)
	}
	end := names + int64(binary.LittleEndian.Uint32(size)) // which counts its own 4 bytes
	switch {
	case end < names+4 || end > content:
		return fmt.Errorf("the string table, bytes %d to %d, is damaged or lies outside of the file's %d", names, end, content)
	case off >= l.endRaw:
		l.symbols = span{off, end}
	case end > l.endRaw:
		return errors.New("the symbol table overlaps a section")
	}
	l.symbolPointer = pointer
	return nil
}

// symbolTable gives the new place of a symbol table that is kept.
func (l *layout) symbolTable() (pointer uint32, ok bool) {
	if l.symbolPointer == 0 {
		return 0, false
	}
	moved, ok := l.moved(int64(l.symbolPointer))
	return uint32(moved), ok
}

// moved says where the byte at off goes, and whether it is carried over at all.
func (l *layout) moved(off int64) (int64, bool) {
	switch {
	case off < l.firstRaw:
		return off, true
	case off < l.endRaw:
		return off + l.shift, true
	case l.symbols.off <= off && off < l.symbols.end:
		return off - l.symbols.off + l.symbolsAt, true
	}
	return 0, false
}

// patch is what replaces the bytes at off of the old file.
type patch struct {
	off       int64
	data, old []byte
}

func (p patch) end() int64 { return p.off + int64(len(p.data)) }

// moveDebugDirectory corrects the file offsets in the debug directory, which lies
// somewhere in a section's content. (.buildid of xen.efi is one.)
func (im *Image) moveDebugDirectory(l *layout) (patch, error) {
	none := patch{off: l.firstRaw}
	addr, size := im.directory(debugDirectory)
	if size < debugEntrySize {
		return none, nil
	}
	if size > maxDebugEntries*debugEntrySize {
		return none, fmt.Errorf("a debug directory of %d bytes", size)
	}
	for _, s := range im.sections {
		into := int64(addr) - int64(s.VirtualAddress)
		if !s.inFile() || into < 0 || into+int64(size) > int64(s.Size) {
			continue
		}
		off := int64(s.Offset) + into
		dir, err := readAt(im.r, off, int(size))
		if err != nil {
			return none, fmt.Errorf("read debug directory: %w", err)
		}
		old := bytes.Clone(dir)
		for e := dir; len(e) >= debugEntrySize; e = e[debugEntrySize:] {
			field := e[debugEntryPointer:]
			old := binary.LittleEndian.Uint32(field)
			moved, ok := l.moved(int64(old))
			if !ok {
				return none, fmt.Errorf("debug data at byte %d lie outside of the sections", old)
			}
			binary.LittleEndian.PutUint32(field, uint32(moved))
		}
		return patch{off, dir, old}, nil
	}
	return none, fmt.Errorf("the debug directory at address %#x lies outside of the sections", addr)
}
