package content

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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

// FileSigner signs whole images, as programs do.
type FileSigner interface {
	Signer
	SignFile(ctx context.Context, unsigned, signed string) error
}

// writeSigned writes an image with its signature.
func writeSigned(ctx context.Context, a *pe.Assembly, w esp.Writer, sign Signer, cert *x509.Certificate) error {
	switch s := sign.(type) {
	case FileSigner:
		return writeSignedFile(ctx, a, w, s, cert)
	case DigestSigner:
		return writeSignedDigest(ctx, a, w, s, cert)
	}
	return errors.New("there is no key to sign with")
}

func writeSignedDigest(ctx context.Context, a *pe.Assembly, w esp.Writer, sign DigestSigner, cert *x509.Certificate) error {
	if err := a.WriteTo(cancelableWriter{ctx, w}); err != nil {
		return err
	}
	digest, err := pe.Authentihash(w, a.Size())
	if err != nil {
		return fmt.Errorf("hash the image: %w", err)
	}
	signature, err := sign.SignDigest(digest)
	if err != nil {
		return fmt.Errorf("sign the image: %w", err)
	}
	size, err := pe.AttachSignature(w, a.Size(), signature)
	if err != nil {
		return fmt.Errorf("attach the signature: %w", err)
	}
	if err := secureboot.Verify(w, size, cert); err != nil {
		return fmt.Errorf("the signature just made does not verify: %w", err)
	}
	return nil
}

// writeSignedFile has a program sign the image in a private directory, and takes over its result only
// if it is the same image with a signature that verifies.
func writeSignedFile(ctx context.Context, a *pe.Assembly, w esp.Writer, sign FileSigner, cert *x509.Certificate) error {
	dir, err := os.MkdirTemp("", "xen-boot-builder-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	unsigned, signed := filepath.Join(dir, "unsigned.efi"), filepath.Join(dir, "signed.efi")
	if err := writeUnsigned(ctx, a, unsigned); err != nil {
		return err
	}
	if err := sign.SignFile(ctx, unsigned, signed); err != nil {
		return err
	}
	f, err := os.Open(signed)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	same, err := a.EqualSigned(f, info.Size())
	if err == nil && !same {
		err = errors.New("it is another image than the one it was given")
	}
	if err == nil {
		err = secureboot.Verify(f, info.Size(), cert)
	}
	if err != nil {
		return fmt.Errorf("what the signing program made is refused: %w", err)
	}
	_, err = io.Copy(cancelableWriter{ctx, w}, f)
	return err
}

func writeUnsigned(ctx context.Context, a *pe.Assembly, name string) error {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = a.WriteTo(cancelableWriter{ctx, f})
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
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
