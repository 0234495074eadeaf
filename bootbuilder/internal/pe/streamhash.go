package pe

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
)

// maxHeld is how much of an image is kept back for its digest, in bytes.
const maxHeld = 1 << 20

// streamHasher makes the Authentihash of an unsigned image that is written to it from its first
// byte to its last. What the digest takes last is counted by length and not by place: where
// sections have gaps between them it begins within the last ones, and those bytes are held until
// their second turn.
type streamHasher struct {
	h      hash.Hash
	spans  []span // in the file's order
	held   span   // part of the file that comes once more after those
	tail   span   // what comes last
	buffer []byte
	off    int64
	size   int64
	done   bool // buffer is hashed
}

// hasher makes one for the image of an assembly.
func (a *Assembly) hasher() (*streamHasher, error) {
	im, err := Parse(bytes.NewReader(a.head), a.size)
	if err != nil {
		return nil, fmt.Errorf("hash PE image: %w", err)
	}
	spans, err := im.hashed()
	if err != nil {
		return nil, fmt.Errorf("hash PE image: %w", err)
	}
	rest := spans[len(spans)-1]
	spans = spans[:len(spans)-1]
	last := spans[len(spans)-1].end
	h := &streamHasher{h: sha256.New(), spans: spans, size: a.size,
		held: span{rest.off, min(last, rest.end)}, tail: span{max(rest.off, last), rest.end}}
	if h.held.end-h.held.off > maxHeld {
		return nil, fmt.Errorf("hash PE image: gaps of more than %d bytes between its sections", maxHeld)
	}
	return h, nil
}

// Write never fails.
func (s *streamHasher) Write(p []byte) {
	for _, g := range s.spans {
		s.h.Write(cut(p, s.off, g))
	}
	s.buffer = append(s.buffer, cut(p, s.off, s.held)...)
	if last := cut(p, s.off, s.tail); last != nil {
		s.release()
		s.h.Write(last)
	}
	s.off += int64(len(p))
}

// release hashes what was held.
func (s *streamHasher) release() {
	if !s.done {
		s.h.Write(s.buffer)
		s.buffer, s.done = nil, true
	}
}

// measured is the digest of the image as it is.
func (s *streamHasher) measured() [sha256.Size]byte {
	s.release()
	return [sha256.Size]byte(s.h.Sum(nil))
}

// sum is the digest of the image with the zeros that signing appends.
func (s *streamHasher) sum() [sha256.Size]byte {
	s.release()
	s.h.Write(make([]byte, alignUp(s.size, certificateAlignment)-s.size))
	return [sha256.Size]byte(s.h.Sum(nil))
}
