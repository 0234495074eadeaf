package secureboot

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
)

// Verifier judges signatures by one certificate. It is all that planning and verifying take of
// a signer: no key.
type Verifier struct{ cert *x509.Certificate }

// NewVerifier makes one of a certificate whose key firmware takes: RSA with 2048 bits or more.
func NewVerifier(cert *x509.Certificate) (*Verifier, error) {
	if cert == nil {
		return nil, errors.New("no certificate to verify with")
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("certificate %q has a key of type %T: firmware takes RSA only", cert.Subject, cert.PublicKey)
	}
	if bits := key.N.BitLen(); bits < minKeyBits {
		return nil, fmt.Errorf("certificate %q has a key of %d bits: firmware asks for %d", cert.Subject, bits, minKeyBits)
	}
	return &Verifier{cert}, nil
}

// Certificate is the one that is verified with.
func (v *Verifier) Certificate() *x509.Certificate { return v.cert }

// Fingerprint is that of the certificate: see [Fingerprint].
func (v *Verifier) Fingerprint() string { return Fingerprint(v.cert) }

// Verify judges an image: see [Verify].
func (v *Verifier) Verify(r io.ReaderAt, size int64) error { return Verify(r, size, v.cert) }

// VerifySignature judges a PKCS #7 signature by the Authentihash of the image it is for, which
// need not be read for it. The errors are those of [Verify].
func (v *Verifier) VerifySignature(der []byte, digest [sha256.Size]byte) error {
	return verifySignature(der, digest, v.cert)
}

// VerifyTable is the same for an attribute certificate table: one good signature is enough. A
// table of no bytes is an [ErrUnsigned].
func (v *Verifier) VerifyTable(table []byte, digest [sha256.Size]byte) error {
	return verifyTable(table, func() ([sha256.Size]byte, error) { return digest, nil }, v.cert)
}
