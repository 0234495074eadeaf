package secureboot_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

func TestVerifier(t *testing.T) {
	t.Parallel()
	db, other := people().db, people().other
	v := must(secureboot.NewVerifier(db.cert))
	if v.Fingerprint() != secureboot.Fingerprint(db.cert) || !v.Certificate().Equal(db.cert) {
		t.Error("it has another certificate")
	}
	image := smallImage("hello")
	digest, another := authentihash(t, image), authentihash(t, smallImage("hallo"))
	good, bad := signatureOf(t, image, db), signatureOf(t, image, other)
	signed := sign(t, image, db)
	table := signed[tableStart(signed):]
	for name, c := range map[string]struct{ got, want error }{
		"image":               {v.Verify(bytes.NewReader(signed), int64(len(signed))), nil},
		"signature":           {v.VerifySignature(good, digest), nil},
		"of another key":      {v.VerifySignature(bad, digest), secureboot.ErrWrongKey},
		"of another image":    {v.VerifySignature(good, another), secureboot.ErrDigestMismatch},
		"none":                {v.VerifySignature(nil, digest), secureboot.ErrMalformed},
		"table":               {v.VerifyTable(table, digest), nil},
		"another's table":     {v.VerifyTable(table, another), secureboot.ErrDigestMismatch},
		"table of no bytes":   {v.VerifyTable(nil, digest), secureboot.ErrUnsigned},
		"table cut short":     {v.VerifyTable(table[:len(table)-8], digest), secureboot.ErrMalformed},
		"two keys in a table": {v.VerifyTable(twice(t, image, other, db)[tableStart(signed):], digest), nil},
	} {
		if !errors.Is(c.got, c.want) || c.want == nil && c.got != nil {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

func TestVerifierRefuses(t *testing.T) {
	t.Parallel()
	if _, err := secureboot.NewVerifier(nil); err == nil {
		t.Error("no certificate: no error")
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, ec.Public(), ec))))
	if _, err := secureboot.NewVerifier(cert); err == nil {
		t.Error("an elliptic curve: no error")
	}
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	cert = must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, small.Public(), small))))
	if _, err := secureboot.NewVerifier(cert); err == nil {
		t.Error("1024 bits: no error")
	}
}
