package pe

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// Flags of a section.
const (
	discardable = 0x02000000
	executable  = 0x20000000
	writable    = 0x80000000
	initialised = 0x00000040
)

// maxLongName bounds what is read of a name in the string table, in bytes.
const maxLongName = 64

// WithoutDebug is the image as if it had no debug sections, for [Image.Append]; with nothing to
// append that makes a copy without them. It names what it leaves out. Debian's unstripped xen.efi of
// 4.20 has 29 MB with them, and 2.6 without.
//
// Left out are sections called .debug* that are discardable, neither code nor writable, behind
// all others in memory and in the file, and that no data directory points into; and with the last
// long name the symbol table. Where anything about that is odd the image stays as it is.
func (im *Image) WithoutDebug() (without *Image, dropped []string) {
	drop := im.debugSections()
	if len(drop) == 0 || len(drop) == len(im.sections) {
		return im, nil
	}
	c := *im
	c.head = slices.Clone(im.head[:im.table])
	c.sections = nil
	var size int64
	for i, s := range im.sections {
		if name, ok := drop[i]; ok {
			dropped = append(dropped, name)
			if s.Characteristics&initialised != 0 {
				size += int64(s.Size)
			}
			continue
		}
		c.sections = append(c.sections, s)
		c.head = append(c.head, im.head[im.table+i*sectionHeaderSize:][:sectionHeaderSize]...)
	}
	le := binary.LittleEndian
	le.PutUint16(c.head[im.coff+coffSections:], uint16(len(c.sections)))
	// Not every linker counts them.
	data := max(int64(im.optional(optInitializedData))-size, 0)
	le.PutUint32(c.head[im.opt+optInitializedData:], uint32(data))
	if _, err := c.plan(nil); err != nil {
		return im, nil
	}
	return &c, dropped
}

// debugSections gives the names of the sections that can go, by their index.
func (im *Image) debugSections() map[int]string {
	drop := make(map[int]string)
	for i, s := range im.sections {
		flags := s.Characteristics
		if flags&discardable == 0 || flags&(executable|writable) != 0 {
			continue
		}
		if name := im.longName(s); strings.HasPrefix(name, ".debug") && !im.pointedAt(s) {
			drop[i] = name
		}
	}
	// One that is not behind all that stays has to stay, which may keep others.
	for again := true; again; {
		again = false
		var endVA, endRaw int64
		for i, s := range im.sections {
			if _, gone := drop[i]; gone {
				continue
			}
			// Without the padding of its content, which may reach over where the next one starts.
			endVA = max(endVA, int64(s.VirtualAddress)+int64(cmp.Or(s.VirtualSize, s.Size)))
			if s.inFile() {
				endRaw = max(endRaw, int64(s.Offset)+int64(s.Size))
			}
		}
		for i := range drop {
			s := im.sections[i]
			if int64(s.VirtualAddress) < endVA || s.inFile() && int64(s.Offset) < endRaw {
				delete(drop, i)
				again = true
			}
		}
	}
	return drop
}

// pointedAt reports whether the loader has something to look for in a section.
func (im *Image) pointedAt(s Section) bool {
	start, end := int64(s.VirtualAddress), s.endInMemory()
	inside := func(addr, size uint32) bool {
		return size > 0 && int64(addr) < end && int64(addr)+int64(size) > start
	}
	if inside(im.optional(optEntryPoint), 1) {
		return true
	}
	for i := range int(min(im.directories(), 16)) {
		if i == securityDirectory {
			continue // holds a file offset
		}
		if inside(im.directory(i)) {
			return true
		}
	}
	return false
}

// longName looks up a name in the string table, behind the symbols, where it is of the form "/123".
func (im *Image) longName(s Section) string {
	digits, ok := strings.CutPrefix(s.Name, "/")
	if !ok {
		return s.Name
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	symbols := int64(binary.LittleEndian.Uint32(im.head[im.coff+coffSymbolTable:]))
	count := int64(binary.LittleEndian.Uint32(im.head[im.coff+coffSymbolCount:]))
	at := symbols + count*symbolSize + int64(n)
	if err != nil || symbols == 0 || at >= im.size {
		return s.Name
	}
	name, err := readAt(im.r, at, int(min(maxLongName, im.size-at)))
	if err != nil {
		return s.Name
	}
	return cutNUL(name)
}
