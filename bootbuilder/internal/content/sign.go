package content

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Signer makes signatures; it is a [DigestSigner] or a [FileSigner].
type Signer interface {
	// Certificate verifies what the signer signs.
	Certificate() *x509.Certificate
}

// DigestSigner signs an image's Authentihash.
type DigestSigner interface {
	Signer
	SignDigest(digest [32]byte) ([]byte, error)
}

// FileSigner signs complete images, as programs do, in a private directory below tmp.
type FileSigner interface {
	Signer
	Sign(ctx context.Context, tmp string, write func(*os.File) error, use func(signed *os.File, size int64) error) error
}

// assembly is an image about to be written: its inputs are open.
type assembly struct {
	*pe.Assembly
	image Image
	r     *Reader
	files []*parts
}

// taking is the assembly, of whose passes no more digests are wanted than these and those that check needs.
func (a *assembly) taking(d pe.Digests) *pe.Assembly {
	_, planned := a.r.sums[a.image.Base]
	return a.Skip(pe.Digests{Base: !planned, Image: !d.Image, Copy: !d.Copy})
}

// check holds what was streamed against what was planned. What came from the store has no
// planned sum: its path stands for it.
func (a *assembly) check(s *pe.Streamed) error {
	if want, ok := a.r.sums[a.image.Base]; ok && want.Sum != s.Base {
		return fmt.Errorf("%s: %w", a.r.Path(a.image.Base), errNotPlanned)
	}
	for _, p := range a.files {
		if err := p.check(a.r); err != nil {
			return err
		}
	}
	return nil
}

var errNotPlanned = errors.New("it is not what it was when the run was planned")

// writeSigned writes an image with its signature. What is signed is what was streamed; nothing is
// read back.
func (a *assembly) writeSigned(ctx context.Context, w esp.Writer, sign Signer) error {
	verifier, err := secureboot.NewVerifier(a.image.Certificate)
	if err != nil {
		return err
	}
	switch s := sign.(type) {
	case FileSigner:
		return a.writeSignedFile(ctx, w, s, verifier)
	case DigestSigner:
		return a.writeSignedDigest(ctx, w, s, verifier)
	}
	return errors.New("there is no key to sign with")
}

func (a *assembly) writeSignedDigest(ctx context.Context, w esp.Writer, sign DigestSigner, verifier *secureboot.Verifier) error {
	_, err := a.taking(pe.Digests{Image: true}).WriteSigned(cancelableWriter{ctx, w}, func(s *pe.Streamed) ([]byte, error) {
		if err := a.check(s); err != nil {
			return nil, err
		}
		digest, err := s.Authentihash()
		if err != nil {
			return nil, fmt.Errorf("hash the image: %w", err)
		}
		signature, err := sign.SignDigest(digest)
		if err != nil {
			return nil, fmt.Errorf("sign the image: %w", err)
		}
		if err := verifier.VerifySignature(signature, digest); err != nil {
			return nil, fmt.Errorf("the signature just made does not verify: %w", err)
		}
		return signature, nil
	})
	return err
}

// writeSignedFile has a program sign the image in a private directory, and takes over its result only
// if it is the same image, by what was streamed to it, with a signature that verifies.
func (a *assembly) writeSignedFile(ctx context.Context, w esp.Writer, sign FileSigner, verifier *secureboot.Verifier) error {
	var streamed *pe.Streamed
	write := func(unsigned *os.File) error {
		s, err := a.taking(pe.Digests{Image: true, Copy: true}).Stream(cancelableWriter{ctx, unsigned})
		if err != nil {
			return err
		}
		if err := a.check(s); err != nil {
			return err
		}
		streamed = s
		patch := s.Unsigned()
		_, err = unsigned.WriteAt(patch.Data, patch.Offset)
		return err
	}
	use := func(signed *os.File, size int64) error {
		table, err := streamed.CopySigned(cancelableWriter{ctx, w}, signed, size)
		if err != nil {
			return fmt.Errorf("what the signing program made is refused: %w", err)
		}
		digest, err := streamed.Authentihash()
		if err == nil {
			err = verifier.VerifyTable(table, digest)
		}
		if err != nil {
			return fmt.Errorf("what the signing program made is refused: %w", err)
		}
		return nil
	}
	return sign.Sign(ctx, os.TempDir(), write, use)
}

// maxStub bounds what is read of a stub, in bytes; lzbt's have less than 200 KiB.
const maxStub = 16 << 20

// ReadSigned reads a small image on $BOOT, and verifies the signature of the very bytes that it returns.
func (r *Reader) ReadSigned(name string, cert *x509.Certificate) ([]byte, error) {
	image, err := esp.ReadFile(r.boot, name, maxStub)
	if err != nil {
		return nil, err
	}
	return image, secureboot.Verify(bytes.NewReader(image), int64(len(image)), cert)
}

// SignedBy verifies the signature of an image on $BOOT.
func (r *Reader) SignedBy(name string, cert *x509.Certificate) error {
	f, size, err := r.Open(Source{Boot: name})
	if err != nil {
		return err
	}
	defer f.Close()
	return secureboot.Verify(f, size, cert)
}
