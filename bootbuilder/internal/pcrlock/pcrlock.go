// Package pcrlock encodes systemd-pcrlock component files for PE images.
//
// It writes, byte for byte, what "systemd-pcrlock lock-pe" of systemd 255 to 261 writes
// (systemd-pcrlock(8), systemd.pcrlock(5)): a JSON object with one record, which says what the
// firmware extends PCR 4 with when it loads the image. The record is a subset of one in the TCG
// Canonical Event Log (CEL-JSON): its PCR, and a digest for each hash algorithm that a TPM may
// have a bank of. What is hashed is for the caller to say: lock-pe fills an unsigned image up to a
// multiple of 8 bytes, which firmware does not.
//
// Left out: all other records. Those of "lock-uki" for PCR 11 are measured by systemd-stub, which
// is not part of a Xen image; the firmware does not measure the kernel inside it a second time
// either, since Xen starts that without the firmware's help.
package pcrlock

import (
	"bytes"
	"crypto/sha1" // a TPM's SHA-1 bank holds SHA-1 digests
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
)

// BootLoaderCode is the PCR that the firmware measures PE images into (UAPI.7 Linux TPM PCR
// Registry, "boot-loader-code").
const BootLoaderCode = 4

// Suffix ends the name of a component's file, and DirectorySuffix that of a directory whose files are
// variants of one component.
const (
	Suffix          = ".pcrlock"
	DirectorySuffix = ".pcrlock.d"
)

// Digests are an image's hashes, one for each algorithm.
type Digests []digest

type digest struct {
	algorithm string
	hash      hash.Hash
}

// NewDigests starts the hashes of one image: SHA-1, SHA-256, SHA-384 and SHA-512, as systemd
// orders them.
func NewDigests() Digests {
	return Digests{
		{"sha1", sha1.New()},
		{"sha256", sha256.New()},
		{"sha384", sha512.New384()},
		{"sha512", sha512.New()},
	}
}

// Hashes are the hashes to feed.
func (d Digests) Hashes() []hash.Hash {
	list := make([]hash.Hash, len(d))
	for i := range d {
		list[i] = d[i].hash
	}
	return list
}

// SHA256 is the digest of that algorithm: the image's Authentihash.
func (d Digests) SHA256() (sum [sha256.Size]byte) {
	for _, one := range d {
		if one.algorithm == "sha256" {
			one.hash.Sum(sum[:0])
		}
	}
	return sum
}

// The members of a component, in the order in which systemd writes them.
type (
	component struct {
		Records []record `json:"records"`
	}
	record struct {
		PCR     int            `json:"pcr"`
		Digests []recordDigest `json:"digests"`
	}
	recordDigest struct {
		HashAlg string `json:"hashAlg"`
		Digest  string `json:"digest"`
	}
)

// Encode is the component of the image that was fed to the hashes.
func (d Digests) Encode() ([]byte, error) {
	r := record{PCR: BootLoaderCode}
	for _, one := range d {
		r.Digests = append(r.Digests, recordDigest{one.algorithm, hex.EncodeToString(one.hash.Sum(nil))})
	}
	return component{[]record{r}}.encode()
}

func (c component) encode() ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode pcrlock component: %w", err)
	}
	return append(text, '\n'), nil
}

// Check says whether a text is a component just as [Digests.Encode] writes it, of whatever image.
func Check(text []byte) error {
	if err := check(text); err != nil {
		return fmt.Errorf("check pcrlock component: %w", err)
	}
	return nil
}

func check(text []byte) error {
	var c component
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	if len(c.Records) != 1 || c.Records[0].PCR != BootLoaderCode {
		return fmt.Errorf("it has not one record for PCR %d and nothing else", BootLoaderCode)
	}
	want, have := NewDigests(), c.Records[0].Digests
	if len(have) != len(want) {
		return fmt.Errorf("it has %d digests, not %d", len(have), len(want))
	}
	for i, w := range want {
		if have[i].HashAlg != w.algorithm {
			return fmt.Errorf("digest %d is of %q, not of %s", i, have[i].HashAlg, w.algorithm)
		}
		if sum, err := hex.DecodeString(have[i].Digest); err != nil || len(sum) != w.hash.Size() {
			return fmt.Errorf("its %s digest is no %d bytes in hexadecimal", w.algorithm, w.hash.Size())
		}
	}
	// What encoding/json is lenient about, systemd need not be.
	again, err := c.encode()
	if err == nil && !bytes.Equal(again, text) {
		err = errors.New("it is written in another way")
	}
	return err
}
