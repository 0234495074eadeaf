package pe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrNotPE is what [Parse] wraps for a file that is no PE image at all.
var ErrNotPE = errors.New("not a PE image")

// Limits on what is read into memory on an image's word alone.
const (
	maxHeaders  = 64 << 10 // bytes up to the end of the section table
	maxSections = 96       // what the PE format allows an image
)

// Sizes and places of header fields; offsets are relative to the header they name.
const (
	dosHeaderSize  = 64
	dosPEOffset    = 60
	peMagicSize    = 4
	coffHeaderSize = 20

	coffSections     = 2
	coffSymbolTable  = 8
	coffSymbolCount  = 12
	coffOptionalSize = 16

	optInitializedData  = 8
	optEntryPoint       = 16
	optSectionAlignment = 32
	optFileAlignment    = 36
	optSizeOfImage      = 56
	optSizeOfHeaders    = 60
	optCheckSum         = 64
	optDirectoryCount   = 108
	optDirectories      = 112

	directorySize     = 8
	securityDirectory = 4
	debugDirectory    = 6

	magicPE32     = 0x10b
	magicPE32Plus = 0x20b
)

// Machine is the processor that an image is for.
type Machine uint16

// The machines that [Parse] accepts.
const (
	AMD64 Machine = 0x8664
	ARM64 Machine = 0xaa64
)

func (m Machine) String() string {
	switch m {
	case AMD64:
		return "x86-64"
	case ARM64:
		return "AArch64"
	}
	return fmt.Sprintf("machine %#x", uint16(m))
}

// Image is a PE32+ image whose headers have been read. Section contents stay in the
// reader it was parsed from, which has to stay open and unchanged while it is used.
type Image struct {
	r        io.ReaderAt
	size     int64
	raw      []byte // the file up to the end of the section table
	head     []byte // the same, without the sections that are to be left out
	coff     int    // where the COFF header starts in head
	opt      int    // where the optional header starts
	table    int    // where the section table starts
	sections []Section
}

// Parse reads the headers of an image of size bytes. It fails with [ErrNotPE] for
// what is no PE file, and with another error for a PE file that is of another kind,
// or damaged: one whose sections reach past its end, for instance.
func Parse(r io.ReaderAt, size int64) (*Image, error) {
	start, err := peOffset(r, size)
	if err != nil {
		return nil, err
	}
	im := &Image{r: r, size: size, coff: start + peMagicSize, opt: start + peMagicSize + coffHeaderSize}
	if err := im.readHead(); err != nil {
		return nil, err
	}
	if n := im.directories(); optDirectories+directorySize*int64(n) > int64(im.table-im.opt) {
		return nil, fmt.Errorf("read PE headers: %d data directories do not fit the optional header", n)
	}
	for at := im.table; at < len(im.head); at += sectionHeaderSize {
		s := decodeSection(im.head[at:])
		if s.Offset == 0 && s.Size != 0 {
			// EDK II hashes the file's start for it once more, others nothing.
			return nil, fmt.Errorf("read PE headers: section %q has %d bytes of content, but no place in the file", s.Name, s.Size)
		}
		if s.inFile() && int64(s.Offset)+int64(s.Size) > size {
			return nil, fmt.Errorf("read PE headers: section %q ends at byte %d of a file of %d",
				s.Name, int64(s.Offset)+int64(s.Size), size)
		}
		im.sections = append(im.sections, s)
	}
	return im, nil
}

// peOffset finds the PE magic by way of the DOS header.
func peOffset(r io.ReaderAt, size int64) (int, error) {
	if size < dosHeaderSize {
		return 0, fmt.Errorf("%w: a file of %d bytes", ErrNotPE, size)
	}
	dos, err := readAt(r, 0, dosHeaderSize)
	if err != nil {
		return 0, fmt.Errorf("read DOS header: %w", err)
	}
	if string(dos[:2]) != "MZ" {
		return 0, fmt.Errorf("%w: no MZ at its start", ErrNotPE)
	}
	start := int64(binary.LittleEndian.Uint32(dos[dosPEOffset:]))
	if start < dosHeaderSize || start > size-peMagicSize {
		return 0, fmt.Errorf("%w: its PE header would be at byte %d of %d", ErrNotPE, start, size)
	}
	magic, err := readAt(r, start, peMagicSize)
	if err != nil {
		return 0, fmt.Errorf("read PE header: %w", err)
	}
	if string(magic) != "PE\x00\x00" {
		return 0, fmt.Errorf("%w: no PE header at byte %d", ErrNotPE, start)
	}
	if start > maxHeaders {
		return 0, fmt.Errorf("read PE header: it starts at byte %d, more than %d is refused", start, maxHeaders)
	}
	return int(start), nil
}

// readHead reads everything up to the end of the section table, and checks that it is
// the kind of image this package is for.
func (im *Image) readHead() error {
	if int64(im.opt) > im.size {
		return fmt.Errorf("read PE header: the file ends within it, at byte %d", im.size)
	}
	fixed, err := readAt(im.r, int64(im.coff), coffHeaderSize)
	if err != nil {
		return fmt.Errorf("read PE header: %w", err)
	}
	machine := Machine(binary.LittleEndian.Uint16(fixed))
	count := int(binary.LittleEndian.Uint16(fixed[coffSections:]))
	im.table = im.opt + int(binary.LittleEndian.Uint16(fixed[coffOptionalSize:]))
	end := im.table + count*sectionHeaderSize
	switch {
	case count > maxSections:
		return fmt.Errorf("read PE headers: %d sections, more than %d are refused", count, maxSections)
	case end > maxHeaders:
		return fmt.Errorf("read PE headers: the section table ends at byte %d, more than %d is refused", end, maxHeaders)
	case int64(end) > im.size:
		return fmt.Errorf("read PE headers: the section table ends at byte %d of a file of %d", end, im.size)
	}
	if im.head, err = readAt(im.r, 0, end); err != nil {
		return fmt.Errorf("read PE headers: %w", err)
	}
	im.raw = im.head
	optional := im.head[im.opt:im.table]
	switch {
	case len(optional) >= 2 && binary.LittleEndian.Uint16(optional) == magicPE32:
		return errors.New("read PE headers: a 32-bit image (PE32), where PE32+ is needed")
	case len(optional) < optDirectories || binary.LittleEndian.Uint16(optional) != magicPE32Plus:
		return errors.New("read PE headers: no PE32+ optional header")
	case machine != AMD64 && machine != ARM64:
		return fmt.Errorf("read PE headers: %v, where x86-64 or AArch64 is needed", machine)
	}
	return nil
}

// Machine is the processor that the image is for.
func (im *Image) Machine() Machine {
	return Machine(binary.LittleEndian.Uint16(im.head[im.coff:]))
}

func (im *Image) directories() uint32 { return im.optional(optDirectoryCount) }

// directory gives a data directory's address and size, both zero where there is none.
func (im *Image) directory(i int) (addr, size uint32) {
	if uint32(i) >= im.directories() {
		return 0, 0
	}
	at := optDirectories + i*directorySize
	return im.optional(at), im.optional(at + 4)
}

func (im *Image) optional(field int) uint32 {
	return binary.LittleEndian.Uint32(im.head[im.opt+field:])
}

// readAt reads exactly n bytes.
func readAt(r io.ReaderAt, off int64, n int) ([]byte, error) {
	p := make([]byte, n)
	return p, readFull(r, p, off)
}

// readFull fills p from r, and calls an early end what it is.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("at byte %d: %w", off+int64(n), err)
}

// cutNUL gives the text before the first NUL.
func cutNUL(p []byte) string {
	text, _, _ := bytes.Cut(p, []byte{0})
	return string(text)
}
