package esp_test

import (
	"fmt"
	"os"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

func ExampleParseEntry() {
	entry, err := esp.ParseEntry([]byte(`title NixOS
version Generation 5 NixOS 25.11, built on 2025-12-02
linux /EFI/nixos/bbb-linux-6.12.58-bzImage.efi
initrd /EFI/nixos/ccc-initrd-linux-6.12.58-initrd.efi
options init=/nix/store/aaa-nixos-system-dom0/init loglevel=4
sort-key nixos
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	linux, _ := entry.Get("linux")
	file, ok := esp.BootPath(linux)
	fmt.Println(file, ok)
	init, ok := esp.InitParam(entry.Options())
	fmt.Println(init, ok)
	// Output:
	// EFI/nixos/bbb-linux-6.12.58-bzImage.efi true
	// /nix/store/aaa-nixos-system-dom0/init true
}

func ExampleEntry_Encode() {
	entry := &esp.Entry{}
	entry.Add("title", "NixOS (with Xen Hypervisor)")
	entry.Add("efi", "/EFI/xen/xen-4.20.2-0123456789abcdef0123.efi")
	entry.Add("options", "xen.efi -cfg=xen-generation-5.cfg")
	text, err := entry.Encode()
	fmt.Print(string(text), err)
	// Output:
	// title NixOS (with Xen Hypervisor)
	// efi /EFI/xen/xen-4.20.2-0123456789abcdef0123.efi
	// options xen.efi -cfg=xen-generation-5.cfg
	// <nil>
}

func ExampleParseName() {
	name, ok := esp.ParseName("nixos-generation-5-specialisation-gaming+2-1.conf")
	fmt.Println(ok, name.Generation, name.Specialisation, name.ID())
	fmt.Println(name.As(esp.Xen).ID())
	// Output:
	// true 5 gaming nixos-generation-5-specialisation-gaming
	// xen-generation-5-specialisation-gaming
}

func ExampleLoaderConf_Set() {
	conf := esp.ParseLoaderConf([]byte("timeout 5\ndefault nixos-generation-5.conf\neditor 0\n"))
	err := conf.Set("default", "xen-generation-5.conf")
	fmt.Print(string(conf.Bytes()), err)
	// Output:
	// timeout 5
	// default xen-generation-5.conf
	// editor 0
	// <nil>
}

func ExampleMatchPattern() {
	fmt.Println(esp.MatchPattern("nixos-*", "nixos-generation-5.conf"))
	fmt.Println(esp.MatchPattern("nixos-generation-5", "nixos-generation-5.conf"))
	// Output:
	// true
	// false
}

// A file is written whole or not at all, and is on the disk once its directory is synced.
func ExampleWriteBytes() {
	dir, err := os.MkdirTemp("", "esp-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	boot, err := esp.OpenDir(dir) // "/boot" on a real machine
	if err != nil {
		fmt.Println(err)
		return
	}
	defer boot.Close()
	if err := esp.MkdirAll(boot, "loader"); err != nil {
		fmt.Println(err)
		return
	}
	if err := esp.WriteBytes(boot, "loader/loader.conf", []byte("timeout 5\n")); err != nil {
		fmt.Println(err)
		return
	}
	if err := boot.SyncDir("loader"); err != nil {
		fmt.Println(err)
		return
	}
	text, err := esp.ReadFile(boot, "LOADER/LOADER.CONF", 1<<10) // as FAT would find it
	fmt.Printf("%q %v\n", text, err)
	// Output: "timeout 5\n" <nil>
}
