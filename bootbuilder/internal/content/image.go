package content

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Image is a Xen image with sections added, signed where there is a certificate.
type Image struct {
	Base     Source
	Sections []Section
	// Certificate is of who signs it; nil for an image that stays unsigned.
	Certificate *x509.Certificate
	// KeepDebug keeps the base's debug sections, which no loader reads.
	KeepDebug bool
}

// Section is one added section: a text, or the joined content of files.
type Section struct {
	Name  string
	Text  []byte
	Files []Source
}

// signatureSize is what a signature adds to an image, at most: a certificate chain and the rest
// of the SignedData.
const signatureSize = 16 << 10

// Size is the image's, with the disk space that its signature may take.
func (m Image) Size(r *Reader) (size int64, err error) {
	err = m.assemble(r, func(a *assembly) error {
		size = a.Size()
		return nil
	})
	if m.Certificate != nil {
		size += signatureSize
	}
	return size, err
}

// recipeVersion is part of every image's identity: an image that another version of this
// program put together, or signed, is another image.
const recipeVersion = "xen-boot-builder image 2"

// Sum is the identity of an image: of its inputs, of what is made from them, and of who signs.
func (m Image) Sum(ctx context.Context, r *Reader) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	base, err := r.identity(ctx, m.Base)
	if err != nil {
		return sum, err
	}
	fmt.Fprintf(h, "%s\n%s\n", recipeVersion, base)
	for _, s := range m.Sections {
		fmt.Fprintf(h, "%s %x", s.Name, sha256.Sum256(s.Text))
		for _, f := range s.Files {
			id, err := r.identity(ctx, f)
			if err != nil {
				return sum, err
			}
			fmt.Fprintf(h, " %s", id)
		}
		fmt.Fprintln(h)
	}
	if m.Certificate != nil {
		fmt.Fprintf(h, "%x\n", sha256.Sum256(m.Certificate.Raw))
	}
	if m.KeepDebug {
		fmt.Fprintln(h, "with debug sections")
	}
	h.Sum(sum[:0])
	return sum, nil
}

// Identity is the sum, as text.
func (m Image) Identity(ctx context.Context, r *Reader) (string, error) {
	sum, err := m.Sum(ctx, r)
	return fmt.Sprintf("image %x", sum), err
}

// Check looks whether the image can be put together: the base is an image that can take the
// sections, and all inputs are there.
func (m Image) Check(r *Reader) error {
	var names []string
	for _, s := range m.Sections {
		names = append(names, s.Name)
		for _, f := range s.Files {
			if _, err := r.Size(f); err != nil {
				return generation.Skipped(generation.PayloadMissing, err)
			}
		}
	}
	_, err := r.probe(m.Base, names)
	return err
}

// probe is what was found out about an image as a base, once for each set of sections.
type probe struct {
	machine pe.Machine
	err     error
}

type probeKey struct {
	base     Source
	sections string
}

func (r *Reader) probe(base Source, sections []string) (probe, error) {
	key := probeKey{base, strings.Join(sections, " ")}
	if p, ok := r.probes[key]; ok {
		return p, p.err
	}
	var p probe
	file, image, err := r.openImage(base)
	if err == nil {
		defer file.Close()
		p.machine = image.Machine()
		var add []pe.NewSection
		for _, name := range sections {
			add = append(add, pe.NewSection{Name: name, Data: bytes.NewReader([]byte{0}), Size: 1})
		}
		if _, err = image.Append(add...); err != nil {
			err = generation.Skipped(generation.ImageInvalid, fmt.Errorf("%s: %w", r.Path(base), err))
		}
	}
	if len(sections) == 0 && p.machine != 0 {
		err = nil
	}
	p.err = err
	r.probes[key] = p
	return p, err
}

// openImage opens and parses a Xen image.
func (r *Reader) openImage(s Source) (Opened, *pe.Image, error) {
	file, size, err := r.Open(s)
	if err != nil {
		return nil, nil, generation.Skipped(generation.XenMissing, err)
	}
	image, err := pe.Parse(file, size)
	if err != nil {
		file.Close()
		return nil, nil, generation.Skipped(generation.ImageInvalid, fmt.Errorf("%s: %w", r.Path(s), err))
	}
	return file, image, nil
}

// assemble opens an image's inputs for as long as use needs them.
func (m Image) assemble(r *Reader, use func(*assembly) error) error {
	base, image, err := r.openImage(m.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	if !m.KeepDebug {
		image, _ = image.WithoutDebug()
	}
	out := &assembly{image: m, r: r}
	var add []pe.NewSection
	for _, s := range m.Sections {
		ns := pe.NewSection{Name: s.Name, Data: bytes.NewReader(s.Text), Size: int64(len(s.Text))}
		if s.Files != nil {
			joined, err := r.openParts(s.Files)
			if err != nil {
				return generation.Skipped(generation.PayloadMissing, err)
			}
			defer joined.Close()
			out.files = append(out.files, joined)
			ns.Data, ns.Size = joined, joined.size
		}
		add = append(add, ns)
	}
	if out.Assembly, err = image.Append(add...); err != nil {
		return generation.Skipped(generation.ImageInvalid, fmt.Errorf("%s: %w", r.Path(m.Base), err))
	}
	return use(out)
}

func (m Image) Write(ctx context.Context, r *Reader, sign Signer, w esp.Writer) error {
	return m.assemble(r, func(a *assembly) error {
		if m.Certificate != nil {
			return a.writeSigned(ctx, w, sign)
		}
		s, err := a.taking(pe.Digests{}).Stream(cancelableWriter{ctx, w})
		if err == nil {
			err = a.check(s)
		}
		if err == nil {
			patch := s.Unsigned()
			_, err = w.WriteAt(patch.Data, patch.Offset)
		}
		return err
	})
}

// Digest is what the firmware measures of the image, of what its inputs hold by now and should hold.
func (m Image) Digest(ctx context.Context, r *Reader) (digest [sha256.Size]byte, err error) {
	err = m.assemble(r, func(a *assembly) error {
		s, err := a.taking(pe.Digests{Image: true}).Stream(cancelableSink{ctx})
		if err == nil {
			err = a.check(s)
		}
		switch {
		case err != nil:
		case m.Certificate == nil:
			digest, err = s.Measured()
		default:
			digest, err = s.Authentihash()
		}
		return err
	})
	return digest, err
}

// cancelableSink takes everything until ctx ends.
type cancelableSink struct{ ctx context.Context }

func (c cancelableSink) Write(p []byte) (int, error) { return len(p), c.ctx.Err() }

// Same holds what is installed against the image, byte by byte, and its signature against the
// certificate.
func (m Image) Same(ctx context.Context, r *Reader, name string) (same bool, err error) {
	have, size, err := r.Open(Source{Boot: name})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer have.Close()
	err = m.assemble(r, func(a *assembly) error {
		if m.Certificate == nil {
			same, err = a.Equal(have, size)
			return err
		}
		match, err := a.taking(pe.Digests{Image: true}).MatchSigned(have, size)
		if err != nil || match == nil {
			return err
		}
		verifier, err := secureboot.NewVerifier(m.Certificate)
		if err != nil {
			return err
		}
		digest, err := match.Authentihash()
		same = err == nil && verifier.VerifyTable(match.Table, digest) == nil
		return nil
	})
	return same, err
}
