package secureboot

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

// Why an image does not pass. An image with several signatures can fail for
// several of these reasons.
var (
	ErrUnsigned       = errors.New("image is not signed")
	ErrDigestMismatch = errors.New("image is not what was signed")
	ErrWrongKey       = errors.New("signature is not by the given certificate")
	ErrMalformed      = errors.New("image or signature cannot be read")
)

// Verify checks that firmware with nothing but cert in its db would start the
// image in the first size bytes of r. It is stricter than firmware on two points:
// a signature has to have signed attributes, and nothing may hide between or
// behind the signatures. Memory use does not grow with the image.
//
// The signer has to be cert itself, byte for byte, or a certificate inside the
// signature that cert issued directly and may issue. Like firmware it does not
// look at validity dates and key usage, nor at bytes in gaps between sections,
// which are not loaded. One good signature among several is enough, as long as the
// table of them is well formed.
//
// By [errors.Is] the error is one of [ErrUnsigned], [ErrDigestMismatch],
// [ErrWrongKey] and [ErrMalformed]; the last one goes with errors of r, too.
func Verify(r io.ReaderAt, size int64, cert *x509.Certificate) error {
	if cert == nil {
		return errors.New("no certificate to verify the image with")
	}
	im, err := pe.Parse(r, size)
	if err != nil {
		return unreadable(err)
	}
	table, err := im.Certificates()
	if err != nil {
		return unreadable(err)
	}
	return verifyTable(table, func() ([sha256.Size]byte, error) { return pe.Authentihash(r, size) }, cert)
}

// verifyTable judges the signatures of an attribute certificate table, and asks for the image's
// Authentihash only where there is one to judge.
func verifyTable(table []byte, authentihash func() ([sha256.Size]byte, error), cert *x509.Certificate) error {
	if len(table) == 0 {
		return ErrUnsigned
	}
	signatures, err := splitTable(table)
	if err != nil {
		return err
	}
	digest, err := authentihash()
	if err != nil {
		return unreadable(err)
	}
	var failures []error
	for i, der := range signatures {
		err := verifySignature(der, digest, cert)
		if err == nil {
			return nil
		}
		if len(signatures) > 1 {
			err = fmt.Errorf("signature %d: %w", i+1, err)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// unreadable wraps the reason why there is nothing to judge.
func unreadable(err error) error { return fmt.Errorf("%w: %w", ErrMalformed, err) }

// verifySignature holds one PKCS#7 signature against an image's Authentihash.
func verifySignature(der []byte, digest [sha256.Size]byte, cert *x509.Certificate) error {
	signed, err := parseSignedData(der)
	if err != nil {
		return err
	}
	// Three links, none of which may be missing: the image to the content, the
	// content to the attributes, the attributes to the key. Without the second a
	// signature could be moved to any other image.
	if !bytes.Equal(signed.imageDigest, digest[:]) {
		return fmt.Errorf("%w: its SHA-256 is %x, signed was %x", ErrDigestMismatch, digest, signed.imageDigest)
	}
	if content := sha256.Sum256(signed.content); !bytes.Equal(signed.messageDigest, content[:]) {
		return fmt.Errorf("%w: the signature was made for another image", ErrDigestMismatch)
	}
	signer, err := signed.signer()
	if err != nil {
		return err
	}
	if !signer.Equal(cert) {
		if err := signer.CheckSignatureFrom(cert); err != nil {
			return fmt.Errorf("%w: signer is %q (%s), wanted %q (%s)", ErrWrongKey,
				signer.Subject, Fingerprint(signer), cert.Subject, Fingerprint(cert))
		}
	}
	if err := signer.CheckSignature(x509.SHA256WithRSA, signed.attributes, signed.signature); err != nil {
		return fmt.Errorf("%w: %w", ErrWrongKey, err)
	}
	return nil
}
