package secureboot_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// identity is a key, its certificate, and both of them ready to sign.
type identity struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
	pair *secureboot.KeyPair
}

// cast are the keys of all tests: making RSA keys is slow.
type cast struct {
	db, other, ca, leaf identity
}

var people = sync.OnceValue(func() cast {
	db := newIdentity(1, "db", nil)
	ca := newIdentity(3, "ca", nil)
	return cast{db: db, other: newIdentity(2, "other", nil), ca: ca, leaf: newIdentity(4, "leaf", &ca)}
})

// newIdentity makes a CA that signed itself, or a signer that issuer signed.
func newIdentity(serial int64, name string, issuer *identity) identity {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	return certify(key, serial, name, issuer, time.Date(2049, 1, 1, 0, 0, 0, 0, time.UTC))
}

func certify(key *rsa.PrivateKey, serial int64, name string, issuer *identity, end time.Time) identity {
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{CommonName: "test " + name},
		NotBefore:             time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              end,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		BasicConstraintsValid: true,
		IsCA:                  issuer == nil,
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer))
	cert := must(x509.ParseCertificate(der))
	return identity{key, cert, must(secureboot.NewKeyPair(key, cert))}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// write puts key and certificate into a new directory, as PEM.
func (id identity) write(t *testing.T) (keyFile, certFile string) {
	t.Helper()
	dir := t.TempDir()
	keyFile, certFile = filepath.Join(dir, "id.key"), filepath.Join(dir, "id.pem")
	writePEM(t, keyFile, "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(id.key)))
	writePEM(t, certFile, "CERTIFICATE", id.cert.Raw)
	return keyFile, certFile
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	writeFile(t, file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func writeFile(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// smallImage is an image that every tool takes.
func smallImage(text string) []byte {
	return fixtures.PE(
		fixtures.Section{Name: ".text", Data: bytes.Repeat([]byte{0xcc}, 700), Characteristics: fixtures.SectionCode},
		fixtures.Section{Name: ".config", Data: []byte(text)},
	)
}

// oddImage ends in a symbol table, at a length that is not a multiple of 8.
func oddImage() []byte { return fixtures.XenImage(fixtures.XenOptions{Symbols: true}) }

// systemdBoot is a real image, or nil.
func systemdBoot() []byte {
	data, err := os.ReadFile("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
	if err != nil {
		return nil
	}
	return data
}

// memFile is a file in memory.
type memFile struct{ data []byte }

func (m *memFile) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.data).ReadAt(p, off)
}

func (m *memFile) WriteAt(p []byte, off int64) (int, error) {
	if grow := int(off) + len(p) - len(m.data); grow > 0 {
		m.data = append(m.data, make([]byte, grow)...)
	}
	return copy(m.data[off:], p), nil
}

// attach gives image a signature.
func attach(t testing.TB, image, signature []byte) []byte {
	t.Helper()
	f := &memFile{bytes.Clone(image)}
	size, err := pe.AttachSignature(f, int64(len(image)), signature)
	if err != nil {
		t.Fatal(err)
	}
	return f.data[:size]
}

func authentihash(t testing.TB, image []byte) [32]byte {
	t.Helper()
	digest, err := pe.Authentihash(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func signatureOf(t testing.TB, image []byte, id identity) []byte {
	t.Helper()
	der, err := id.pair.SignDigest(authentihash(t, image))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func sign(t testing.TB, image []byte, id identity) []byte {
	t.Helper()
	return attach(t, image, signatureOf(t, image, id))
}

func verify(image []byte, cert *x509.Certificate) error {
	return secureboot.Verify(bytes.NewReader(image), int64(len(image)), cert)
}

// peer is another implementation's verdict on an image.
type peer struct {
	name string
	args func(image, cert string) []string
}

func peers() []peer {
	return []peer{
		{"sbverify", func(image, cert string) []string { return []string{"--cert", cert, image} }},
		{"osslsigncode", func(image, cert string) []string {
			return []string{"verify", "-CAfile", cert, "-in", image}
		}},
	}
}

// accepts reports the peer's verdict and what it said.
func (p peer) accepts(t *testing.T, image []byte, cert *x509.Certificate) (bool, string) {
	t.Helper()
	need(t, p.name)
	dir := t.TempDir()
	imageFile, certFile := filepath.Join(dir, "image.efi"), filepath.Join(dir, "cert.pem")
	writeFile(t, imageFile, image)
	writePEM(t, certFile, "CERTIFICATE", cert.Raw)
	out, err := exec.Command(p.name, p.args(imageFile, certFile)...).CombinedOutput()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	return err == nil, string(out)
}

func need(t testing.TB, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed", tool)
	}
}

// run runs a tool that has to succeed.
func run(t *testing.T, tool string, args ...string) {
	t.Helper()
	need(t, tool)
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
}
