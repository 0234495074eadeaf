package secureboot_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

func TestLoadKeyPairTakes(t *testing.T) {
	t.Parallel()
	db := people().db
	pkcs8 := block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(db.key)))
	pkcs1 := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(db.key))
	cert := block("CERTIFICATE", db.cert.Raw)

	for _, c := range []struct {
		name      string
		key, cert []byte
	}{
		{"PKCS#8", pkcs8, cert},
		{"PKCS#1", pkcs1, cert},
		{"certificate in DER", pkcs8, db.cert.Raw},
		{"text before the blocks", join([]byte("Bag Attributes\n"), pkcs8), join([]byte("subject=db\n"), cert)},
		{"both in each file", join(cert, pkcs8), join(pkcs8, cert)},
		{"chain, signer first", pkcs8, join(cert, block("CERTIFICATE", people().ca.cert.Raw))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pair, warnings, err := load(t, c.key, c.cert)
			if err != nil || len(warnings) != 0 {
				t.Fatalf("error %v, warnings %q", err, warnings)
			}
			if !pair.Certificate().Equal(db.cert) {
				t.Errorf("certificate of %q", pair.Certificate().Subject)
			}
			if image := smallImage("x"); verify(sign(t, image, identity{pair: pair}), db.cert) != nil {
				t.Error("what it signs does not verify")
			}
		})
	}
}

func TestLoadKeyPairRefuses(t *testing.T) {
	t.Parallel()
	db := people().db
	key := block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(db.key)))
	cert := block("CERTIFICATE", db.cert.Raw)
	curve := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	encrypted := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: []byte{1},
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"},
	})

	for _, c := range []struct {
		name      string
		key, cert []byte
		want      string
	}{
		{"empty key file", nil, cert, "no PEM private key"},
		{"certificate for a key", cert, cert, "no PEM private key"},
		{"encrypted PKCS#8", block("ENCRYPTED PRIVATE KEY", []byte{1}), cert, "encrypted"},
		{"encrypted PKCS#1", encrypted, cert, "encrypted"},
		{"elliptic curve PKCS#8", block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(curve))), cert, "RSA only"},
		{"elliptic curve SEC 1", block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(curve))), cert, "EC PRIVATE KEY"},
		{"TPM key", block("TSS2 PRIVATE KEY", []byte{1}), cert, "TSS2 PRIVATE KEY"},
		{"damaged key", block("PRIVATE KEY", []byte{0x30, 0x80}), cert, "asn1"},
		{"huge key file", join(bytes.Repeat([]byte("#"), 1<<20), key), cert, "larger than"},
		{"key for a certificate", key, key, "no certificate in it"},
		{"empty certificate file", key, nil, "x509"},
		{"another certificate", key, block("CERTIFICATE", people().other.cert.Raw), "does not belong"},
		{"chain, signer last", key, join(block("CERTIFICATE", people().ca.cert.Raw), cert), "does not belong"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := load(t, c.key, c.cert)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestLoadKeyPairWarns(t *testing.T) {
	t.Parallel()
	db := people().db
	expired := certify(db.key, 9, "expired", nil, time.Date(2021, 2, 3, 0, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		name string
		id   identity
		mode fs.FileMode
		want []string
	}{
		{"nothing", db, 0o400, nil},
		{"others may read", db, 0o644, []string{"mode 0644"}},
		{"the group may read", db, 0o640, []string{"mode 0640"}},
		{"expired", expired, 0o600, []string{"was not valid after 2021-02-03"}},
		{"both", expired, 0o604, []string{"mode 0604", "was not valid after"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key, cert := c.id.write(t)
			if err := os.Chmod(key, c.mode); err != nil {
				t.Fatal(err)
			}
			_, warnings, err := secureboot.LoadKeyPair(key, cert)
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) != len(c.want) {
				t.Fatalf("warnings %q, want %q", warnings, c.want)
			}
			for i, want := range c.want {
				if !strings.Contains(warnings[i].Text, want) {
					t.Errorf("warning %q, want one with %q", warnings[i], want)
				}
			}
		})
	}
}

func TestLoadBundle(t *testing.T) {
	t.Parallel()
	key, cert := people().db.write(t)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "keys/db"), 0o700); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{key: "keys/db/db.key", cert: "keys/db/db.pem"} {
		if err := os.Rename(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	pair, warnings, err := secureboot.LoadBundle(dir)
	if err != nil || len(warnings) != 0 || !pair.Certificate().Equal(people().db.cert) {
		t.Errorf("error %v, warnings %q", err, warnings)
	}
	missing := filepath.Join(dir, "missing")
	if _, _, err := secureboot.LoadBundle(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error %v does not name the file", err)
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	db, other := secureboot.Fingerprint(people().db.cert), secureboot.Fingerprint(people().other.cert)
	if db == other || !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(db) {
		t.Errorf("%q and %q", db, other)
	}
}

func load(t *testing.T, key, cert []byte) (*secureboot.KeyPair, []secureboot.Warning, error) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "key"), key)
	writeFile(t, filepath.Join(dir, "cert"), cert)
	return secureboot.LoadKeyPair(filepath.Join(dir, "key"), filepath.Join(dir, "cert"))
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
