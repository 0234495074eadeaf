package secureboot_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"testing"

	"github.com/foxboron/go-uefi/authenticode"
	"github.com/foxboron/go-uefi/pkcs7"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

// TestASN1: signed content and attributes are what go-uefi makes of the same digest.
func TestASN1(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "image"} {
		digest := sha256.Sum256([]byte(text))
		got, err := secureboot.IndirectData(digest)
		if err != nil {
			t.Fatal(err)
		}
		want, err := authenticode.CreateSpcIndirectDataContent(digest[:], crypto.SHA256)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("content %x, want %x, %v", got, want, err)
		}
		got, err = secureboot.SignedAttributes(authenticode.OIDSpcIndirectDataContent, digest)
		if err != nil {
			t.Fatal(err)
		}
		attributes := pkcs7.Attributes{ContentType: authenticode.OIDSpcIndirectDataContent, MessageDigest: digest[:]}
		if want := attributes.Marshal(); !bytes.Equal(got, want) {
			t.Errorf("attributes %x, want %x", got, want)
		}
	}
}
