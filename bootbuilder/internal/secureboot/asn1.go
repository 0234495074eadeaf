package secureboot

import (
	"crypto/sha256"
	encoding "encoding/asn1"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The object identifiers of RFC 2315 (PKCS#7), RFC 8017 (RSA), RFC 5754 (SHA-256) and of "Windows Authenticode Portable
// Executable Signature Format" (2008). go-uefi has them, with functions for what is below, in packages that bring
// net/http into the program: a third of it, for time stamps that nobody here asks for. Tests compare with it.

func oidSignedData() encoding.ObjectIdentifier {
	return encoding.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
}

func oidContentType() encoding.ObjectIdentifier {
	return encoding.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
}

func oidMessageDigest() encoding.ObjectIdentifier {
	return encoding.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
}

func oidRSA() encoding.ObjectIdentifier {
	return encoding.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
}

func oidSHA256() encoding.ObjectIdentifier {
	return encoding.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
}

func oidIndirectData() encoding.ObjectIdentifier {
	return encoding.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 4}
}

func oidPEImageData() encoding.ObjectIdentifier {
	return encoding.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 15}
}

// signedAttributes are what a signature is made over: a SET OF two attributes.
func signedAttributes(contentType encoding.ObjectIdentifier, digest [sha256.Size]byte) ([]byte, error) {
	attribute := func(kind encoding.ObjectIdentifier, value func(*cryptobyte.Builder)) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(kind)
			b.AddASN1(asn1.SET, value)
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, attribute(oidContentType(), func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(contentType)
		}))
		b.AddASN1(asn1.SEQUENCE, attribute(oidMessageDigest(), func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(digest[:])
		}))
	})
	return b.Bytes()
}

// fileLink is where the specification wants the name of a file, which nobody reads any more.
const fileLink = "<<<Obsolete>>>"

// indirectData is the SpcIndirectDataContent of an image's digest.
func indirectData(digest [sha256.Size]byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // SpcAttributeTypeAndOptionalValue
		b.AddASN1ObjectIdentifier(oidPEImageData())
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // SpcPeImageData
			b.AddASN1BitString(nil)                                // flags
			b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { // file: SpcLink
				b.AddASN1(contextTag(2), func(b *cryptobyte.Builder) { // SpcString
					b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { // unicode
						for _, unit := range utf16.Encode([]rune(fileLink)) {
							b.AddUint16(unit)
						}
					})
				})
			})
		})
	})
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // DigestInfo
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidSHA256())
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(digest[:])
	})
	return b.Bytes()
}
