package main

import (
	"crypto/x509"
	"errors"
	"path/filepath"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// keys are what signs and what verifies.
type keys struct {
	signer      bootbuilder.Signer // nil in a dry run that has no key, or where nothing is signed
	certificate *x509.Certificate
}

// keys reads what the flags name; none where none is named.
func (c *commandLine) keys(ui *ui) (keys, error) {
	var signer bootbuilder.Signer
	var warnings []bootbuilder.Warning
	var err error
	switch {
	case c.pkiBundle != "" && (c.signKey != "" || c.signCert != "" || c.signCommand != ""):
		return keys{}, usageError{error: errors.New("--pki-bundle goes without --sign-key, --sign-cert and --sign-command")}
	case c.pkiBundle != "":
		signer, warnings, err = bootbuilder.LoadSignerBundle(c.pkiBundle)
	case c.signCommand != "" && (c.signKey != "" || c.signCert == ""):
		return keys{}, usageError{error: errors.New("--sign-command goes with --sign-cert, and without --sign-key")}
	case c.signCommand != "":
		cert, err := bootbuilder.LoadCertificate(c.signCert)
		if err != nil {
			return keys{}, err
		}
		signer, warnings = bootbuilder.NewCommandSigner([]string{c.signCommand}, cert), bootbuilder.CertificateWarnings(cert, c.signCert)
	case c.signKey != "" && c.signCert != "":
		signer, warnings, err = bootbuilder.LoadSigner(c.signKey, c.signCert)
	case c.signKey != "" || c.signCert != "":
		return keys{}, usageError{error: errors.New("--sign-key and --sign-cert go together")}
	default:
		return keys{}, nil
	}
	if err != nil {
		return keys{}, err
	}
	for _, w := range warnings {
		ui.warn(w.Message)
	}
	return keys{signer, signer.Certificate()}, nil
}

// certificate is what verifies, of any of the flags that name one; nil where none does.
func (c *commandLine) certificate() (*x509.Certificate, error) {
	name := c.signCert
	if c.pkiBundle != "" {
		name = filepath.Join(c.pkiBundle, "keys", "db", "db.pem")
	}
	if name == "" {
		return nil, nil
	}
	return bootbuilder.LoadCertificate(name)
}
