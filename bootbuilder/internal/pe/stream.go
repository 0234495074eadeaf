package pe

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
)

// ErrInputChanged is wrapped by errors about an input that is not what it was when the image
// was planned: longer, shorter, or with other headers.
var ErrInputChanged = errors.New("it changed since it was looked at")

// Streamed is what one pass over an image's inputs shows of them, and of the image. Nothing of
// it is read back from anywhere.
type Streamed struct {
	Base [sha256.Size]byte // SHA-256 of the base file, complete, as it was read; zeros where it was skipped
	Size int64             // of the unsigned image

	a        *Assembly
	sum      checksum // with zeros as CheckSum and Security directory
	hash     [sha256.Size]byte
	measured [sha256.Size]byte
	err      error // why there is no Authentihash
	// Of every byte, also of those between sections, of which no digest is signed.
	plain maphash.Hash
}

// Digests are what a pass takes on the way: each costs about as much as all the rest of it.
type Digests struct {
	Base  bool // [Streamed.Base]
	Image bool // [Streamed.Authentihash], [Streamed.Measured] and all that is made of them
	Copy  bool // what [Streamed.CopySigned] compares beside the Authentihash
}

// Skip is the assembly, of whose passes nobody wants these digests.
func (a *Assembly) Skip(d Digests) *Assembly {
	b := *a
	b.skip = d
	return &b
}

var errSkipped = errors.New("its digest was not taken")

// Authentihash is what a signature of the image signs: see the function of that name. It is an
// error where the image has no digest that everybody agrees on.
func (s *Streamed) Authentihash() ([sha256.Size]byte, error) { return s.hash, s.err }

// Measured is what the firmware measures of the image as long as it is unsigned: see [Measure]. With a
// signature it is the Authentihash.
func (s *Streamed) Measured() ([sha256.Size]byte, error) { return s.measured, s.err }

// CheckSum is the one of the unsigned image.
func (s *Streamed) CheckSum() uint32 { return s.sum.value() }

// Patch is bytes to put over those at an offset of the file.
type Patch struct {
	Offset int64
	Data   []byte
}

// Unsigned is what completes the image as it was streamed: its CheckSum.
func (s *Streamed) Unsigned() Patch {
	return Patch{s.a.checkSum, binary.LittleEndian.AppendUint32(nil, s.CheckSum())}
}

// Signature is what makes a streamed image a signed one.
type Signature struct {
	Patches []Patch // of the headers: CheckSum and Security directory
	Tail    []byte  // to be written behind the image, at Streamed.Size
	Size    int64   // of the signed image
}

// Attach works out the parts of a signature, a DER-encoded PKCS #7 message. It doesn't look into it.
func (s *Streamed) Attach(pkcs7 []byte) (*Signature, error) {
	start := alignUp(s.Size, certificateAlignment)
	table := certificateTable(pkcs7)
	size := start + int64(len(table))
	switch {
	case s.err != nil:
		return nil, fmt.Errorf("attach signature: %w", s.err)
	case s.a.security == 0:
		return nil, errors.New("attach signature: the image has no Security directory")
	case len(pkcs7) == 0 || len(table) > maxCertificates:
		return nil, fmt.Errorf("attach signature: its size is %d bytes", len(pkcs7))
	case size > maxImage:
		return nil, fmt.Errorf("attach signature: %w", errTooBig)
	}
	entry := securityDirectoryEntry(start, int64(len(table)))
	tail := append(make([]byte, start-s.Size), table...)
	sum := s.sum
	sum.put(s.a.security, entry)
	sum.add(tail)
	return &Signature{
		Patches: []Patch{
			{s.a.checkSum, binary.LittleEndian.AppendUint32(nil, sum.value())},
			{s.a.security, entry},
		},
		Tail: tail,
		Size: size,
	}, nil
}

func securityDirectoryEntry(start, size int64) []byte {
	entry := binary.LittleEndian.AppendUint32(nil, uint32(start))
	return binary.LittleEndian.AppendUint32(entry, uint32(size))
}

// Stream writes the image, unsigned and with a CheckSum of zero, in one pass over its inputs,
// from the first byte to the last; each input is read from its start to its end, the base
// with the parts that the image does without. An input that ends early, goes on behind
// what was planned, or has other headers by now, is an [ErrInputChanged]. One whose other content
// changed is for the caller to find, by the digest of the base and by what its readers saw.
func (a *Assembly) Stream(w io.Writer) (*Streamed, error) {
	s, err := a.pass(func(p []byte) error {
		_, err := w.Write(p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("write PE image: %w", err)
	}
	return s, nil
}

// WriteSigned writes the image in one pass, and then the signature that sign makes of what was
// streamed: it is sign that holds the inputs against the plan. The image's size is returned. After an
// error w holds a part of an image, unsigned.
func (a *Assembly) WriteSigned(w Destination, sign func(*Streamed) (pkcs7 []byte, err error)) (int64, error) {
	s, err := a.Stream(w)
	if err != nil {
		return 0, err
	}
	der, err := sign(s)
	if err != nil {
		return 0, err
	}
	sig, err := s.Attach(der)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write(sig.Tail); err != nil {
		return 0, fmt.Errorf("write PE image: %w", err)
	}
	for _, p := range sig.Patches {
		if _, err := w.WriteAt(p.Data, p.Offset); err != nil {
			return 0, fmt.Errorf("write PE image: %w", err)
		}
	}
	return sig.Size, nil
}

// Match is a signed image that is what an assembly makes.
type Match struct {
	*Streamed
	Table []byte // its attribute certificate table, which is for the caller to verify
}

// MatchSigned holds a file of size bytes against this image with a signature, in one pass over
// both: they may differ in CheckSum, Security directory, and an attribute certificate table at the
// end, with up to 7 zeros before it. It is nil where they differ in more. Whether the signature is any
// good is for the caller to see, by the match's Table and Authentihash.
func (a *Assembly) MatchSigned(r io.ReaderAt, size int64) (*Match, error) {
	table, err := a.tableOf(r, size)
	if err != nil || table == nil {
		return nil, err
	}
	var off int64
	buf := make([]byte, min(streamBuffer, a.size))
	s, err := a.pass(func(want []byte) error {
		got := buf[:len(want)]
		if err := readFull(r, got, off); err != nil {
			return fmt.Errorf("read the image to compare: %w", err)
		}
		a.blank(got, off)
		if !bytes.Equal(want, got) {
			return errDiffers
		}
		off += int64(len(want))
		return nil
	})
	switch {
	case errors.Is(err, errDiffers):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("compare PE image: %w", err)
	}
	return &Match{s, table}, nil
}

// tableOf reads the attribute certificate table of a file that may be this image with a signature:
// nil where it can't be.
func (a *Assembly) tableOf(r io.ReaderAt, size int64) ([]byte, error) {
	start := alignUp(a.size, certificateAlignment)
	if a.security == 0 || size <= start || size-start > maxCertificates {
		return nil, nil
	}
	entry, err := readAt(r, a.security, directorySize)
	if err != nil {
		return nil, fmt.Errorf("compare PE image: %w", err)
	}
	tail, err := readAt(r, a.size, int(size-a.size))
	if err != nil {
		return nil, fmt.Errorf("compare PE image: %w", err)
	}
	padding, table := tail[:start-a.size], tail[start-a.size:]
	if !bytes.Equal(entry, securityDirectoryEntry(start, size-start)) || len(bytes.Trim(padding, "\x00")) != 0 {
		return nil, nil
	}
	return table, nil
}

// blank makes zeros of the fields that a signature changes, in the bytes at an offset of the file.
func (a *Assembly) blank(p []byte, off int64) {
	fields := []span{{a.checkSum, a.checkSum + 4}}
	if a.security != 0 {
		fields = append(fields, span{a.security, a.security + directorySize})
	}
	for _, g := range fields {
		from, to := max(g.off-off, 0), min(g.end-off, int64(len(p)))
		if from < to {
			clear(p[from:to])
		}
	}
}

// CopySigned copies a file of size bytes that is to be the streamed image with a signature, as a
// signing program made it, and fails unless it is that, but for its CheckSum. It is read once,
// so that what was compared is what was copied; after an error w holds some of it. The table
// returned is for the caller to verify.
func (s *Streamed) CopySigned(w io.Writer, r io.ReaderAt, size int64) (table []byte, err error) {
	refuse := func(why string) ([]byte, error) { return nil, fmt.Errorf("copy signed PE image: %s", why) }
	start := alignUp(s.Size, certificateAlignment)
	switch {
	case s.err != nil:
		return nil, fmt.Errorf("copy signed PE image: %w", s.err)
	case s.a.skip.Copy:
		return nil, fmt.Errorf("copy signed PE image: %w", errSkipped)
	case s.a.security == 0 || size <= start:
		return refuse("it has no signature")
	case size-start > maxCertificates:
		return refuse(fmt.Sprintf("a certificate table of %d bytes", size-start))
	}
	h, err := s.a.hasher()
	if err != nil {
		return nil, err
	}
	plain := maphash.Hash{}
	plain.SetSeed(s.plain.Seed())
	entry := make([]byte, 0, directorySize)
	blanked := make([]byte, min(streamBuffer, size))
	var off int64
	err = (part{src: r, size: size}).stream(make([]byte, min(streamBuffer, size)), func(p []byte) error {
		content := blanked[:copy(blanked, cut(p, off, span{0, s.Size}))]
		s.a.blank(content, off)
		h.Write(content)
		plain.Write(content)
		entry = append(entry, cut(p, off, span{s.a.security, s.a.security + directorySize})...)
		table = append(table, cut(p, off, span{s.Size, size})...)
		off += int64(len(p))
		_, err := w.Write(p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("copy signed PE image: %w", err)
	}
	padding := table[:start-s.Size]
	table = table[start-s.Size:]
	switch {
	case h.sum() != s.hash || plain.Sum64() != s.plain.Sum64() || len(bytes.Trim(padding, "\x00")) != 0:
		return refuse("it is another image than the one to be signed")
	case !bytes.Equal(entry, securityDirectoryEntry(start, size-start)):
		return refuse("its Security directory names no table at its end")
	}
	return table, nil
}

// cut gives what of the bytes at an offset lies in a span.
func cut(p []byte, off int64, g span) []byte {
	from, to := max(g.off-off, 0), min(g.end-off, int64(len(p)))
	if from >= to {
		return nil
	}
	return p[from:to]
}

// pass hands out the image piece by piece, with a CheckSum of zero, and takes its digests and
// those of the inputs on the way.
func (a *Assembly) pass(use func([]byte) error) (*Streamed, error) {
	s := &Streamed{a: a, Size: a.size}
	var h *streamHasher
	if s.err = errSkipped; !a.skip.Image {
		h, s.err = a.hasher()
	}
	base := &baseHash{a: a}
	if !a.skip.Base {
		base.h = sha256.New()
	}
	if err := base.upTo(int64(len(a.original[0].Data))); err != nil {
		return nil, err
	}
	buf := make([]byte, min(streamBuffer, a.size))
	for _, p := range a.parts {
		var read func(p []byte, off int64) error
		switch {
		case p.src == nil:
		case p.name == "":
			read = base.read
		default:
			read = func(b []byte, off int64) error {
				return readFull(p.src, b, off)
			}
		}
		err := p.streamBy(buf, read, func(b []byte) error {
			s.sum.add(b)
			if !a.skip.Copy {
				s.plain.Write(b)
			}
			if h != nil {
				h.Write(b)
			}
			return use(b)
		})
		if err != nil {
			return nil, err
		}
		if p.name != "" {
			if err := ended(p.src, p.size); err != nil {
				return nil, fmt.Errorf("read the %d bytes of section %q: %w", p.size, p.name, err)
			}
		}
	}
	if err := base.upTo(a.base.size); err != nil {
		return nil, err
	}
	if err := ended(a.base.r, a.base.size); err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	if base.h != nil {
		base.h.Sum(s.Base[:0])
	}
	if h != nil {
		s.measured, s.hash = h.measured(), h.sum()
	}
	return s, nil
}

// ended makes sure that an input has no more than size bytes.
func ended(r io.ReaderAt, size int64) error {
	var b [1]byte
	n, err := r.ReadAt(b[:], size)
	switch {
	case n > 0:
		return fmt.Errorf("at byte %d: %w: it is longer", size, ErrInputChanged)
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("at byte %d: %w", size, err)
	}
	return nil
}

// baseHash hashes the base file in its order, with what lies between the parts that are read.
type baseHash struct {
	a  *Assembly
	h  hash.Hash // nil where nobody wants it
	at int64     // up to here
}

// read reads a part of the base, which lies behind those read before.
func (b *baseHash) read(p []byte, off int64) error {
	if err := b.upTo(off); err != nil {
		return err
	}
	if err := readFull(b.a.base.r, p, off); err != nil {
		return err
	}
	for _, known := range b.a.original {
		had := cut(p, off, span{known.Offset, known.Offset + int64(len(known.Data))})
		if had == nil {
			continue
		}
		if !bytes.Equal(had, known.Data[max(off-known.Offset, 0):][:len(had)]) {
			return fmt.Errorf("headers at byte %d: %w", known.Offset, ErrInputChanged)
		}
	}
	if b.h != nil {
		b.h.Write(p)
	}
	b.at = off + int64(len(p))
	return nil
}

// upTo reads what the image has no use for.
func (b *baseHash) upTo(off int64) error {
	var buf [4096]byte
	for b.at < off {
		if err := b.read(buf[:min(int64(len(buf)), off-b.at)], b.at); err != nil {
			return err
		}
	}
	return nil
}
