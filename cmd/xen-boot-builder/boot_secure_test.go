package main

import (
	"debug/pe"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestBootSecure starts unified images on a firmware that trusts one key and no other.
func TestBootSecure(t *testing.T) {
	t.Parallel()
	lab := newBootLab(t)
	firmware.Need(t, append(firmware.KeyTools(), "sbsign")...)
	keys, err := firmware.EnrollKeys(t.Context(), t.TempDir(), lab.assets.SystemdBoot)
	if err != nil {
		t.Fatal(err)
	}
	loader := bootSign(t, keys.DB, bootRead(t, lab.assets.SystemdBoot))
	machine := func(sys *bootSystem) firmware.Machine {
		return firmware.Machine{Image: sys.esp, SecureBoot: true, Vars: keys.Vars}
	}

	for _, c := range []struct {
		name   string
		args   []string
		tamper string // section of the images that changes after signing
		boots  bool
	}{
		{name: "signed", args: bootSignFlags(keys.DB), boots: true},
		{name: "unsigned", args: []string{"--layout", "unified"}},
		{name: "signed with a key that is not trusted", args: bootSignFlags(keys.Other)},
		{name: "tampered xen.cfg", args: bootSignFlags(keys.DB), tamper: ".config"},
		{name: "tampered kernel", args: bootSignFlags(keys.DB), tamper: ".kernel"},
		{name: "tampered ramdisk", args: bootSignFlags(keys.DB), tamper: ".ramdisk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sys := newBootSystem(t, lab.assets)
			options := fixtures.SystemdBoot{NoMenu: true, Loader: loader, NoEditor: true}
			if _, err := sys.root.InstallSystemdBoot(sys.esp, options); err != nil {
				t.Fatal(err)
			}
			sys.install(t, c.args...)
			if c.tamper != "" {
				sys.tamper(t, c.tamper)
			}
			verdict := lab.boot(t, machine(sys))
			if c.boots {
				bootWantDom0(t, verdict, sys.rolledBack)
			} else {
				bootWantRefused(t, verdict)
			}
		})
	}

	t.Run("beside Lanzaboote", func(t *testing.T) {
		t.Parallel()
		sys := newBootSystem(t, lab.assets)
		_, err := sys.root.InstallLanzaboote(sys.esp, fixtures.Lanzaboote{
			NoMenu:    true,
			PublicKey: bootRead(t, keys.DB.Cert),
			Loader:    loader,
		})
		if err != nil {
			t.Fatal(err)
		}
		sys.install(t, bootSignFlags(keys.DB)...)
		// lzbt's default is the newest entry, whatever the profile says.
		bootWantDom0(t, lab.boot(t, machine(sys)), sys.newest)

		// Its garbage collector knows nothing of Xen. At the worst it takes all that is not ours.
		if err := fixtures.SweepLanzaboote(sys.esp); err != nil {
			t.Fatal(err)
		}
		bootWantDom0(t, lab.boot(t, machine(sys)), sys.newest)
	})
}

// bootWantRefused wants that the firmware did not start the Xen image of the default generation,
// and that nothing else went wrong before.
func bootWantRefused(t *testing.T, v firmware.Verdict) {
	t.Helper()
	refused := regexp.MustCompile(`xen-generation-2-[0-9a-f]+\.efi: (Access [Dd]enied|Security [Vv]iolation)`)
	if v.State != firmware.Failed || !refused.MatchString(v.Why) {
		t.Errorf("want that the firmware refuses generation 2, got %v", v)
	}
}

// tamper flips a bit in the middle of a section of each Xen image on the ESP.
func (s *bootSystem) tamper(t *testing.T, section string) {
	t.Helper()
	images, err := filepath.Glob(filepath.Join(s.esp, "EFI/Linux/xen-*.efi"))
	if err != nil || len(images) == 0 {
		t.Fatalf("no Xen images in EFI/Linux: %v", err)
	}
	for _, name := range images {
		image, err := pe.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		in := image.Section(section)
		image.Close()
		if in == nil {
			t.Fatalf("%s has no %s", name, section)
		}
		data := bootRead(t, name)
		data[in.Offset+in.VirtualSize/2] ^= 1
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func bootSignFlags(key firmware.Key) []string {
	return []string{"--sign-key", key.Key, "--sign-cert", key.Cert}
}

// bootSign signs an image as distributions do, with sbsign.
func bootSign(t *testing.T, key firmware.Key, image []byte) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.efi")
	if err := os.WriteFile(file, image, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sbsign", "--key", key.Key, "--cert", key.Cert, "--output", file, file).CombinedOutput()
	if err != nil {
		t.Fatalf("sbsign: %v\n%s", err, out)
	}
	return bootRead(t, file)
}
