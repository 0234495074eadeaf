package pe_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

// algorithms are those of a TPM's PCR banks, by the names that osslsigncode has for them.
func algorithms() map[string]func() hash.Hash {
	return map[string]func() hash.Hash{
		"sha1": sha1.New, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
	}
}

func measure(t *testing.T, b []byte, h hash.Hash) []byte {
	t.Helper()
	if err := pe.Measure(bytes.NewReader(b), int64(len(b)), h); err != nil {
		t.Fatal(err)
	}
	return h.Sum(nil)
}

// TestMeasureAgainstOsslsigncode has each digest of a signed image calculated by another program.
func TestMeasureAgainstOsslsigncode(t *testing.T) {
	t.Parallel()
	key, cert := testKey(t)
	for name, b := range signable(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := writeFile(t, "image.efi", b)
			for alg, newHash := range algorithms() {
				if testing.Short() && alg != "sha256" {
					continue
				}
				out := filepath.Join(t.TempDir(), "signed.efi")
				tool(t, "osslsigncode", "sign", "-h", alg, "-certs", cert, "-key", key, "-in", in, "-out", out)
				want := fmt.Sprintf("Calculated message digest : %X", measure(t, readFile(t, out), newHash()))
				// The exit code is for its trust in a certificate, which does not matter here.
				if report := tool(t, "osslsigncode", "verify", "-CAfile", cert, "-in", out); !strings.Contains(report, want) {
					t.Errorf("%s: no %q in\n%s", alg, want, report)
				}
			}
		})
	}
}

// TestMeasureInOnePass: many hashes at a time get what each gets by itself.
func TestMeasureInOnePass(t *testing.T) {
	t.Parallel()
	b := recipe{symbols: true}.build(t)
	var all []hash.Hash
	var want [][]byte
	for _, newHash := range algorithms() {
		all = append(all, newHash())
		want = append(want, measure(t, b, newHash()))
	}
	if err := pe.Measure(bytes.NewReader(b), int64(len(b)), all...); err != nil {
		t.Fatal(err)
	}
	for i, h := range all {
		if got := h.Sum(nil); !bytes.Equal(got, want[i]) {
			t.Errorf("got %x, want %x", got, want[i])
		}
	}
}

// TestMeasureByHand hashes the parts of an image that the specification names, put
// together without this package.
func TestMeasureByHand(t *testing.T) {
	t.Parallel()
	for _, tail := range []string{"", "odd"} {
		b := recipe{tail: tail}.build(t)
		h := sha512.New384()
		h.Write(slices.Concat(b[:checkSumAt], b[checkSumAt+4:securityAt], b[securityAt+8:]))
		if got, want := measure(t, b, sha512.New384()), h.Sum(nil); !bytes.Equal(got, want) {
			t.Errorf("tail %q: got %x, want %x", tail, got, want)
		}
	}
}

// TestMeasureDoesNotPad: the firmware measures an unsigned image as it is, whereas its
// signature will be made over a padded one.
func TestMeasureDoesNotPad(t *testing.T) {
	t.Parallel()
	odd := recipe{tail: "odd"}.build(t)
	if len(odd)%8 == 0 {
		t.Fatal("this test needs an image that has to be padded")
	}
	padded := append(bytes.Clone(odd), make([]byte, 8-len(odd)%8)...)
	signs, err := pe.Authentihash(bytes.NewReader(odd), int64(len(odd)))
	if err != nil {
		t.Fatal(err)
	}
	if got := measure(t, odd, sha256.New()); bytes.Equal(got, signs[:]) {
		t.Errorf("%x has padding in it", got)
	}
	if got := measure(t, padded, sha256.New()); !bytes.Equal(got, signs[:]) {
		t.Errorf("padded, it measures %x, and its signature is over %x", got, signs)
	}
}

func TestMeasureRefuses(t *testing.T) {
	t.Parallel()
	b := put32(recipe{}.build(t), tableAt+20, 0x80)
	if err := pe.Measure(bytes.NewReader(b), int64(len(b)), sha256.New()); err == nil || !strings.Contains(err.Error(), "overlaps") {
		t.Errorf("got %v, want an error about overlapping sections", err)
	}
}
