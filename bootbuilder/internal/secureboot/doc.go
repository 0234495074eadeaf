// Package secureboot makes and checks the signatures that UEFI Secure Boot asks
// for, and reads whether the firmware asks for them.
//
// It implements what EFI images need of "Windows Authenticode Portable
// Executable Signature Format" 1.0: one PKCS#7 SignedData (RFC 2315) over a
// SHA-256 digest of the image, signed with RSA PKCS#1 v1.5. Package pe finds the
// signed bytes in an image, this one knows nothing of sections.
//
// Left out: digests other than SHA-256; elliptic curve keys, which firmware does
// not take; time stamps, since firmware has no trusted clock and a signature
// with the time in it would differ at each run; certificates in between signer
// and trusted certificate; the revocation list dbx.
//
// go-uefi writes the signed content and attributes. Nothing that comes from an
// image is handed to it: its parser panics on some input, and its Verify takes a
// signature that was made for another image.
package secureboot
