package secureboot_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foxboron/go-uefi/authenticode"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

// images are what signatures are tried on.
func images() map[string][]byte {
	all := map[string][]byte{
		"small": smallImage("hello"),
		"odd":   oddImage(),
	}
	if real := systemdBoot(); real != nil {
		all["systemd-boot"] = real
	}
	return all
}

func TestPeersAcceptOurSignature(t *testing.T) {
	t.Parallel()
	db, other := people().db, people().other
	for name, image := range images() {
		signed := sign(t, image, db)
		for _, peer := range peers() {
			t.Run(name+"/"+peer.name, func(t *testing.T) {
				t.Parallel()
				if ok, said := peer.accepts(t, signed, db.cert); !ok {
					t.Errorf("refused what we signed:\n%s", said)
				}
				if ok, said := peer.accepts(t, signed, other.cert); ok {
					t.Errorf("accepted with another certificate: this test cannot fail\n%s", said)
				}
			})
		}
	}
}

func TestWeAcceptPeersSignature(t *testing.T) {
	t.Parallel()
	db, other := people().db, people().other
	key, cert := db.write(t)
	signers := map[string]func(in, out string) []string{
		"sbsign": func(in, out string) []string { return []string{"--key", key, "--cert", cert, "--output", out, in} },
		"osslsigncode": func(in, out string) []string {
			return []string{"sign", "-h", "sha256", "-key", key, "-certs", cert, "-in", in, "-out", out}
		},
	}
	for name, image := range images() {
		for tool, args := range signers {
			t.Run(name+"/"+tool, func(t *testing.T) {
				t.Parallel()
				in, out := filepath.Join(t.TempDir(), "in.efi"), filepath.Join(t.TempDir(), "out.efi")
				writeFile(t, in, image)
				run(t, tool, args(in, out)...)
				signed, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				if err := verify(signed, db.cert); err != nil {
					t.Error(err)
				}
				if err := verify(signed, other.cert); err == nil {
					t.Error("accepted with another certificate")
				}
			})
		}
	}
}

func TestGoUEFIReadsOurSignature(t *testing.T) {
	t.Parallel()
	db, image := people().db, smallImage("hello")
	signature, err := authenticode.ParseAuthenticode(signatureOf(t, image, db))
	if err != nil {
		t.Fatal(err)
	}
	if digest := authentihash(t, image); !bytes.Equal(signature.Digest, digest[:]) {
		t.Errorf("digest is %x, want %x", signature.Digest, digest)
	}
	if ok, err := signature.Pkcs.Verify(db.cert); !ok || err != nil {
		t.Errorf("verdict %v, %v", ok, err)
	}
}

func TestSignatureIsReproducible(t *testing.T) {
	t.Parallel()
	db, image := people().db, smallImage("hello")
	if !bytes.Equal(sign(t, image, db), sign(t, image, db)) {
		t.Error("signing twice gives different bytes")
	}
}

func TestNewKeyPairRefuses(t *testing.T) {
	t.Parallel()
	db, other := people().db, people().other
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing signs with it, so a prime does for a modulus of 1024 bits.
	weak := &rsa.PublicKey{N: db.key.Primes[0], E: db.key.E}

	for _, c := range []struct {
		name string
		key  crypto.Signer
		want string
	}{
		{"no key", nil, "both"},
		{"elliptic curve", curve, "RSA only"},
		{"1024 bits", publicOnly{weak}, "1024 bits"},
		{"key of another certificate", other.key, "does not belong"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := secureboot.NewKeyPair(c.key, db.cert)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := secureboot.NewKeyPair(db.key, nil); err == nil {
		t.Error("a missing certificate was accepted")
	}
}

// A token that makes nonsense must be found out before the image is installed.
func TestSignDigestChecksTheKey(t *testing.T) {
	t.Parallel()
	db := people().db
	pair, err := secureboot.NewKeyPair(publicOnly{&db.key.PublicKey}, db.cert)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.SignDigest([32]byte{}); err == nil || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("error %v", err)
	}
}

// publicOnly claims a key, but signs with nothing.
type publicOnly struct{ public *rsa.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.public }
func (p publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, p.public.Size()), nil
}
