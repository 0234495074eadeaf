package bootspec_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

func ExampleParse() {
	doc, err := bootspec.Parse([]byte(`{
	  "org.nixos.bootspec.v1": {
	    "system": "x86_64-linux",
	    "init": "/nix/store/aaa-nixos-system-dom0/init",
	    "kernel": "/nix/store/bbb-linux-6.12.58/bzImage",
	    "kernelParams": ["root=UUID=5a1c47d1-6160-4000-ad22-d5418bf7e56a", "loglevel=4"],
	    "label": "NixOS 25.11 (Linux 6.12.58)",
	    "toplevel": "/nix/store/aaa-nixos-system-dom0"
	  },
	  "org.xenproject.bootspec.v2": {
	    "efiPath": "/nix/store/ccc-xen-4.20.2-boot/boot/xen-4.20.2.efi",
	    "multibootPath": "/nix/store/ccc-xen-4.20.2-boot/boot/xen-4.20.2",
	    "params": ["dom0_mem=4096M", "dom0_max_vcpus=4"],
	    "version": "4.20.2"
	  }
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Xen", doc.Xen.Version, strings.Join(doc.Xen.Params, " "))
	fmt.Println(doc.Kernel, strings.Join(doc.KernelParams, " "))
	// Output:
	// Xen 4.20.2 dom0_mem=4096M dom0_max_vcpus=4
	// /nix/store/bbb-linux-6.12.58/bzImage root=UUID=5a1c47d1-6160-4000-ad22-d5418bf7e56a loglevel=4
}

func ExampleError() {
	_, err := bootspec.Parse([]byte(`{
	  "org.nixos.bootspec.v1": {
	    "system": "x86_64-linux", "init": "/t/init", "kernel": "/k/bzImage",
	    "kernelParams": ["quiet"], "label": "NixOS", "toplevel": "/t"
	  },
	  "org.xenproject.bootspec.v2": {"efiPath": "/x/xen.efi", "params": ["dom0=pvh", "sync_console\nkernel=evil"]}
	}`))
	var fault *bootspec.Error
	if errors.As(err, &fault) {
		fmt.Println("at", fault.Path)
		fmt.Println(fault.Reason)
	}
	// Output:
	// at org.xenproject.bootspec.v2.params[1]
	// contains a line break: "sync_console\nkernel=evil"
}

func ExampleBootParams_Compose() {
	params, err := bootspec.BootParams{
		Trace:         true,
		Dom0Memory:    1024,
		Dom0MaxMemory: 4096,
		Dom0MaxVCPUs:  2,
		Extra:         []string{"dom0=pvh"},
	}.Compose()
	fmt.Println(strings.Join(params, " "), err)
	// Output: loglvl=all guest_loglvl=all dom0_mem=1024M,max:4096M dom0_max_vcpus=2 dom0=pvh <nil>
}

func ExampleXen_EncodeExtension() {
	extension, err := bootspec.Xen{
		ExtensionVersion: 1,
		EFIPath:          "/nix/store/ccc-xen-4.20.2-boot/boot/xen.efi",
		Params:           []string{"dom0_mem=4096M"},
	}.EncodeExtension()
	fmt.Print(string(extension), err)
	// Output:
	// {
	//   "org.xenproject.bootspec.v1": {
	//     "xen": "/nix/store/ccc-xen-4.20.2-boot/boot/xen.efi",
	//     "xenParams": [
	//       "dom0_mem=4096M"
	//     ]
	//   }
	// }
	// <nil>
}
