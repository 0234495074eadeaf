package layout

import (
	"context"
	"path"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
)

// embedded makes what nixpkgs' script makes: an image for each generation with its xen.cfg in a
// .config section, among the kernels. An image that an entry names is never rewritten: the
// next one gets a name with a hash, in our own directory, where NixOS sweeps nothing. The entry decides, not
// whether the file is there: on a full disk that goes before the next one comes, and a run after a power cut
// has to choose the name that the run before it chose.
func (b *builder) embedded(ctx context.Context) error {
	p, err := b.payload(ctx)
	if err != nil {
		return err
	}
	script := bootname.Name{Kind: bootname.EmbeddedImage, ID: b.g.ID, Script: true}
	own, err := b.embeddedImage(p, bootname.Payload)
	if err != nil {
		return err
	}
	sum, err := own.Sum(ctx, b.r)
	if err != nil {
		return generation.Skipped(generation.XenMissing, err)
	}
	hashed := bootname.Name{Kind: bootname.EmbeddedImage, ID: b.g.ID, Hash: bootname.Short(bootname.EmbeddedImage, sum)}
	name, image := hashed, own
	if !b.o.Busy(hashed.Path()) {
		scripts, err := b.embeddedImage(p, bootname.NixOS)
		if err != nil {
			return err
		}
		if b.scriptNameFree(ctx, script.Path(), scripts) {
			name, image = script, scripts
		}
	}
	if err := checkNames(name.Path()); err != nil {
		return err
	}
	b.files.Config, b.files.Image = image.Sections[0].Text, name.Path()
	b.files.Payload = append(b.files.Payload, File{Name: name.Path(), Kind: Image, Content: image, ByContent: !name.Script})
	return b.entry("")
}

// embeddedImage is the image for one of the two directories: its xen.cfg names files beside it by
// their bare names.
func (b *builder) embeddedImage(p names, dir string) (content.Image, error) {
	text, err := encodeConfig(b.g, p.each(func(name string) string { return beside(dir, name) }))
	if err != nil {
		return content.Image{}, err
	}
	image := content.Image{Base: b.xen, KeepDebug: b.o.KeepDebug, Sections: []content.Section{{Name: ".config", Text: text}}}
	return image, image.Check(b.r)
}

// scriptNameFree reports whether the image may have the script's name: no working entry names a file
// of that name, or that file is the image already.
func (b *builder) scriptNameFree(ctx context.Context, name string, image content.Image) bool {
	if !b.o.Busy(name) {
		return true
	}
	same, err := image.Same(ctx, b.r, name)
	return err == nil && same
}

// beside names a file in the image's own directory by its bare name, as the script does, and any
// other from the root.
func beside(dir, name string) string {
	if path.Dir(name) == dir {
		return path.Base(name)
	}
	return efiPath(name)
}
