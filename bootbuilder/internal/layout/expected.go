package layout

import (
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

// Parts are what a unified image of a bootspec is made of, by the store alone.
type Parts struct {
	Config                           []byte
	Xen, Kernel, Ramdisk, Devicetree content.Source
	// MayGrow says that something follows the store's initrd: secrets, or initrds on the ESP.
	MayGrow bool
	Err     error // why that is not known
}

// Expected says what a unified image of a bootspec is made of.
func Expected(spec *bootspec.Document, root *nixroot.Root) (p Parts) {
	if spec.Xen == nil {
		p.Err = &generation.Skip{Reason: generation.NoExtension}
		return p
	}
	g := generation.Generation{Spec: spec}
	if p.Config, p.Err = encodeConfig(g, names{kernel: embeddedKernel}); p.Err != nil {
		return p
	}
	b := builder{g: g}
	devicetree := ""
	if b.usesDevicetree() {
		devicetree = spec.SystemdBoot.Devicetree
	}
	for name, s := range map[string]*content.Source{
		spec.Xen.EFIPath: &p.Xen, spec.Kernel: &p.Kernel, spec.Initrd: &p.Ramdisk, devicetree: &p.Devicetree,
	} {
		if name == "" {
			continue
		}
		if s.Store, p.Err = root.Resolve(name); p.Err != nil {
			return p
		}
	}
	p.MayGrow = spec.InitrdSecrets != "" || len(spec.ExtraInitrds) > 0
	return p
}
