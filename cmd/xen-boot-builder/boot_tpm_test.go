package main

import (
	"crypto/sha256"
	le "encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestBootMeasured: what the firmware measures of a unified image is what --pcrlock-dir says, by the TPM's own PCR 4.
func TestBootMeasured(t *testing.T) {
	t.Parallel()
	lab := newBootLab(t)
	firmware.Need(t, "swtpm")
	sys := newBootSystem(t, lab.assets)
	loader := bootRead(t, lab.assets.SystemdBoot)
	if _, err := sys.root.InstallSystemdBoot(sys.esp, fixtures.SystemdBoot{Loader: loader}); err != nil {
		t.Fatal(err)
	}
	locks := t.TempDir()
	sys.install(t, "--layout", "unified", "--pcrlock-dir", locks)

	verdict := lab.boot(t, firmware.Machine{Image: sys.esp, TPM: true})
	bootWantDom0(t, verdict, sys.rolledBack)
	want := pcr4(bootMeasured(t, loader), bootLocked(t, locks, "xen-generation-2-*"))
	if verdict.PCR4 != want {
		t.Errorf("PCR 4 is %q, predicted was %s: %v", verdict.PCR4, want, verdict)
	}
	if other := pcr4(bootMeasured(t, loader), bootLocked(t, locks, "xen-generation-3-*")); other == want {
		t.Error("the prediction is the same for another generation")
	}
}

// pcr4 is the register's value after a boot that starts these programs one after the other (TCG PC Client Platform
// Firmware Profile, 3.3.4.5): the firmware measures that it boots, and a separator, before the first.
func pcr4(digests ...[]byte) string {
	action := sha256.Sum256([]byte("Calling EFI Application from Boot Option"))
	separator := sha256.Sum256(make([]byte, 4))
	value := make([]byte, sha256.Size)
	for _, digest := range append([][]byte{action[:], separator[:]}, digests...) {
		sum := sha256.Sum256(append(value, digest...))
		value = sum[:]
	}
	return hex.EncodeToString(value)
}

// bootMeasured is what the firmware measures of systemd-boot: all but CheckSum and Security directory, as it lies in the
// file (TCG PC Client Platform Firmware Profile, 3.3.4.1). Libraries for signatures add zeros to a length that is no
// multiple of 8.
func bootMeasured(t *testing.T, image []byte) []byte {
	t.Helper()
	const checkSum, security = 64, 112 + 4*8 // in the optional header
	opt := int(le.LittleEndian.Uint32(image[0x3c:])) + 24
	h := sha256.New()
	h.Write(image[:opt+checkSum])
	h.Write(image[opt+checkSum+4 : opt+security])
	h.Write(image[opt+security+8:])
	return h.Sum(nil)
}

// bootLocked is the one SHA-256 digest for PCR 4 that a component of this name predicts (systemd.pcrlock(5)).
func bootLocked(t *testing.T, dir, pattern string) []byte {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.pcrlock.d", pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("components %s: %q, %v; want one", pattern, found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var component struct {
		Records []struct {
			PCR     int
			Digests []struct{ HashAlg, Digest string }
		}
	}
	if err := json.Unmarshal(text, &component); err != nil {
		t.Fatal(err)
	}
	if len(component.Records) != 1 || component.Records[0].PCR != 4 {
		t.Fatalf("%s predicts something else than one event of PCR 4: %s", found[0], text)
	}
	for _, d := range component.Records[0].Digests {
		if d.HashAlg == "sha256" {
			digest, err := hex.DecodeString(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			return digest
		}
	}
	t.Fatalf("%s predicts no SHA-256: %s", found[0], text)
	return nil
}
