package secureboot

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxKeyFile bounds what is read of a key or certificate file, in bytes.
const maxKeyFile = 1 << 20

// LoadKeyPair reads an RSA private key (PEM, PKCS#1 or PKCS#8, not encrypted) and
// its certificate (PEM or DER). Of several certificates in a file the first is
// the signer's. It warns of a key file that others than its owner may read, and of what
// [CertificateWarnings] finds.
func LoadKeyPair(keyFile, certFile string) (*KeyPair, []Warning, error) {
	key, mode, err := loadKey(keyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("loading signing key: %w", err)
	}
	cert, err := LoadCertificate(certFile)
	if err != nil {
		return nil, nil, err
	}
	pair, err := NewKeyPair(key, cert)
	if err != nil {
		return nil, nil, fmt.Errorf("loading signing key %s with %s: %w", keyFile, certFile, err)
	}
	warnings := append(keyWarnings(keyFile, mode), CertificateWarnings(cert, certFile, time.Now())...)
	return pair, warnings, nil
}

// LoadBundle reads the db key of a directory that sbctl made, such as /var/lib/sbctl.
func LoadBundle(dir string) (*KeyPair, []Warning, error) {
	return LoadKeyPair(BundleFiles(dir))
}

// BundleFiles names the db key of a directory that sbctl made, and its certificate, which is all
// that planning and verifying take.
func BundleFiles(dir string) (keyFile, certFile string) {
	db := filepath.Join(dir, "keys", "db")
	return filepath.Join(db, "db.key"), filepath.Join(db, "db.pem")
}

// LoadCertificate reads the first certificate of a file, PEM or DER.
func LoadCertificate(file string) (*x509.Certificate, error) {
	data, _, err := readSmall(file)
	if err != nil {
		return nil, fmt.Errorf("loading certificate: %w", err)
	}
	der := data
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		block := findBlock(data, "CERTIFICATE")
		if block == nil {
			return nil, fmt.Errorf("loading certificate %s: no certificate in it", file)
		}
		der = block.Bytes
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("loading certificate %s: %w", file, err)
	}
	return cert, nil
}

// loadKey also returns the file's mode.
func loadKey(file string) (crypto.Signer, fs.FileMode, error) {
	data, mode, err := readSmall(file)
	if err != nil {
		return nil, 0, err
	}
	block := findBlock(data, "PRIVATE KEY")
	if block == nil {
		return nil, 0, fmt.Errorf("%s: no PEM private key in it", file)
	}
	key, err := parseKey(block)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", file, err)
	}
	return key, mode, nil
}

func parseKey(block *pem.Block) (crypto.Signer, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("the key is encrypted, and there is nobody to ask for its passphrase")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("a %T cannot sign", key)
		}
		return signer, nil
	}
	return nil, fmt.Errorf("a PEM block %q is not a key that can be used here: RSA in PKCS#1 or PKCS#8 is", block.Type)
}

// findBlock is the first PEM block whose type ends in kind, or nil.
func findBlock(data []byte, kind string) *pem.Block {
	for {
		block, rest := pem.Decode(data)
		if block == nil || strings.HasSuffix(block.Type, kind) {
			return block
		}
		data = rest
	}
}

// readSmall reads a file that has no reason to be large, and its mode.
func readSmall(name string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, 0, err
	}
	if len(data) > maxKeyFile {
		return nil, 0, fmt.Errorf("%s is larger than %d bytes", name, maxKeyFile)
	}
	return data, info.Mode(), nil
}
