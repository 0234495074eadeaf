package secureboot

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Concern is what a [Warning] is about.
type Concern int

// The concerns that there are.
const (
	KeyReadable       Concern = iota + 1 // others than its owner can read the key file
	NotYetValid                          // the certificate's validity starts later
	Expired                              // it has ended
	UnknownExtension                     // a critical extension of the certificate is not known here
	NotForCodeSigning                    // its usage excludes the signing of programs
)

// Warning is something about a key or certificate that does not keep it from
// signing, as one line of text.
type Warning struct {
	Concern Concern
	Text    string
}

func (w Warning) String() string { return w.Text }

func keyWarnings(file string, mode fs.FileMode) []Warning {
	if mode.Perm()&0o077 == 0 {
		return nil
	}
	return []Warning{{KeyReadable, fmt.Sprintf("signing key %s is open to others than its owner (mode %04o)", file, mode.Perm())}}
}

// CertificateWarnings says what about a signer's certificate makes some program refuse what it
// signs. Firmware does not look at validity; in the rest it differs. name is the certificate's,
// for the text.
func CertificateWarnings(cert *x509.Certificate, name string, now time.Time) []Warning {
	var list []Warning
	warn := func(c Concern, format string, args ...any) {
		list = append(list, Warning{c, fmt.Sprintf("certificate %s "+format, append([]any{name}, args...)...)})
	}
	switch {
	case now.Before(cert.NotBefore):
		warn(NotYetValid, "is not valid before %s", cert.NotBefore.Format(time.DateOnly))
	case now.After(cert.NotAfter):
		warn(Expired, "was not valid after %s", cert.NotAfter.Format(time.DateOnly))
	}
	if unknown := cert.UnhandledCriticalExtensions; len(unknown) > 0 {
		warn(UnknownExtension, "has a critical extension that is not known here (%s): firmware may refuse it", oids(unknown))
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		warn(NotForCodeSigning, "is not for signing: its key usage has no digitalSignature; firmware may refuse it")
	}
	if !signsCode(cert) {
		warn(NotForCodeSigning, "is not for signing programs: its extended key usage has no codeSigning; firmware may refuse it")
	}
	return list
}

// signsCode reports whether the extended key usage allows it, which it does where there is none.
func signsCode(cert *x509.Certificate) bool {
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func oids(list []asn1.ObjectIdentifier) string {
	var texts []string
	for _, id := range list {
		texts = append(texts, id.String())
	}
	return strings.Join(texts, ", ")
}
