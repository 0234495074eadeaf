package pe_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

// testKey makes a key and a certificate for this run, as PEM files.
func testKey(t *testing.T) (key, cert string) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "a test's key"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		writeFile(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// signable is the corpus, and each image with sections of ours.
func signable(t *testing.T) map[string][]byte {
	t.Helper()
	images := corpus(t)
	for name, base := range corpus(t) {
		if testing.Short() {
			delete(images, name) // a sample
		}
		_, images[name+" with sections"] = assemble(t, base, section(".new", "[global]\n"), section(".kernel", strings.Repeat("k", 4999)))
	}
	for name, b := range images {
		if parse(t, b).Signed() {
			delete(images, name)
		}
	}
	return images
}

// TestSignatureAgainstSbsign compares our digest with the one that sbsign signs, and an
// image with the signature attached by us with sbsign's own, and asks sbverify.
func TestSignatureAgainstSbsign(t *testing.T) {
	t.Parallel()
	key, cert := testKey(t)
	for name, b := range signable(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, "image.efi", b)
			detached := filepath.Join(t.TempDir(), "image.p7")
			tool(t, "sbsign", "--key", key, "--cert", cert, "--detached", "--output", detached, path)
			pkcs7 := readFile(t, detached)
			digest, err := pe.Authentihash(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			// The signed content is the digest as a DER octet string.
			if !bytes.Contains(pkcs7, append([]byte{0x04, 0x20}, digest[:]...)) {
				t.Errorf("sbsign has not signed the digest %x", digest)
			}

			f := memFile{bytes.Clone(b)}
			size, err := pe.AttachSignature(&f, int64(len(b)), pkcs7)
			if err != nil || size != int64(len(f.b)) {
				t.Fatalf("attached to %d bytes, said %d: %v", len(f.b), size, err)
			}
			ours := writeFile(t, "ours.efi", f.b)
			if out := tool(t, "sbverify", "--cert", cert, ours); !strings.Contains(out, "Signature verification OK") {
				t.Errorf("sbverify: %s", out)
			}
			again, err := pe.Authentihash(bytes.NewReader(f.b), size)
			if err != nil || again != digest {
				t.Errorf("the signed image's digest is %x, the unsigned one's %x (%v)", again, digest, err)
			}
			sum := bytes.Clone(f.b)
			setCheckSum(sum)
			if !bytes.Equal(sum, f.b) {
				t.Error("the CheckSum is wrong")
			}

			theirs := filepath.Join(t.TempDir(), "theirs.efi")
			tool(t, "sbsign", "--key", key, "--cert", cert, "--output", theirs, path)
			signed := readFile(t, theirs)
			// Each signature has its time in it. All else has to be the same.
			table := int(u32(f.b, securityAt))
			mine, yours := put32(f.b[:table], checkSumAt, 0), put32(signed[:min(table, len(signed))], checkSumAt, 0)
			if diff := cmp.Diff(dump(yours), dump(mine)); diff != "" {
				t.Errorf("sbsign (-) and we (+) disagree:\n%s", diff)
			}
			if got, err := pe.Authentihash(bytes.NewReader(signed), int64(len(signed))); err != nil || got != digest {
				t.Errorf("the digest of sbsign's image is %x, want %x (%v)", got, digest, err)
			}
			im := parse(t, f.b)
			if table, err := im.Certificates(); err != nil || !im.Signed() || !bytes.HasPrefix(table[8:], pkcs7) {
				t.Errorf("Certificates: %d bytes, %v", len(table), err)
			}
		})
	}
}

// TestEqualSignedBySbsign: what another signer made of our image is still that image.
func TestEqualSignedBySbsign(t *testing.T) {
	t.Parallel()
	key, cert := testKey(t)
	for name, base := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := assemble(t, base, section(".new", "[global]\n"))
			out := filepath.Join(t.TempDir(), "signed.efi")
			tool(t, "sbsign", "--key", key, "--cert", cert, "--output", out, writeFile(t, "image.efi", b))
			signed := readFile(t, out)
			if same, err := a.EqualSigned(bytes.NewReader(signed), int64(len(signed))); !same || err != nil {
				t.Errorf("EqualSigned: %v, %v", same, err)
			}
		})
	}
}

// TestAuthentihashAgainstOsslsigncode has a second opinion on signed images.
func TestAuthentihashAgainstOsslsigncode(t *testing.T) {
	t.Parallel()
	key, cert := testKey(t)
	for name, b := range signable(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "signed.efi")
			tool(t, "osslsigncode", "sign", "-h", "sha256", "-certs", cert, "-key", key, "-in", writeFile(t, "image.efi", b), "-out", out)
			signed := readFile(t, out)
			got, err := pe.Authentihash(bytes.NewReader(signed), int64(len(signed)))
			if err != nil {
				t.Fatal(err)
			}
			report := tool(t, "osslsigncode", "verify", "-CAfile", cert, "-in", out)
			if want := fmt.Sprintf("Calculated message digest : %X", got); !strings.Contains(report, want) {
				t.Errorf("no %q in\n%s", want, report)
			}
		})
	}
}

func TestAuthentihashIgnores(t *testing.T) {
	t.Parallel()
	b := recipe{symbols: true}.build(t)
	want, err := pe.Authentihash(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for at := tableAt + 8*40; at < len(b); at++ {
		other := bytes.Clone(b)
		other[at] ^= 1
		if got, err := pe.Authentihash(bytes.NewReader(other), int64(len(b))); err != nil || got == want {
			t.Fatalf("byte %#x is not part of the digest (%v)", at, err)
		}
	}
	other := put32(b, checkSumAt, 0x12345678)
	if got, err := pe.Authentihash(bytes.NewReader(other), int64(len(b))); err != nil || got != want {
		t.Errorf("the CheckSum is part of the digest (%v)", err)
	}
	padded := append(bytes.Clone(b), make([]byte, 7-(len(b)-1)%8)...)
	if len(padded) == len(b) {
		t.Fatal("this test needs an image that has to be padded")
	}
	if got, err := pe.Authentihash(bytes.NewReader(padded), int64(len(padded))); err != nil || got != want {
		t.Errorf("padding to 8 bytes makes another digest (%v)", err)
	}
}

func TestAuthentihashRefuses(t *testing.T) {
	t.Parallel()
	b := recipe{}.build(t)
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"headers too short":    {put32(b, optAt+60, 0x20), "SizeOfHeaders"},
		"headers too long":     {put32(b, optAt+60, 0x7fffffff), "SizeOfHeaders"},
		"section over headers": {put32(b, tableAt+20, 0x80), `section ".text" starts at 128 and overlaps`},
		"sections overlap":     {put32(b, tableAt+40+20, u32(b, tableAt+20)), `section ".rodata" starts at`},
		"table in the midst":   {put32(put32(b, securityAt, 0x300), securityAt+4, 8), "certificate table"},
		"section in table":     {put32(put32(b, securityAt, uint32(len(b)-8)), securityAt+4, 8), "behind the content's end"},
	} {
		_, err := pe.Authentihash(bytes.NewReader(c.b), int64(len(c.b)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}

func TestAttachSignatureRefuses(t *testing.T) {
	t.Parallel()
	b := recipe{}.build(t)
	signed := memFile{bytes.Clone(b)}
	if _, err := pe.AttachSignature(&signed, int64(len(b)), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b     []byte
		pkcs7 []byte
		want  string
	}{
		"signed":       {signed.b, []byte("x"), "signed already"},
		"nothing":      {b, nil, "its size is 0"},
		"too much":     {b, make([]byte, 1<<20), "its size is 1048576"},
		"no digest":    {put32(b, tableAt+20, 0x80), []byte("x"), "overlaps"},
		"no directory": {put32(b, optAt+108, 4), []byte("x"), "no Security directory"},
		"no image":     {[]byte("MZ"), []byte("x"), "not a PE image"},
	} {
		f := memFile{bytes.Clone(c.b)}
		_, err := pe.AttachSignature(&f, int64(len(c.b)), c.pkcs7)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		if !bytes.Equal(f.b, c.b) {
			t.Errorf("%s: refused, but changed", name)
		}
	}
}
