package secureboot

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"

	"github.com/foxboron/go-uefi/authenticode"
	"github.com/foxboron/go-uefi/pkcs7"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// contextTag is [n] of a constructed field in the grammar of RFC 2315.
func contextTag(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// newSignedData writes the PKCS#7 SignedData that holds an image's digest.
//
// go-uefi has a function for the whole of it, but that one puts the time of day
// into the signed attributes, and reads the image where we have its digest.
func newSignedData(digest [sha256.Size]byte, cert *x509.Certificate, sign func(message []byte) ([]byte, error)) ([]byte, error) {
	content, err := authenticode.CreateSpcIndirectDataContent(digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	// The digest covers what is inside the SEQUENCE, not its tag and length.
	contentDigest := sha256.Sum256(content)
	attributes := cryptobyte.String((&pkcs7.Attributes{
		ContentType:   authenticode.OIDSpcIndirectDataContent,
		MessageDigest: contentDigest[:],
	}).Marshal())

	// Signed as SET OF, stored under the tag [0].
	signature, err := sign(attributes)
	if err != nil {
		return nil, err
	}
	var inner cryptobyte.String
	attributes.ReadASN1(&inner, asn1.SET)

	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // ContentInfo
		b.AddASN1ObjectIdentifier(pkcs7.OIDSignedData)
		b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // SignedData
				b.AddASN1Int64(1)
				b.AddASN1(asn1.SET, addSHA256)
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(authenticode.OIDSpcIndirectDataContent)
					b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(content) })
					})
				})
				b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { b.AddBytes(cert.Raw) })
				b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // SignerInfo
						b.AddASN1Int64(1)
						b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddBytes(cert.RawIssuer)
							b.AddASN1BigInt(cert.SerialNumber)
						})
						addSHA256(b)
						b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { b.AddBytes(inner) })
						b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier(pkcs7.OIDEncryptionAlgorithmRSA)
							b.AddASN1NULL()
						})
						b.AddASN1OctetString(signature)
					})
				})
			})
		})
	})
	return b.Bytes()
}

// addSHA256 writes an AlgorithmIdentifier. Firmware is picky about the NULL.
func addSHA256(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(pkcs7.OIDDigestAlgorithmSHA256)
		b.AddASN1NULL()
	})
}
