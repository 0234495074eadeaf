package main

import (
	"bytes"
	"crypto/sha256"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestBootAttacked has somebody write the ESP before the owner runs the program with his key, and starts what is
// then the default, on a firmware that trusts that key: it is the genuine system. The attacker's initrd brings a
// file, by which a boot of his would be told.
func TestBootAttacked(t *testing.T) {
	t.Parallel()
	lab := newBootLab(t)
	firmware.Need(t, append(firmware.KeyTools(), "sbsign")...)
	keys, err := firmware.EnrollKeys(t.Context(), t.TempDir(), lab.assets.SystemdBoot)
	if err != nil {
		t.Fatal(err)
	}
	loader := bootSign(t, keys.DB, bootRead(t, lab.assets.SystemdBoot))
	evil := append(bootRead(t, lab.assets.Initrd), firmware.Cpio(map[string]string{"extra": "the attacker's\n"})...)
	kernel := bootRead(t, lab.assets.Kernel)

	for _, c := range []struct {
		name  string
		stubs bool // Lanzaboote was there before us
		do    func(t *testing.T, sys *bootSystem)
	}{
		{name: "an entry that comes first, beside stubs (S4)", stubs: true, do: func(t *testing.T, sys *bootSystem) {
			sys.write(t, "evil/vmlinuz", kernel)
			sys.write(t, "evil/initrd", evil)
			sys.write(t, "loader/entries/nixos-generation-99.conf", []byte(strings.Join([]string{
				"title NixOS", "sort-key aaa", "version Generation 99", "linux /evil/vmlinuz", "initrd /evil/initrd",
				"options init=" + sys.rolledBack.Link + "/init console=hvc0", "",
			}, "\n")))
		}},
		{name: "a stub that comes first (S3)", stubs: true, do: func(t *testing.T, sys *bootSystem) {
			sys.write(t, "evil/initrd", evil)
			sys.write(t, "evil/vmlinuz", kernel)
			// lzbt's default is the newest entry: this one names a generation.
			sys.write(t, "loader/loader.conf", []byte("timeout 0\ndefault nixos-generation-2-*\n"))
			sys.write(t, "EFI/Linux/nixos-generation-2-"+strings.Repeat("2", 52)+".efi",
				bootForgedStub(sys.rolledBack.Init, kernel, evil))
		}},
		{name: "initrds overwritten behind genuine entries (S7, S8)", do: func(t *testing.T, sys *bootSystem) {
			initrds, err := filepath.Glob(filepath.Join(sys.esp, "EFI/nixos/*initrd*"))
			if err != nil || len(initrds) == 0 {
				t.Fatalf("no initrds on the ESP: %v", err)
			}
			for _, name := range initrds {
				sys.write(t, "EFI/nixos/"+filepath.Base(name), evil)
			}
			entry := bootRead(t, filepath.Join(sys.esp, "loader/entries/nixos-generation-2.conf"))
			sys.write(t, "loader/entries/nixos-generation-2.conf", append(bytes.TrimSpace(entry), "\ninitrd /evil/initrd\n"...))
			sys.write(t, "evil/initrd", evil)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sys := newBootSystem(t, lab.assets)
			if c.stubs {
				if _, err := sys.root.InstallLanzaboote(sys.esp, fixtures.Lanzaboote{NoMenu: true, PublicKey: bootRead(t, keys.DB.Cert), Loader: loader}); err != nil {
					t.Fatal(err)
				}
			} else if _, err := sys.root.InstallSystemdBoot(sys.esp, fixtures.SystemdBoot{NoMenu: true, Loader: loader, NoEditor: true}); err != nil {
				t.Fatal(err)
			}
			c.do(t, sys)
			sys.install(t, bootSignFlags(keys.DB)...)
			verdict := lab.boot(t, firmware.Machine{Image: sys.esp, SecureBoot: true, Vars: keys.Vars})
			bootWantDom0(t, verdict, sys.rolledBack)
			if verdict.Extra != "" {
				t.Errorf("dom0 has a file of the attacker's: %q", verdict.Extra)
			}
		})
	}
}

// bootForgedStub is a stub as Lanzaboote makes them, for files of the attacker's.
func bootForgedStub(init string, kernel, initrd []byte) []byte {
	k, i := sha256.Sum256(kernel), sha256.Sum256(initrd)
	return fixtures.PE(
		fixtures.Section{Name: ".osrel", Data: []byte("ID=aaa\nPRETTY_NAME=NixOS\nVERSION_ID=Generation 2\n")},
		fixtures.Section{Name: ".cmdline", Data: []byte("init=" + init + " console=hvc0")},
		fixtures.Section{Name: ".linux", Data: []byte(`\evil\vmlinuz`)}, fixtures.Section{Name: ".linuxh", Data: k[:]},
		fixtures.Section{Name: ".initrd", Data: []byte(`\evil\initrd`)}, fixtures.Section{Name: ".initrdh", Data: i[:]},
	)
}
