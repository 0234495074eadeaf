package main

import (
	"crypto/sha256"
	le "encoding/binary"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// bootMeasuredJob has dom0 say what else there is of a measured boot.
const bootMeasuredJob = `
mount -t securityfs securityfs /sys/kernel/security && echo measured security
[ -e /sys/kernel/security/tpm0/binary_bios_measurements ] && echo measured log
for pcr in 11 12; do echo "measured $pcr $(cat /sys/class/tpm/tpm0/pcr-sha256/$pcr)"; done
`

// TestBootMeasured: what the firmware measures of a unified image is what --pcrlock-dir says, by the TPM's own PCR 4.
// dom0 has no event log that would say it, and below Xen nobody measures anything. systemd-boot 252 measures the load
// options that it finds in an image, 257 does not.
func TestBootMeasured(t *testing.T) {
	t.Parallel()
	lab := newBootLab(t)
	firmware.Need(t, "swtpm")
	newer := firmware.NeedNewer(t)
	for _, c := range []struct {
		name   string
		assets firmware.Assets
		args   []string
		pcr12  string
		odd    bool // the image is not signed, and has a length that signing would fill up to a multiple of 8
	}{
		{name: "stripped", assets: lab.assets, pcr12: extended(optionsDigest("xen.efi"))},
		{name: "with debug sections", assets: newer.Assets, args: []string{"--keep-debug"}, pcr12: extended(), odd: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sys := newBootSystem(t, bootWithJob(t, c.assets, bootMeasuredJob))
			loader := bootRead(t, c.assets.SystemdBoot)
			if _, err := sys.root.InstallSystemdBoot(sys.esp, fixtures.SystemdBoot{NoMenu: true, Loader: loader}); err != nil {
				t.Fatal(err)
			}
			locks := t.TempDir()
			sys.install(t, append(c.args, "--layout", "unified", "--pcrlock-dir", locks)...)
			component := bootComponent(t, locks, "xen-generation-2-*")
			image := filepath.Join(sys.esp, "EFI/Linux", strings.TrimSuffix(filepath.Base(component), ".pcrlock")+".efi")
			if length := len(bootRead(t, image)); (length%8 != 0) != c.odd {
				t.Fatalf("the image has %d bytes: a multiple of 8 was not wanted: %v", length, c.odd)
			}

			verdict := lab.boot(t, firmware.Machine{Image: sys.esp, TPM: true})
			bootWantDom0(t, verdict, sys.rolledBack)
			want := pcr4(bootMeasured(t, loader), bootLocked(t, component))
			if verdict.PCR4 != want {
				t.Errorf("PCR 4 is %q, predicted was %s: %v", verdict.PCR4, want, verdict)
			}
			said := regexp.MustCompile(`(?m)^measured .*`).FindAllString(strings.ToLower(verdict.Log), -1)
			if diff := cmp.Diff([]string{"measured security", "measured 11 " + extended(), "measured 12 " + c.pcr12}, said); diff != "" {
				t.Errorf("dom0 says (-want +got):\n%s", diff)
			}
			if other := pcr4(bootMeasured(t, loader), bootLocked(t, bootComponent(t, locks, "xen-generation-3-*"))); other == want {
				t.Error("the prediction is the same for another generation")
			}
		})
	}
}

// bootWithJob are assets whose initrd has dom0 run these shell lines.
func bootWithJob(t *testing.T, assets firmware.Assets, job string) firmware.Assets {
	t.Helper()
	initrd := bootRead(t, assets.Initrd)
	initrd = append(initrd, make([]byte, -len(initrd)&3)...) // the next archive starts at a multiple of 4
	assets.Initrd = filepath.Join(t.TempDir(), "initrd")
	bootWrite(t, assets.Initrd, append(initrd, firmware.Cpio(map[string]string{"job": job})...))
	return assets
}

// pcr4 is the register's value after a boot that starts these programs one after the other (TCG PC Client Platform
// Firmware Profile, 3.3.4.5): the firmware measures that it boots, and a separator, before the first.
func pcr4(digests ...[]byte) string {
	action := sha256.Sum256([]byte("Calling EFI Application from Boot Option"))
	separator := sha256.Sum256(make([]byte, 4))
	return extended(append([][]byte{action[:], separator[:]}, digests...)...)
}

// extended is the value of a register that was empty, and then was extended with these digests.
func extended(digests ...[]byte) string {
	value := make([]byte, sha256.Size)
	for _, digest := range digests {
		sum := sha256.Sum256(append(value, digest...))
		value = sum[:]
	}
	return hex.EncodeToString(value)
}

// optionsDigest is of load options, as systemd-boot measures them: UTF-16 with its final NUL.
func optionsDigest(options string) []byte {
	h := sha256.New()
	for _, unit := range utf16.Encode([]rune(options + "\x00")) {
		h.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	return h.Sum(nil)
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

// bootComponent is the one component of this name.
func bootComponent(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.pcrlock.d", pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("components %s: %q, %v; want one", pattern, found, err)
	}
	return found[0]
}

// bootLocked is the one SHA-256 digest for PCR 4 that a component predicts (systemd.pcrlock(5)).
func bootLocked(t *testing.T, file string) []byte {
	t.Helper()
	text := bootRead(t, file)
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
		t.Fatalf("%s predicts something else than one event of PCR 4: %s", file, text)
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
	t.Fatalf("%s predicts no SHA-256: %s", file, text)
	return nil
}
