package main

import (
	"bytes"
	"debug/pe"
	"os"
	"path/filepath"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestBootNewer starts what a newer Debian has: an unstripped Xen, another systemd-boot, another firmware, also one
// that lets nothing run but what is marked as code.
func TestBootNewer(t *testing.T) {
	t.Parallel()
	newer := firmware.NeedNewer(t)
	lab := &bootLab{assets: newer.Assets, slots: machineSlots}
	for _, c := range []struct {
		name, layout, code string
		args               []string
	}{
		{name: "shared", layout: "shared", code: newer.Code},
		{name: "unified", layout: "unified", code: newer.Code},
		{name: "unified on strict firmware", layout: "unified", code: newer.StrictNX},
		{name: "with debug sections", layout: "shared", code: newer.Code, args: []string{"--keep-debug"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sys := newBootSystem(t, newer.Assets)
			options := fixtures.SystemdBoot{NoMenu: true, Loader: bootRead(t, newer.SystemdBoot)}
			if _, err := sys.root.InstallSystemdBoot(sys.esp, options); err != nil {
				t.Fatal(err)
			}
			sys.install(t, append([]string{"--layout", c.layout}, c.args...)...)
			debug := len(c.args) > 0
			bootWantDebug(t, sys.esp, debug)
			sys.verify(t)
			verdict := lab.boot(t, firmware.Machine{
				Image: sys.esp, Firmware: c.code, Vars: newer.Vars, SecureBoot: c.code == newer.StrictNX,
			})
			bootWantDom0(t, verdict, sys.rolledBack)
		})
	}
}

// bootWantDebug wants that each Xen image on an ESP has debug sections, or that none has.
func bootWantDebug(t *testing.T, esp string, want bool) {
	t.Helper()
	images := 0
	for _, pattern := range []string{"EFI/xen/xen-*.efi", "EFI/Linux/xen-*.efi"} {
		files, err := filepath.Glob(filepath.Join(esp, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			images++
			image, err := pe.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			image.Close()
			if have := image.Section(".debug_info") != nil; have != want {
				t.Errorf("%s has debug sections: %v, want %v", filepath.Base(file), have, want)
			}
		}
	}
	if images == 0 {
		t.Error("there is no Xen image")
	}
}

// verify runs the command of that name, which has to find nothing.
func (s *bootSystem) verify(t *testing.T) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := []string{"verify", "--esp", s.esp, "--root", s.root.Dir()}
	if code := run(t.Context(), args, &stdout, &stderr, noEnvironment()); code != exitDone {
		t.Errorf("%q ended with %d\n%s%s", args, code, &stdout, &stderr)
	}
}

// TestBootExtended starts entries and images that lie on an XBOOTLDR partition.
func TestBootExtended(t *testing.T) {
	t.Parallel()
	lab := newBootLab(t)
	for _, layout := range []string{"shared", "embedded", "unified"} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			sys := newBootSystem(t, lab.assets)
			boot := t.TempDir()
			options := fixtures.SystemdBoot{NoMenu: true, Loader: bootRead(t, lab.assets.SystemdBoot), Boot: boot}
			if _, err := sys.root.InstallSystemdBoot(sys.esp, options); err != nil {
				t.Fatal(err)
			}
			sys.install(t, "--boot", boot, "--layout", layout)
			for _, pattern := range []string{"loader/entries/*", "EFI/Linux/*", "EFI/xen/*", "EFI/nixos/*"} {
				if found, err := filepath.Glob(filepath.Join(sys.esp, pattern)); err != nil || found != nil {
					t.Errorf("there is more than systemd-boot on the ESP: %q, %v", found, err)
				}
			}
			bootWantDom0(t, lab.boot(t, firmware.Machine{Image: sys.esp, Extended: boot}), sys.rolledBack)
		})
	}
}

// TestBootLarge starts an image of 197 MB, which is what a ramdisk full of firmware and drivers makes of it.
func TestBootLarge(t *testing.T) {
	t.Parallel()
	lab := newBootLab(t)
	assets := lab.assets
	assets.Initrd = filepath.Join(t.TempDir(), "initrd")
	// Linux reads on behind the first archive, takes zeros for padding, and unpacks what comes last: all of it is there.
	initrd := bootRead(t, lab.assets.Initrd)
	initrd = append(initrd, make([]byte, 185<<20-len(initrd)&3)...)
	bootWrite(t, assets.Initrd, append(initrd, firmware.Cpio(map[string]string{"extra": "the end\n"})...))
	sys := newBootSystem(t, assets)
	options := fixtures.SystemdBoot{NoMenu: true, Loader: bootRead(t, assets.SystemdBoot), Limit: 1}
	if _, err := sys.root.InstallSystemdBoot(sys.esp, options); err != nil {
		t.Fatal(err)
	}
	sys.install(t, "--layout", "unified", "--generation", "3")
	images, err := filepath.Glob(filepath.Join(sys.esp, "EFI/Linux/xen-generation-3-*.efi"))
	if err != nil || len(images) != 1 {
		t.Fatalf("images: %q, %v", images, err)
	}
	if info, err := os.Stat(images[0]); err != nil || info.Size() < 197_000_000 {
		t.Fatalf("the image is smaller than meant: %v, %v", info, err)
	}
	verdict := lab.boot(t, firmware.Machine{Image: sys.esp, Entry: "xen-generation-3*", MemoryMiB: 900})
	bootWantDom0(t, verdict, sys.newest)
	if want := "the end"; verdict.Extra != want {
		t.Errorf("the end of the ramdisk has %q, want %q", verdict.Extra, want)
	}
}
