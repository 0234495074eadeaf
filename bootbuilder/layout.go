package bootbuilder

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// The directories on $BOOT that payload goes to. Only payloadDir is ours alone:
// NixOS' installers sweep nixosDir, and unifiedDir belongs to all.
const (
	payloadDir = "EFI/xen"
	nixosDir   = "EFI/nixos"
	unifiedDir = "EFI/Linux"
	entriesDir = "loader/entries"
	loaderConf = "loader/loader.conf"
)

// titleSuffix is what nixpkgs' script appends to the title of the NixOS entry.
const titleSuffix = " (with Xen Hypervisor)"

// layout turns a generation into the files that make it boot.
type layout func(ctx context.Context, in *inputs, g *Generation) (*bundle, error)

// needError is why a layout can't make a generation's files.
type needError struct {
	reason Reason
	err    error
}

func (e needError) Error() string { return e.err.Error() }
func (e needError) Unwrap() error { return e.err }

func need(r Reason, err error) error {
	if err == nil {
		return nil
	}
	return needError{r, err}
}

// payload is what Xen loads beside itself: files on $BOOT by now or soon.
type payload struct {
	kernel, ramdisk, devicetree string // names on $BOOT; "" for none
	files                       []*file
}

// gatherPayload finds or makes the kernel, the ramdisk and the devicetree on $BOOT.
func gatherPayload(ctx context.Context, in *inputs, g *Generation) (*payload, error) {
	p := &payload{}
	var err error
	if p.kernel, err = p.place(ctx, in, g.kernel, KindKernel); err != nil {
		return nil, err
	}
	switch {
	case len(g.initrds) == 0:
	case len(g.initrds) == 1 && g.initrds[0].host == "":
		p.ramdisk, err = p.place(ctx, in, g.initrds[0], KindRamdisk)
	default:
		var f *file
		if f, err = joinedRamdisk(ctx, in, g.initrds); err == nil {
			p.ramdisk = f.name
			p.files = append(p.files, f)
		}
	}
	if err != nil {
		return nil, err
	}
	if !g.devicetree.missing() && usesDevicetree(g) {
		p.devicetree, err = p.place(ctx, in, g.devicetree, KindDevicetree)
	}
	return p, err
}

// place leaves a file where it is on $BOOT, or plans a copy from the store.
func (p *payload) place(ctx context.Context, in *inputs, f bootFile, kind FileKind) (string, error) {
	if f.missing() {
		return "", need(PayloadMissing, fmt.Errorf("no %s is named", kind))
	}
	if err := in.check(f); err != nil {
		return "", need(PayloadMissing, err)
	}
	if f.boot != "" {
		return f.boot, nil
	}
	base, err := in.payloadName(f.store)
	if err != nil {
		return "", need(PayloadMissing, err)
	}
	c, err := copyFile(ctx, in, path.Join(payloadDir, base), kind, f)
	if err != nil {
		return "", need(PayloadMissing, err)
	}
	p.files = append(p.files, c)
	return c.name, nil
}

// usesDevicetree: Xen on x86 has no use for one.
func usesDevicetree(g *Generation) bool { return strings.HasPrefix(g.Spec.System, "aarch64-") }

// commandLine is dom0's: init= first, as nixpkgs' script writes it.
func commandLine(g *Generation) (string, error) {
	params, err := xencfg.Join("kernel parameter", g.Spec.KernelParams)
	if err != nil {
		return "", need(BadParameter, err)
	}
	return strings.TrimRight("init="+g.Spec.Init+" "+params, " "), nil
}

// encodeConfig makes the text of a generation's xen.cfg. File names are as Xen takes them.
func encodeConfig(g *Generation, kernel, ramdisk, devicetree string) ([]byte, error) {
	options, err := xencfg.Join("Xen parameter", g.Spec.Xen.Params)
	if err != nil {
		return nil, need(BadParameter, err)
	}
	cmdline, err := commandLine(g)
	if err != nil {
		return nil, err
	}
	text, err := xencfg.Config{
		Options: options,
		Kernel:  kernel,
		CmdLine: cmdline,
		Ramdisk: ramdisk,
		DTB:     devicetree,
	}.Encode()
	return text, need(BadParameter, err)
}

// efiPath writes a name on $BOOT as Xen's loader takes it: from the root of the
// file system, with backslashes.
func efiPath(name string) string {
	if name == "" {
		return ""
	}
	return `\` + strings.ReplaceAll(name, "/", `\`)
}

// entryFile is the type #1 entry of a generation. The keys stand in the order of
// nixpkgs' script.
func entryFile(boot esp.FS, g *Generation, image, options string) (*file, error) {
	e := &esp.Entry{}
	e.Add("title", g.Title+titleSuffix)
	e.Add("version", g.Version)
	e.Add("efi", "/"+image)
	if options != "" {
		e.Add("options", options)
	}
	if g.MachineID != "" {
		e.Add("machine-id", g.MachineID)
	}
	if g.SortKey != "" {
		e.Add("sort-key", g.SortKey)
	}
	text, err := e.Encode()
	if err != nil {
		return nil, need(EntryInvalid, err)
	}
	name := g.ID + ".conf"
	if err := esp.ValidFileName(name); err != nil {
		return nil, need(BadParameter, err)
	}
	return textFile(boot, path.Join(entriesDir, name), KindEntry, transaction.Pad(text)), nil
}
