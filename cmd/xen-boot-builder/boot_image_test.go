package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestBootImage makes an ESP offline: an empty FAT image and the disk of a NixOS are all
// there is. What the program makes of it boots, and the file system has no fault.
func TestBootImage(t *testing.T) {
	t.Parallel()
	lab := newBootLab(t)
	firmware.Need(t, "mkfs.vfat", "fsck.vfat", "mcopy", "mmd")
	for _, layout := range []string{"shared", "unified"} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			sys := newBootSystem(t, lab.assets)
			image := bootEmptyFAT(t)

			var stdout, stderr bytes.Buffer
			args := []string{"--from", "profiles", "--root", sys.root.Dir(), "--esp-image", image, "--layout", layout}
			if code := run(t.Context(), args, &stdout, &stderr, noEnvironment()); code != exitDone {
				t.Fatalf("%q ended with %d\n%s%s", args, code, &stdout, &stderr)
			}
			bootCommand(t, "fsck.vfat", "-n", image)

			// bootctl install would do this on a mounted ESP.
			bootCommand(t, "mmd", "-i", image, "::/EFI/BOOT")
			bootCommand(t, "mcopy", "-i", image, lab.assets.SystemdBoot, "::/EFI/BOOT/BOOTX64.EFI")
			bootWantDom0(t, lab.boot(t, firmware.Machine{Image: image}), sys.rolledBack)
		})
	}
}

// bootEmptyFAT is a file system with room for two generations in the largest layout.
func bootEmptyFAT(t *testing.T) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "esp.img")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(128 << 20); err != nil {
		t.Fatal(err)
	}
	bootCommand(t, "mkfs.vfat", "-F", "32", image)
	return image
}

func bootCommand(t *testing.T, name string, args ...string) (output string) {
	t.Helper()
	b, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, b)
	}
	return string(b)
}
