package secureboot

import (
	"bytes"
	"crypto/x509"
	encoding "encoding/asn1"
	"fmt"
	"math/big"

	"github.com/foxboron/go-uefi/authenticode"
	"github.com/foxboron/go-uefi/pkcs7"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// signedData is what a verdict needs of a PKCS#7 SignedData.
type signedData struct {
	content       []byte // of SpcIndirectDataContent, without its tag and length
	imageDigest   []byte // SHA-256 in content: the image's Authentihash
	certificates  []*x509.Certificate
	issuer        []byte // of the signer's certificate, DER
	serial        *big.Int
	attributes    []byte // signed, DER SET OF
	messageDigest []byte // SHA-256 in attributes: that of content
	signature     []byte // over attributes
}

// parseSignedData reads the one form of SignedData that Authenticode allows:
// DER, SHA-256 everywhere, RSA, one signer with signed attributes.
func parseSignedData(der []byte) (*signedData, error) {
	in := cryptobyte.String(der)
	var info, explicit, data cryptobyte.String
	var kind encoding.ObjectIdentifier
	if !in.ReadASN1(&info, asn1.SEQUENCE) || !shortPadding(in) ||
		!info.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(pkcs7.OIDSignedData) ||
		!info.ReadASN1(&explicit, contextTag(0)) || !info.Empty() ||
		!explicit.ReadASN1(&data, asn1.SEQUENCE) || !explicit.Empty() {
		return nil, malformed("not a PKCS#7 SignedData")
	}
	var version int
	var algorithms, content, certificates, signers cryptobyte.String
	if !data.ReadASN1Integer(&version) || version != 1 ||
		!data.ReadASN1(&algorithms, asn1.SET) || !readSHA256(&algorithms) || !algorithms.Empty() {
		return nil, malformed("version or digest algorithm that is not supported")
	}
	if !data.ReadASN1(&content, asn1.SEQUENCE) ||
		!data.ReadASN1(&certificates, contextTag(0)) ||
		!data.ReadASN1(&signers, asn1.SET) || !data.Empty() {
		return nil, malformed("no content, certificates or signer, or more than these")
	}
	signed := new(signedData)
	if err := signed.readContent(content); err != nil {
		return nil, err
	}
	if err := signed.readCertificates(certificates); err != nil {
		return nil, err
	}
	return signed, signed.readSigner(signers)
}

// readContent reads SpcIndirectDataContent. What is skipped is under the digest
// in the attributes like the rest of it.
func (s *signedData) readContent(in cryptobyte.String) error {
	var explicit, content, data, digest, value cryptobyte.String
	var kind, of encoding.ObjectIdentifier
	if !in.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(authenticode.OIDSpcIndirectDataContent) ||
		!in.ReadASN1(&explicit, contextTag(0)) || !in.Empty() ||
		!explicit.ReadASN1(&content, asn1.SEQUENCE) || !explicit.Empty() {
		return malformed("signed content is not an Authenticode digest")
	}
	s.content = content
	if !content.ReadASN1(&data, asn1.SEQUENCE) ||
		!data.ReadASN1ObjectIdentifier(&of) || !of.Equal(authenticode.OIDSpcPEImageDataObjID) ||
		!content.ReadASN1(&digest, asn1.SEQUENCE) || !content.Empty() {
		return malformed("signed content is not the digest of a PE image")
	}
	if !readSHA256(&digest) || !digest.ReadASN1(&value, asn1.OCTET_STRING) || !digest.Empty() {
		return malformed("signed digest of the image is not a SHA-256")
	}
	s.imageDigest = value
	return nil
}

func (s *signedData) readCertificates(in cryptobyte.String) error {
	for !in.Empty() {
		var der cryptobyte.String
		if !in.ReadASN1Element(&der, asn1.SEQUENCE) {
			return malformed("certificates other than X.509")
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return unreadable(err)
		}
		s.certificates = append(s.certificates, cert)
	}
	return nil
}

// readSigner reads the one SignerInfo that there may be. Attributes that are not
// signed (time stamps) are passed over.
func (s *signedData) readSigner(in cryptobyte.String) error {
	var info, name, issuer, attributes, signature, unsigned cryptobyte.String
	var version int
	s.serial = new(big.Int)
	if !in.ReadASN1(&info, asn1.SEQUENCE) || !in.Empty() {
		return malformed("not exactly one signer")
	}
	if !info.ReadASN1Integer(&version) || version != 1 ||
		!info.ReadASN1(&name, asn1.SEQUENCE) ||
		!name.ReadASN1Element(&issuer, asn1.SEQUENCE) || !name.ReadASN1Integer(s.serial) || !name.Empty() {
		return malformed("signer without a name")
	}
	if !readSHA256(&info) {
		return malformed("signature is not made with SHA-256")
	}
	if !info.ReadASN1(&attributes, contextTag(0)) {
		return malformed("no signed attributes")
	}
	if !readRSA(&info) {
		return malformed("signature is not made with RSA")
	}
	if !info.ReadASN1(&signature, asn1.OCTET_STRING) ||
		!info.ReadOptionalASN1(&unsigned, nil, contextTag(1)) || !info.Empty() {
		return malformed("no signature, or something behind it")
	}
	s.issuer, s.signature = issuer, signature
	return s.readAttributes(attributes)
}

// readAttributes finds the two attributes that bind the signature to the content.
func (s *signedData) readAttributes(in cryptobyte.String) error {
	var set cryptobyte.Builder
	set.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(in) })
	var err error
	if s.attributes, err = set.Bytes(); err != nil {
		return unreadable(err)
	}
	var contentType encoding.ObjectIdentifier
	for !in.Empty() {
		var attribute, values, value cryptobyte.String
		var kind encoding.ObjectIdentifier
		if !in.ReadASN1(&attribute, asn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&kind) ||
			!attribute.ReadASN1(&values, asn1.SET) || !attribute.Empty() {
			return malformed("signed attribute of another form")
		}
		ok := true
		switch {
		case kind.Equal(pkcs7.OIDAttributeContentType):
			ok = contentType == nil && values.ReadASN1ObjectIdentifier(&contentType) && values.Empty()
		case kind.Equal(pkcs7.OIDAttributeMessageDigest):
			ok = s.messageDigest == nil && values.ReadASN1(&value, asn1.OCTET_STRING) && values.Empty()
			s.messageDigest = value
		}
		if !ok {
			return malformed("signed attribute that is empty or there twice")
		}
	}
	if !contentType.Equal(authenticode.OIDSpcIndirectDataContent) || s.messageDigest == nil {
		return malformed("no content type or message digest among the signed attributes")
	}
	return nil
}

// signer is the certificate that the signature names, which firmware wants
// inside the signature.
func (s *signedData) signer() (*x509.Certificate, error) {
	for _, cert := range s.certificates {
		if bytes.Equal(cert.RawIssuer, s.issuer) && cert.SerialNumber.Cmp(s.serial) == 0 {
			return cert, nil
		}
	}
	return nil, malformed("signer's certificate is not part of the signature")
}

// readSHA256 and readRSA read an AlgorithmIdentifier.
func readSHA256(in *cryptobyte.String) bool {
	kind, ok := readAlgorithm(in)
	return ok && kind.Equal(pkcs7.OIDDigestAlgorithmSHA256)
}

// readRSA takes the two names in use for the same thing: rsaEncryption and
// sha256WithRSAEncryption.
func readRSA(in *cryptobyte.String) bool {
	kind, ok := readAlgorithm(in)
	return ok && (kind.Equal(pkcs7.OIDEncryptionAlgorithmRSA) ||
		kind.Equal(encoding.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}))
}

// readAlgorithm reads an AlgorithmIdentifier without parameters.
func readAlgorithm(in *cryptobyte.String) (kind encoding.ObjectIdentifier, ok bool) {
	var algorithm, null cryptobyte.String
	ok = in.ReadASN1(&algorithm, asn1.SEQUENCE) && algorithm.ReadASN1ObjectIdentifier(&kind) &&
		algorithm.ReadOptionalASN1(&null, nil, asn1.NULL) && null.Empty() && algorithm.Empty()
	return kind, ok
}

// shortPadding reports whether b can be the padding of a WIN_CERTIFICATE that
// some signers count into its length.
func shortPadding(b []byte) bool { return len(b) < winCertAlign && zero(b) }

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }
