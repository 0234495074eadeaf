package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestBootARM64 starts what is installed where one asks for Secure Boot on aarch64: layout shared, and a
// warning that it is not signed.
func TestBootARM64(t *testing.T) {
	t.Parallel()
	assets := firmware.NeedBootARM64(t)
	sys := newBootARM64(t, assets, maxDom0ARM64)
	keys := t.TempDir()
	if err := fixtures.LayOutKeys(keys, "db"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(keys, "keys/db/db.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	stderr := sys.install(t, "--pki-bundle", keys)
	if n := strings.Count(stderr, "only layout shared is possible"); n != 1 {
		t.Errorf("%d warnings that nothing is signed, want one:\n%s", n, stderr)
	}
	lab := &bootLab{slots: machineSlots}
	bootWantLinux(t, lab.boot(t, firmware.Machine{Arch: firmware.ARM64, Image: sys.esp}), sys.rolledBack)
}

// maxDom0ARM64 is the longest command line of dom0 on aarch64 of which nothing is lost, in bytes.
const maxDom0ARM64 = 1023

// TestBootARM64CommandLine: a command line two bytes longer would hang Xen without a word.
func TestBootARM64CommandLine(t *testing.T) {
	t.Parallel()
	assets := firmware.NeedBootARM64(t)
	sys := newBootARM64(t, assets, maxDom0ARM64+1)
	var stdout, stderr bytes.Buffer
	args := []string{"install", "--esp", sys.esp, "--root", sys.root.Dir()}
	if code := run(t.Context(), args, &stdout, &stderr, noEnvironment()); code != exitFailed {
		t.Errorf("%q ended with %d, want %d\n%s%s", args, code, exitFailed, &stdout, &stderr)
	}
	if want := "1024 bytes: Xen on aarch64 hands over 1023"; !strings.Contains(stderr.String(), want) {
		t.Errorf("stderr does not say %q:\n%s", want, &stderr)
	}
}

// newBootARM64 is a bootSystem for aarch64 whose default generation has a command line of this length for dom0.
func newBootARM64(t *testing.T, assets firmware.Assets, length int) *bootSystem {
	t.Helper()
	sys := makeBootSystem(t, assets, firmware.ARM64, length, nil)
	options := fixtures.SystemdBoot{NoMenu: true, Loader: bootRead(t, assets.SystemdBoot)}
	if _, err := sys.root.InstallSystemdBoot(sys.esp, options); err != nil {
		t.Fatal(err)
	}
	return sys
}
