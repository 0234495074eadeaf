package layout

import (
	"context"
	"fmt"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/osrelease"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// embeddedKernel stands for the kernel's name in a xen.cfg whose kernel is a section:
// Xen ignores the name, but reads dom0's command line only after one.
const embeddedKernel = "kernel"

// LoadOptions are what systemd-boot hands to a unified image: its .cmdline.
const LoadOptions = "xen.efi"

// unified puts everything that starts into one image, which a signature can cover completely.
// systemd-boot lists it by itself (type #2) from its .osrel section.
func (b *builder) unified(ctx context.Context) error {
	image, err := b.unifiedImage(ctx)
	if err != nil {
		return err
	}
	if err := image.Check(b.r); err != nil {
		return err
	}
	sum, err := image.Sum(ctx, b.r)
	if err != nil {
		return generation.Skipped(generation.PayloadMissing, err)
	}
	name := bootname.Name{Kind: bootname.UnifiedImage, ID: b.g.ID, Hash: bootname.Short(bootname.UnifiedImage, sum)}
	b.files.EntryID = base(name.Path())
	name.Tries = b.tries()
	b.files.Image = name.Path()
	// A counter that is there already counts: it is never set back.
	hash := name.Hash
	if b.files.Pending {
		hash = "" // what is inside is not known before the run: what is there counts
	}
	if installed := b.o.Installed(name.ID, hash); installed != "" {
		b.files.Image = installed
	}
	if err := checkNames(b.files.Image); err != nil {
		return err
	}
	b.files.Config = image.Sections[0].Text
	b.files.Payload = []File{{Name: b.files.Image, Kind: Image, Content: image, ByContent: true}}
	return nil
}

// tries is the counter of a new image: where NixOS' own entry is counted, ours is too, from the
// start.
func (b *builder) tries() *esp.Tries {
	s := b.g.Selector()
	if s == nil || s.Tries == nil {
		return nil
	}
	return &esp.Tries{Left: s.Tries.Left + s.Tries.Done}
}

func (b *builder) unifiedImage(ctx context.Context) (content.Image, error) {
	kernel, err := b.storeFile(b.g.Spec.Kernel, Kernel)
	if err != nil {
		return content.Image{}, err
	}
	initrds, err := b.unifiedInitrds(ctx)
	if err != nil {
		return content.Image{}, err
	}
	if b.o.Variant.Ucode != "" || b.o.Variant.XSM != "" {
		return content.Image{}, generation.Skipped(generation.BadParameter, fmt.Errorf(
			"variant %s: Xen reads no microcode and no policy out of a unified image", b.o.Variant.Name))
	}
	text, err := encodeConfig(b.g, names{kernel: embeddedKernel})
	if err != nil {
		return content.Image{}, err
	}
	osrel, err := b.osRelease()
	if err != nil {
		return content.Image{}, generation.Skipped(generation.EntryInvalid, err)
	}
	m := content.Image{Base: b.xen, Certificate: b.o.Certificate, KeepDebug: b.o.KeepDebug}
	m.Sections = []content.Section{
		{Name: ".config", Text: text},
		{Name: ".osrel", Text: osrel},
		// Not empty, so that systemd-boot keeps its editor away from the entry under
		// Secure Boot. Xen skips the first word as its own name.
		{Name: ".cmdline", Text: []byte(LoadOptions)},
		{Name: ".kernel", Files: []content.Source{kernel}},
	}
	if len(initrds) > 0 {
		m.Sections = append(m.Sections, content.Section{Name: ".ramdisk", Files: initrds})
	}
	if dtb := b.g.Spec.SystemdBoot.Devicetree; dtb != "" && b.usesDevicetree() {
		file, err := b.storeFile(dtb, Devicetree)
		if err != nil {
			return content.Image{}, err
		}
		m.Sections = append(m.Sections, content.Section{Name: ".dtb", Files: []content.Source{file}})
	}
	return m, nil
}

// osRelease is what systemd-boot makes the menu entry from: PRETTY_NAME is the title,
// VERSION_ID the version, ID the sort-key (os-release(5); Boot Loader Specification,
// "Type #2 EFI Unified Kernel Images"). All of it comes from bootspec and profile link: what
// an entry on the ESP says is not signed.
func (b *builder) osRelease() ([]byte, error) {
	d := b.g.Described
	if d.Version == "" {
		return nil, fmt.Errorf("%v has no version", b.g)
	}
	return osrelease.Encode(
		osrelease.Field{Key: "ID", Value: d.SortKey},
		osrelease.Field{Key: "PRETTY_NAME", Value: d.Title + b.o.Variant.suffix()},
		osrelease.Field{Key: "VERSION_ID", Value: d.Version},
	)
}
