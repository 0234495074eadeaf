package secureboot_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

func TestCertificateWarnings(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	key := people().db.key
	for name, c := range map[string]struct {
		change func(c *x509.Certificate)
		want   []secureboot.Concern
		says   string
	}{
		"bare":              {func(*x509.Certificate) {}, nil, ""},
		"for code":          {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }, nil, ""},
		"for anything":      {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, nil, ""},
		"for servers":       {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, []secureboot.Concern{secureboot.NotForCodeSigning}, "codeSigning"},
		"for something":     {func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3, 4}} }, []secureboot.Concern{secureboot.NotForCodeSigning}, "codeSigning"},
		"digital signature": {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }, nil, ""},
		"a CA's usage":      {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }, []secureboot.Concern{secureboot.NotForCodeSigning}, "digitalSignature"},
		"unknown, critical": {func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4, 5}, Critical: true, Value: []byte{5, 0}}}
		}, []secureboot.Concern{secureboot.UnknownExtension}, "1.2.3.4.5"},
		"unknown": {func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4, 5}, Value: []byte{5, 0}}}
		}, nil, ""},
		"expired": {func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, -1) }, []secureboot.Concern{secureboot.Expired}, "2025-12-31"},
		"early":   {func(c *x509.Certificate) { c.NotBefore = now.AddDate(0, 0, 1) }, []secureboot.Concern{secureboot.NotYetValid}, "2026-01-02"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
				NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
			}
			c.change(template)
			cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
			var got []secureboot.Concern
			for _, w := range secureboot.CertificateWarnings(cert, "db.pem", now) {
				got = append(got, w.Concern)
				if !strings.Contains(w.String(), c.says) || !strings.Contains(w.String(), "db.pem") {
					t.Errorf("it says %q, want %q", w, c.says)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("concerns %v, want %v", got, c.want)
			}
		})
	}
}
