package pe

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"slices"
)

// Authentihash is the SHA-256 digest that an Authenticode signature of the file signs:
// everything but the CheckSum, the Security directory's entry and the attribute
// certificate table.
//
// Sections are taken in the order of their place in the file, and after them what is
// left of it, counted by length and not by place, as the specification has it and
// EDK II does it. An unsigned file whose length is not a multiple of 8 is hashed as if
// zeros filled it up, because signing appends them: sbsign, osslsigncode and
// [AttachSignature] agree on that.
func Authentihash(r io.ReaderAt, size int64) ([sha256.Size]byte, error) {
	h := sha256.New()
	im, err := hashImage(r, size, h)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	if !im.Signed() {
		h.Write(make([]byte, alignUp(size, certificateAlignment)-size))
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// Measure feeds hashes, in one pass, with what the firmware measures into PCR 4 before it
// starts the image (TCG PC Client Platform Firmware Profile, EV_EFI_BOOT_SERVICES_APPLICATION).
// For a signed image that is what [Authentihash] hashes. An unsigned one is taken as it
// is: nothing fills it up to a multiple of 8.
func Measure(r io.ReaderAt, size int64, hashes ...hash.Hash) error {
	writers := make([]io.Writer, len(hashes))
	for i, h := range hashes {
		writers[i] = h
	}
	_, err := hashImage(r, size, io.MultiWriter(writers...))
	return err
}

// hashImage feeds h with what Authenticode hashes of an image.
func hashImage(r io.ReaderAt, size int64, h io.Writer) (*Image, error) {
	im, err := Parse(r, size)
	if err != nil {
		return nil, fmt.Errorf("hash PE image: %w", err)
	}
	ranges, err := im.hashed()
	if err != nil {
		return nil, fmt.Errorf("hash PE image: %w", err)
	}
	for _, g := range ranges {
		n, err := io.Copy(h, io.NewSectionReader(r, g.off, g.end-g.off))
		if err == nil && n != g.end-g.off {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, fmt.Errorf("hash PE image: at byte %d: %w", g.off+n, err)
		}
	}
	return im, nil
}

// span is the part of a file from off up to end.
type span struct{ off, end int64 }

// hashed lists what Authenticode hashes, in its order.
func (im *Image) hashed() ([]span, error) {
	end, err := im.contentSize()
	if err != nil {
		return nil, err
	}
	sum := int64(im.optional(optSizeOfHeaders))
	if sum < int64(len(im.head)) || sum > end {
		return nil, fmt.Errorf("SizeOfHeaders is %d, where the section table ends at %d and the content at %d",
			sum, len(im.head), end)
	}
	checkSum := int64(im.opt + optCheckSum)
	ranges := []span{{0, checkSum}}
	if im.directories() > securityDirectory {
		security := int64(im.securityEntry())
		ranges = append(ranges, span{checkSum + 4, security}, span{security + directorySize, sum})
	} else {
		ranges = append(ranges, span{checkSum + 4, sum})
	}
	last := sum
	for _, s := range im.byOffset() {
		g := span{int64(s.Offset), int64(s.Offset) + int64(s.Size)}
		switch {
		case g.off < last:
			// It could hold the very fields that the digest leaves out.
			return nil, fmt.Errorf("section %q starts at %d and overlaps what ends at %d", s.Name, g.off, last)
		case g.end > end:
			return nil, fmt.Errorf("section %q ends at %d, behind the content's end at %d", s.Name, g.end, end)
		}
		ranges = append(ranges, g)
		last = g.end
		sum += g.end - g.off
	}
	return append(ranges, span{sum, end}), nil
}

// byOffset gives the sections that have content in the file, in the file's order.
func (im *Image) byOffset() []Section {
	in := slices.DeleteFunc(im.Sections(), func(s Section) bool { return !s.inFile() })
	slices.SortStableFunc(in, func(a, b Section) int { return cmp.Compare(a.Offset, b.Offset) })
	return in
}

// securityEntry is where the Security directory's entry lies in the file.
func (im *Image) securityEntry() int {
	return im.opt + optDirectories + securityDirectory*directorySize
}

func alignUp(n, to int64) int64 { return (n + to - 1) / to * to }
