package pe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
)

const (
	// minSectionAlignment is what Xen needs, which hands over .kernel and .ramdisk by
	// their page.
	minSectionAlignment = 4096
	maxFileAlignment    = 64 << 10
	maxImage            = 1<<31 - 1 // bytes, in the file and in memory
)

var errTooBig = errors.New("the image would reach 2 GiB")

// SectionExistsError says that a section of that name is there already. Xen would take
// the first one, so a second one is never what anybody wants.
type SectionExistsError struct{ Name string }

func (e *SectionExistsError) Error() string {
	return fmt.Sprintf("there is a section %q already", e.Name)
}

// NewSection is a section to append: read-only data of Size bytes.
type NewSection struct {
	Name string // 1 to 8 printable ASCII characters
	Data io.ReaderAt
	Size int64
}

// Append plans an image with more sections, in the order given. It reads headers only;
// contents are read when the [Assembly] is written or compared.
//
// The new sections lie behind all others, in memory (at multiples of SectionAlignment,
// and of 4096) and in the file. Where the headers have no room for them, everything
// behind the headers moves, and every file offset in the image with it. A signature is
// dropped whole. The COFF symbol table is dropped, unless its strings name sections.
// Of what else may lie behind the sections in the file, nothing is kept: no loader
// reads it.
//
// It fails with a [*SectionExistsError] for a name that is taken, and refuses images
// whose parts lie where they can't be moved safely.
func (im *Image) Append(add ...NewSection) (*Assembly, error) {
	a, err := im.plan(add)
	if err != nil {
		return nil, fmt.Errorf("append PE sections: %w", err)
	}
	return a, nil
}

func (im *Image) plan(add []NewSection) (*Assembly, error) {
	if err := im.checkNew(add); err != nil {
		return nil, err
	}
	l, err := im.measure(len(add))
	if err != nil {
		return nil, err
	}
	headers, err := l.place(add)
	if err != nil {
		return nil, err
	}
	if int64(im.optional(optInitializedData))+l.added > math.MaxUint32 {
		return nil, errors.New("SizeOfInitializedData would overflow")
	}
	debug, err := im.moveDebugDirectory(l)
	if err != nil {
		return nil, err
	}
	a := im.assemble(l, debug, add, headers)
	if a.size > maxImage {
		return nil, errTooBig
	}
	return a, nil
}

// assemble lists the parts of the new image in their order.
func (im *Image) assemble(l *layout, debug patch, add []NewSection, headers []Section) *Assembly {
	a := &Assembly{checkSum: int64(im.opt + optCheckSum)}
	if im.directories() > securityDirectory {
		a.security = int64(im.securityEntry())
	}
	a.base = base{im.r, im.size}
	a.original = []Patch{{0, im.raw}, {debug.off, debug.old}}
	a.head = im.newHead(l, headers)
	a.push(part{data: a.head})
	if l.shift > 0 {
		a.push(part{size: l.firstRaw + l.shift - l.tableEnd})
	} else {
		rest := max(l.tableEnd, int64(len(im.raw)))
		a.push(part{size: rest - l.tableEnd}) // where the headers of sections were that are left out
		a.push(part{src: im.r, off: rest, size: l.firstRaw - rest})
	}
	a.push(part{src: im.r, off: l.firstRaw, size: debug.off - l.firstRaw})
	a.push(part{data: debug.data})
	a.push(part{src: im.r, off: debug.end(), size: l.endRaw - debug.end()})
	a.push(part{size: l.newRaw - l.endRaw - l.shift})
	for i, s := range add {
		a.push(part{name: s.Name, src: s.Data, size: s.Size})
		a.push(part{size: int64(headers[i].Size) - s.Size})
	}
	a.push(part{src: im.r, off: l.symbols.off, size: l.symbols.end - l.symbols.off})
	return a
}

// checkNew checks the names and sizes asked for.
func (im *Image) checkNew(add []NewSection) error {
	if n := len(im.sections) + len(add); n > maxSections {
		return fmt.Errorf("%d sections, more than %d are refused", n, maxSections)
	}
	taken := map[string]bool{}
	for _, s := range im.sections {
		taken[s.Name] = true
	}
	for _, s := range add {
		if err := checkName(s.Name); err != nil {
			return err
		}
		if taken[s.Name] {
			return &SectionExistsError{Name: s.Name}
		}
		taken[s.Name] = true
		switch {
		case s.Size < 0:
			return fmt.Errorf("section %q: its size is %d", s.Name, s.Size)
		case s.Size > maxImage:
			return fmt.Errorf("section %q: %w", s.Name, errTooBig)
		case s.Data == nil:
			return fmt.Errorf("section %q: it has no data", s.Name)
		}
	}
	return nil
}

func checkName(name string) error {
	if name == "" || len(name) > sectionNameSize {
		return fmt.Errorf("section name %q: it has to be 1 to %d bytes long", name, sectionNameSize)
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == '/' {
			return fmt.Errorf("section name %q: byte %#02x in it", name, c)
		}
	}
	return nil
}

// place gives the new sections their headers, and the layout its new ends.
func (l *layout) place(add []NewSection) ([]Section, error) {
	var headers []Section
	raw := l.newRaw
	for _, s := range add {
		h := Section{
			Name:            s.Name,
			VirtualAddress:  uint32(alignUp(l.endVA, max(l.sectionAlignment, minSectionAlignment))),
			VirtualSize:     uint32(s.Size),
			Offset:          uint32(raw),
			Size:            uint32(alignUp(s.Size, l.fileAlignment)),
			Characteristics: readOnlyData,
		}
		if s.Size == 0 {
			h.Offset = 0
		}
		// An empty section has an address of its own too: loaders refuse one that
		// lies behind the image.
		l.endVA = int64(h.VirtualAddress) + max(int64(h.VirtualSize), int64(h.Size), 1)
		raw += int64(h.Size)
		l.added += int64(h.Size)
		// Everything above fits 32 bits as long as this holds each time round.
		if raw > maxImage || alignUp(l.endVA, max(l.sectionAlignment, minSectionAlignment)) > maxImage {
			return nil, fmt.Errorf("section %q: %w", s.Name, errTooBig)
		}
		headers = append(headers, h)
	}
	l.symbolsAt = raw
	return headers, nil
}

// newHead is the new file up to the end of its section table, with a CheckSum of zero.
func (im *Image) newHead(l *layout, add []Section) []byte {
	le := binary.LittleEndian
	head := make([]byte, l.tableEnd)
	copy(head, im.head)
	coff, opt := head[im.coff:], head[im.opt:]

	le.PutUint16(coff[coffSections:], uint16(len(im.sections)+len(add)))
	if symbols, ok := l.symbolTable(); ok {
		le.PutUint32(coff[coffSymbolTable:], symbols)
	} else {
		le.PutUint32(coff[coffSymbolTable:], 0)
		le.PutUint32(coff[coffSymbolCount:], 0)
	}
	le.PutUint32(opt[optInitializedData:], im.optional(optInitializedData)+uint32(l.added))
	le.PutUint32(opt[optSizeOfImage:], uint32(alignUp(l.endVA, l.sectionAlignment)))
	le.PutUint32(opt[optSizeOfHeaders:], uint32(l.sizeOfHeaders))
	le.PutUint32(opt[optCheckSum:], 0)
	if im.directories() > securityDirectory {
		clear(head[im.securityEntry():][:directorySize])
	}

	for i, s := range im.sections {
		if moved, ok := l.moved(int64(s.Offset)); ok && s.inFile() {
			le.PutUint32(head[im.table+i*sectionHeaderSize+20:], uint32(moved))
		}
	}
	for i, s := range add {
		s.encode(head[len(im.head)+i*sectionHeaderSize:])
	}
	return head
}

func isPowerOfTwo(n uint32) bool { return bits.OnesCount32(n) == 1 }
