package layout

import (
	"fmt"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
)

// commandLine is dom0's: init= first, as nixpkgs' script writes it.
func commandLine(g generation.Generation) (string, error) {
	params, err := xencfg.Join("kernel parameter", g.Spec.KernelParams)
	if err != nil {
		return "", generation.Skipped(generation.BadParameter, err)
	}
	text := strings.TrimRight("init="+g.Spec.Init+" "+params, " ")
	if strings.HasPrefix(g.Spec.System, armPrefix) && len(text) > maxARM {
		return "", generation.Skipped(generation.BadParameter, fmt.Errorf(
			"dom0's command line has %d bytes: Xen on aarch64 hands over %d, and with more than one over that it hangs before it prints anything",
			len(text), maxARM))
	}
	return text, nil
}

// maxARM is the longest command line for dom0 that arrives on aarch64, in bytes, without the kernel's name: of 1,024
// the last is lost, 1,025 are a panic before there is a console (booted: Xen 4.17 and 4.20). On x86 what is too
// long is cut.
const maxARM = 1023

// names are files as a xen.cfg names them, or as they are called on $BOOT; "" for none.
type names struct{ kernel, ramdisk, devicetree, ucode, xsm string }

// each is the names with a change to every one of them.
func (n names) each(change func(string) string) names {
	return names{change(n.kernel), change(n.ramdisk), change(n.devicetree), change(n.ucode), change(n.xsm)}
}

// encodeConfig makes the text of a generation's xen.cfg. File names are as Xen takes them.
func encodeConfig(g generation.Generation, n names) ([]byte, error) {
	options, err := xencfg.Join("Xen parameter", g.Spec.Xen.Params)
	if err != nil {
		return nil, generation.Skipped(generation.BadParameter, err)
	}
	cmdline, err := commandLine(g)
	if err != nil {
		return nil, err
	}
	text, err := xencfg.Config{
		Options: options,
		Kernel:  n.kernel,
		CmdLine: cmdline,
		Ramdisk: n.ramdisk,
		DTB:     n.devicetree,
		Ucode:   n.ucode,
		XSM:     n.xsm,
	}.Encode()
	return text, generation.Skipped(generation.BadParameter, err)
}

// efiPath writes a name on $BOOT as Xen's loader takes it: from the root of the
// file system, with backslashes.
func efiPath(name string) string {
	if name == "" {
		return ""
	}
	return `\` + strings.ReplaceAll(name, "/", `\`)
}
