package main

import (
	"errors"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// signer makes a signer of the flags, or nil where none is asked for.
func (c *commandLine) signer(ui *ui) (bootbuilder.Signer, error) {
	var signer bootbuilder.Signer
	var warnings []string
	var err error
	switch {
	case c.pkiBundle != "" && (c.signKey != "" || c.signCert != "" || c.signCommand != ""):
		return nil, usageError{error: errors.New("--pki-bundle goes without --sign-key, --sign-cert and --sign-command")}
	case c.pkiBundle != "":
		signer, warnings, err = bootbuilder.LoadSignerBundle(c.pkiBundle)
	case c.signCommand != "" && (c.signKey != "" || c.signCert == ""):
		return nil, usageError{error: errors.New("--sign-command goes with --sign-cert, and without --sign-key")}
	case c.signCommand != "":
		cert, err := bootbuilder.LoadCertificate(c.signCert)
		if err != nil {
			return nil, err
		}
		return bootbuilder.NewCommandSigner([]string{c.signCommand}, cert), nil
	case c.signKey != "" && c.signCert != "":
		signer, warnings, err = bootbuilder.LoadSigner(c.signKey, c.signCert)
	case c.signKey != "" || c.signCert != "":
		return nil, usageError{error: errors.New("--sign-key and --sign-cert go together")}
	}
	for _, w := range warnings {
		ui.warn(w)
	}
	return signer, err
}
