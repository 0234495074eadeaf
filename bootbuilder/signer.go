package bootbuilder

import (
	"context"
	"crypto"
	"crypto/x509"
	"os"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

// Signer makes Authenticode signatures for unified images: of a key and its certificate
// ([NewSigner], [LoadSigner], [LoadSignerBundle]), or of a program ([NewCommandSigner]).
type Signer = content.Signer

// NewCommandSigner makes a [Signer] of a program that signs files, as sbsign, sbctl or a smart card's tool do. It gets
// the paths of the unsigned and of the signed image, which does not exist yet, as its last
// arguments. What it signs is held against the certificate. Of the environment it gets PATH and HOME, and
// the variables that keep names.
func NewCommandSigner(argv []string, cert *x509.Certificate, keep ...string) Signer {
	return commandSigner{secureboot.Command{Argv: argv, Env: secureboot.Environment(os.Environ(), keep...)}, cert}
}

type commandSigner struct {
	secureboot.Command
	cert *x509.Certificate
}

func (c commandSigner) Certificate() *x509.Certificate { return c.cert }

// NewSigner makes a [Signer] of an RSA key (in memory, in an HSM, in a TPM) and the certificate that
// belongs to it.
func NewSigner(key crypto.Signer, cert *x509.Certificate) (Signer, error) {
	return secureboot.NewKeyPair(key, cert)
}

// LoadSigner reads an RSA key (PKCS #1 or PKCS #8) and its certificate from PEM files. Warnings are
// what does not keep it from signing: a key that others can read, an expired certificate.
func LoadSigner(keyFile, certFile string) (Signer, []Warning, error) {
	return loaded(secureboot.LoadKeyPair(keyFile, certFile))
}

// LoadSignerBundle is [LoadSigner] for an sbctl key directory (keys/db/db.key, keys/db/db.pem).
func LoadSignerBundle(dir string) (Signer, []Warning, error) {
	return loaded(secureboot.LoadBundle(dir))
}

// CertificateWarnings says what about a signer's certificate makes some firmware refuse what it signs.
func CertificateWarnings(cert *x509.Certificate, file string) []Warning {
	return warningsOf(secureboot.CertificateWarnings(cert, file, time.Now()))
}

// LoadCertificate reads the certificate that verifies signed images, PEM or DER.
func LoadCertificate(file string) (*x509.Certificate, error) { return secureboot.LoadCertificate(file) }

func loaded(k *secureboot.KeyPair, warnings []secureboot.Warning, err error) (Signer, []Warning, error) {
	if err != nil {
		return nil, nil, err
	}
	return k, warningsOf(warnings), nil
}

func warningsOf(list []secureboot.Warning) []Warning {
	var warnings []Warning
	for _, w := range list {
		warnings = append(warnings, Warning{Message: w.Text})
	}
	return warnings
}

// signerKey carries the signer from [Plan.Apply] to where an image is written: plans are made
// without one.
type signerKey struct{}

func withSigner(ctx context.Context, sign Signer) context.Context {
	return context.WithValue(ctx, signerKey{}, sign)
}

func signerOf(ctx context.Context) Signer {
	sign, _ := ctx.Value(signerKey{}).(Signer)
	return sign
}
