package pe_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

// onceReader fails where something is read twice, or backwards.
type onceReader struct {
	t    *testing.T
	r    io.ReaderAt
	next int64
	free bool // it may be read in any order
}

func (o *onceReader) ReadAt(p []byte, off int64) (int, error) {
	if off < o.next && !o.free {
		o.t.Errorf("byte %d is read after byte %d was", off, o.next)
	}
	n, err := o.r.ReadAt(p, off)
	o.next = off + int64(n)
	return n, err
}

// writeOnly is a destination that can't be read.
type writeOnly struct{ f memFile }

func (w *writeOnly) Write(p []byte) (int, error)              { return w.f.Write(p) }
func (w *writeOnly) WriteAt(p []byte, off int64) (int, error) { return w.f.WriteAt(p, off) }

// TestStream holds what one pass shows against what other functions find in the finished image.
func TestStream(t *testing.T) {
	t.Parallel()
	bases := corpus(t)
	bases["gaps"] = withGaps(t)
	for name, b := range bases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contents := []string{"[global]\n", strings.Repeat("k", 300_001), "", strings.Repeat("x", 64)}
			names := []string{".new", ".kernel", ".empty", ".x"}
			reader := &onceReader{t: t, r: bytes.NewReader(b), free: true}
			im, err := pe.Parse(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			var add []pe.NewSection
			for i, c := range contents {
				add = append(add, pe.NewSection{Name: names[i], Data: &onceReader{t: t, r: strings.NewReader(c)}, Size: int64(len(c))})
			}
			pe.SetReader(im, reader)
			a, err := im.Append(add...)
			if err != nil {
				t.Fatal(err)
			}
			reader.next, reader.free = 0, false // planning read the headers
			var got memFile
			s, err := a.Stream(&got)
			if err != nil {
				t.Fatal(err)
			}

			for i := range add { // the other way reads everything again
				add[i].Data = strings.NewReader(contents[i])
			}
			_, want := assemble(t, b, add...)
			stream := bytes.Clone(got.b)
			if _, err := got.WriteAt(s.Unsigned().Data, s.Unsigned().Offset); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.b, want) {
				t.Error("another image than WriteTo writes")
			}
			if s.Size != int64(len(want)) || s.CheckSum() == 0 {
				t.Errorf("size %d, CheckSum %#x", s.Size, s.CheckSum())
			}
			digest, err := pe.Authentihash(bytes.NewReader(want), int64(len(want)))
			if got, gerr := s.Authentihash(); err != nil || gerr != nil || got != digest {
				t.Errorf("Authentihash %x (%v), want %x (%v)", got, gerr, digest, err)
			}
			if s.Base != sha256.Sum256(b) {
				t.Error("SHA-256 of the base differs")
			}
			measured := sha256.New()
			if err := pe.Measure(bytes.NewReader(want), int64(len(want)), measured); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Measured(); err != nil || !bytes.Equal(got[:], measured.Sum(nil)) {
				t.Errorf("Measured %x, %v; want %x", got, err, measured.Sum(nil))
			}

			// Signed, beside what reads the file back.
			message := make([]byte, 1234)
			_, _ = rand.Read(message)
			sig, err := s.Attach(message)
			if err != nil {
				t.Fatal(err)
			}
			signed := memFile{append(stream, sig.Tail...)}
			for _, p := range sig.Patches {
				_, _ = signed.WriteAt(p.Data, p.Offset)
			}
			theirs := memFile{bytes.Clone(want)}
			size, err := pe.AttachSignature(&theirs, int64(len(want)), message)
			if err != nil || size != sig.Size || !bytes.Equal(signed.b, theirs.b[:size]) {
				t.Errorf("another signed image than AttachSignature makes: %v", err)
			}

			// And the same by the function that does it all.
			var w writeOnly
			n, err := planned(t, b, add).WriteSigned(&w, func(*pe.Streamed) ([]byte, error) { return message, nil })
			if err != nil || n != sig.Size || !bytes.Equal(w.f.b, signed.b) {
				t.Errorf("WriteSigned: %d bytes, %v", n, err)
			}
			wantMatch(t, planned(t, b, add), signed.b, digest)
			wantCopied(t, s, signed.b)
		})
	}
}

func planned(t *testing.T, base []byte, add []pe.NewSection) *pe.Assembly {
	t.Helper()
	a, err := parse(t, base).Append(add...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantMatch changes a signed image byte by byte.
func wantMatch(t *testing.T, a *pe.Assembly, signed []byte, digest [32]byte) {
	t.Helper()
	m, err := a.MatchSigned(bytes.NewReader(signed), int64(len(signed)))
	if err != nil || m == nil {
		t.Fatalf("MatchSigned: %v, %v", m, err)
	}
	if got, err := m.Authentihash(); err != nil || got != digest {
		t.Errorf("Authentihash of the match: %x, %v", got, err)
	}
	im := parse(t, signed)
	table, err := im.Certificates()
	if err != nil || !bytes.Equal(table, m.Table) {
		t.Errorf("another table: %v", err)
	}
	end := len(signed) - len(table)
	for at := 3; at < end; at += max(end/40, 1) {
		changed := bytes.Clone(signed)
		changed[at] ^= 0x10
		m, err := a.MatchSigned(bytes.NewReader(changed), int64(len(changed)))
		if free := at >= checkSumAt && at < checkSumAt+4; err != nil || (m != nil) != free {
			t.Errorf("byte %#x changed: %v, %v", at, m != nil, err)
		}
	}
	for _, b := range [][]byte{signed[:end], signed[:end-1], append(bytes.Clone(signed), 0), signed[:len(signed)-8], nil} {
		if m, err := a.MatchSigned(bytes.NewReader(b), int64(len(b))); err != nil || m != nil {
			t.Errorf("%d of %d bytes: %v, %v", len(b), len(signed), m != nil, err)
		}
	}
}

// wantCopied has a signing program's image copied, and then others.
func wantCopied(t *testing.T, s *pe.Streamed, signed []byte) {
	t.Helper()
	var to bytes.Buffer
	r := &onceReader{t: t, r: bytes.NewReader(signed)}
	table, err := s.CopySigned(&to, r, int64(len(signed)))
	if err != nil || !bytes.Equal(to.Bytes(), signed) {
		t.Fatalf("CopySigned: %v", err)
	}
	if want, _ := parse(t, signed).Certificates(); !bytes.Equal(table, want) {
		t.Error("another table")
	}
	end := len(signed) - len(table)
	for at := 3; at < end; at += max(end/40, 1) {
		changed := bytes.Clone(signed)
		changed[at] ^= 0x10
		_, err := s.CopySigned(io.Discard, bytes.NewReader(changed), int64(len(changed)))
		if free := at >= checkSumAt && at < checkSumAt+4; (err == nil) != free {
			t.Errorf("byte %#x changed: %v", at, err)
		}
	}
	for _, b := range [][]byte{signed[:end], append(bytes.Clone(signed), 0), signed[:len(signed)-8], nil} {
		if _, err := s.CopySigned(io.Discard, bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("%d of %d bytes: no error", len(b), len(signed))
		}
	}
}

// withGaps is an image with gaps in front of the first section and between sections.
func withGaps(t *testing.T) []byte {
	t.Helper()
	b := recipe{fileAlignment: 0x20}.build(t)
	im := parse(t, b)
	sections := im.Sections()
	table := coffAt + 20 + int(u32(b, coffAt+16)&0xffff)
	const gap = 0x60
	var out []byte
	var last uint32
	for i, s := range sections {
		if s.Offset == 0 {
			continue
		}
		if s.Offset < last {
			t.Fatal("sections are not in the file's order")
		}
		if out == nil {
			out = append(out, b[:s.Offset]...)
		}
		fill := byte(0xa0 + i)
		if last == 0 {
			fill = 0 // the headers may grow into it
		}
		out = append(out, bytes.Repeat([]byte{fill}, gap)...)
		out = put32(out, table+40*i+20, uint32(len(out)))
		out = append(out, b[s.Offset:s.Offset+s.Size]...)
		last = s.Offset + s.Size
	}
	return out
}

// TestStreamChanged: inputs that are not what they were.
func TestStreamChanged(t *testing.T) {
	t.Parallel()
	b := recipe{debug: true}.build(t)
	text := strings.Repeat("k", 5000)
	for name, c := range map[string]struct {
		base, section string
		want          error
	}{
		"nothing":         {string(b), text, nil},
		"section longer":  {string(b), text + "x", pe.ErrInputChanged},
		"section shorter": {string(b), text[1:], io.ErrUnexpectedEOF},
		"base longer":     {string(b) + "x", text, pe.ErrInputChanged},
		"base shorter":    {string(b[:len(b)-1]), text, io.ErrUnexpectedEOF},
		"headers":         {string(put32(b, sizeOfImage, 1)), text, pe.ErrInputChanged},
		"debug directory": {string(flip(b, debugDirectoryAt(t, b))), text, pe.ErrInputChanged},
		"another content": {string(flip(b, len(b)-1)), text, nil}, // which its digest shows
		"another section": {string(b), "x" + text[1:], nil},
	} {
		im := parse(t, b)
		a, err := im.Append(pe.NewSection{Name: ".kernel", Data: strings.NewReader(c.section), Size: int64(len(text))})
		if err != nil {
			t.Fatal(err)
		}
		pe.SetBase(a, strings.NewReader(c.base))
		s, err := a.Stream(io.Discard)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil && s.Base != sha256.Sum256([]byte(c.base)) {
			t.Errorf("%s: the digest is of something else", name)
		}
	}
}

// debugDirectoryAt is where the debug directory lies in a recipe's image.
func debugDirectoryAt(t *testing.T, b []byte) int {
	t.Helper()
	s, ok := parse(t, b).Section(".buildid")
	if !ok {
		t.Fatal("no .buildid")
	}
	return int(s.Offset)
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// TestSkip leaves digests out of a pass: the image is the same, and what was not taken is an error, never zeros that look
// like a digest.
func TestSkip(t *testing.T) {
	t.Parallel()
	for name, b := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			add := []pe.NewSection{{Name: ".kernel", Data: strings.NewReader(strings.Repeat("k", 300_001)), Size: 300_001}}
			a := planned(t, b, add)
			var want memFile
			all, err := a.Stream(&want)
			if err != nil {
				t.Fatal(err)
			}
			digest, digestErr := all.Authentihash()
			for _, skip := range []pe.Digests{
				{Base: true}, {Image: true}, {Copy: true}, {Base: true, Image: true, Copy: true}, {},
			} {
				var got memFile
				s, err := a.Skip(skip).Stream(&got)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.b, want.b) || s.CheckSum() != all.CheckSum() || s.Size != all.Size {
					t.Errorf("without %+v: another image", skip)
				}
				if (s.Base == all.Base) == skip.Base {
					t.Errorf("without %+v: the base's digest is %x", skip, s.Base)
				}
				have, err := s.Authentihash()
				switch {
				case skip.Image && err == nil:
					t.Errorf("without %+v: the Authentihash is %x", skip, have)
				case !skip.Image && (have != digest || (err == nil) != (digestErr == nil)):
					t.Errorf("without %+v: the Authentihash is %x, %v; want %x", skip, have, err, digest)
				}
				if _, err := s.Measured(); skip.Image && err == nil {
					t.Errorf("without %+v: it is measured", skip)
				}
				if _, err := s.Attach([]byte("signature")); skip.Image && err == nil {
					t.Errorf("without %+v: it is signed", skip)
				}
				if _, err := s.CopySigned(&memFile{}, bytes.NewReader(want.b), int64(len(want.b))); (skip.Copy || skip.Image) && !strings.Contains(fmt.Sprint(err), "not taken") {
					t.Errorf("without %+v: compared, %v", skip, err)
				}
			}
		})
	}
}
