package secureboot

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
)

// minKeyBits is what the UEFI specification asks of a key in db.
const minKeyBits = 2048

// KeyPair is an RSA key, wherever it is kept, and the certificate that belongs to it.
type KeyPair struct {
	key    crypto.Signer
	public *rsa.PublicKey
	cert   *x509.Certificate
}

// NewKeyPair joins a key and its certificate. The key may live in a TPM, a token
// or another process: it is asked for PKCS#1 v1.5 signatures of SHA-256 digests.
// A key that is not RSA with 2048 bits or more is refused, and so is one that
// the certificate is not for.
func NewKeyPair(key crypto.Signer, cert *x509.Certificate) (*KeyPair, error) {
	if key == nil || cert == nil {
		return nil, errors.New("signing needs both a key and a certificate")
	}
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("signing key is %T: firmware takes RSA only", key.Public())
	}
	if bits := public.N.BitLen(); bits < minKeyBits {
		return nil, fmt.Errorf("signing key has %d bits: firmware asks for %d", bits, minKeyBits)
	}
	if !public.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("signing key does not belong to the certificate %q", cert.Subject)
	}
	return &KeyPair{key: key, public: public, cert: cert}, nil
}

// Certificate is the one that signatures are verified with.
func (k *KeyPair) Certificate() *x509.Certificate { return k.cert }

// SignDigest makes the PKCS#7 signature of an image from its Authentihash. The
// same digest and key give the same bytes each time.
func (k *KeyPair) SignDigest(digest [sha256.Size]byte) ([]byte, error) {
	der, err := newSignedData(digest, k.cert, k.sign)
	if err != nil {
		return nil, fmt.Errorf("signing with %q: %w", k.cert.Subject, err)
	}
	return der, nil
}

// sign checks what the key made: a token that fails quietly must not end in an
// image that does not boot.
func (k *KeyPair) sign(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	signature, err := k.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	if err := rsa.VerifyPKCS1v15(k.public, crypto.SHA256, digest[:], signature); err != nil {
		return nil, errors.New("the key made a signature that does not fit its certificate")
	}
	return signature, nil
}

// Fingerprint tells certificates apart in file names and reports: the first 16
// hexadecimal digits of the SHA-256 of the certificate.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:8])
}
