package bootbuilder

import (
	"context"
	"crypto"
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

// Signer makes Authenticode signatures for unified images. [NewSigner] makes one of
// any [crypto.Signer]: a key in memory, an HSM, a TPM.
type Signer interface {
	// Certificate verifies what the signer signs.
	Certificate() *x509.Certificate
	// SignDigest signs an image's Authentihash (SHA-256) and returns a DER-encoded
	// PKCS #7 SignedData.
	SignDigest(digest [32]byte) ([]byte, error)
}

// FileSigner is a [Signer] that signs whole images, as programs do: sbsign, sbctl, a smart
// card's tool. Its SignDigest is never called.
type FileSigner interface {
	Signer
	// SignFile reads the image unsigned and writes the signed one to signed, which does
	// not exist yet. Both are paths on the running system.
	SignFile(ctx context.Context, unsigned, signed string) error
}

// NewCommandSigner makes a [FileSigner] of a program that gets the two paths as its last
// arguments. What it signs is held against the certificate.
func NewCommandSigner(argv []string, cert *x509.Certificate) FileSigner {
	return commandSigner{secureboot.Command{Argv: argv}, cert}
}

type commandSigner struct {
	secureboot.Command
	cert *x509.Certificate
}

func (c commandSigner) Certificate() *x509.Certificate { return c.cert }

func (c commandSigner) SignDigest([32]byte) ([]byte, error) {
	return nil, errors.New("a program signs files, not digests")
}

// NewSigner makes a [Signer] of an RSA key and the certificate that belongs to it.
func NewSigner(key crypto.Signer, cert *x509.Certificate) (Signer, error) {
	return secureboot.NewKeyPair(key, cert)
}

// LoadSigner reads an RSA key (PKCS #1 or PKCS #8) and its certificate from PEM files.
// Warnings are what does not keep it from signing: a key that others can read, an expired
// certificate.
func LoadSigner(keyFile, certFile string) (Signer, []string, error) {
	return loaded(secureboot.LoadKeyPair(keyFile, certFile))
}

// LoadSignerBundle is [LoadSigner] for an sbctl key directory (keys/db/db.key, keys/db/db.pem).
func LoadSignerBundle(dir string) (Signer, []string, error) {
	return loaded(secureboot.LoadBundle(dir))
}

// LoadCertificate reads the certificate that verifies signed images, PEM or DER.
func LoadCertificate(file string) (*x509.Certificate, error) { return secureboot.LoadCertificate(file) }

func loaded(k *secureboot.KeyPair, warnings []secureboot.Warning, err error) (Signer, []string, error) {
	if err != nil {
		return nil, nil, err
	}
	var texts []string
	for _, w := range warnings {
		texts = append(texts, fmt.Sprint(w))
	}
	return k, texts, nil
}

// signatureRoom is what a signature adds to an image, at most, for planning space:
// a certificate chain and the rest of the SignedData.
const signatureRoom = 16 << 10

// signedFile is an assembled image, signed where there is a signer.
func signedFile(in *inputs, name string, r recipe, sign Signer) (*file, error) {
	f, err := assembledFile(in, name, r)
	if err != nil || sign == nil {
		return f, err
	}
	f.size += signatureRoom
	f.write = func(ctx context.Context, w esp.Writer) error {
		return in.assemble(r, func(a *pe.Assembly) error {
			return writeSigned(ctx, a, w, sign)
		})
	}
	f.same = func(context.Context) (bool, error) {
		return in.matches(name, r, func(a *pe.Assembly, have openedFile, size int64) (bool, error) {
			same, err := a.EqualSigned(have, size)
			if err != nil || !same {
				return false, err
			}
			return secureboot.Verify(have, size, sign.Certificate()) == nil, nil
		})
	}
	return f, nil
}

// writeSigned writes an image, signs it, and verifies what it wrote.
func writeSigned(ctx context.Context, a *pe.Assembly, w esp.Writer, sign Signer) error {
	if files, ok := sign.(FileSigner); ok {
		return writeSignedFile(ctx, a, w, files)
	}
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
	if err := secureboot.Verify(w, size, sign.Certificate()); err != nil {
		return fmt.Errorf("the signature just made does not verify: %w", err)
	}
	return nil
}

// writeSignedFile has a program sign the image in a private directory, and takes over its result
// only if it is the same image with a signature that verifies.
func writeSignedFile(ctx context.Context, a *pe.Assembly, w esp.Writer, sign FileSigner) error {
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
		err = secureboot.Verify(f, info.Size(), sign.Certificate())
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
