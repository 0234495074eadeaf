package bootbuilder

import (
	"context"
	"fmt"
	"path"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// embeddedLayout makes, file for file, what nixpkgs' script makes: an image for each
// generation with its xen.cfg in a .config section, among the kernels.
func embeddedLayout(ctx context.Context, in *inputs, g *Generation) (*bundle, error) {
	p, err := gatherPayload(ctx, in, g)
	if err != nil {
		return nil, err
	}
	text, err := encodeConfig(g, besideImage(p.kernel), besideImage(p.ramdisk), besideImage(p.devicetree))
	if err != nil {
		return nil, err
	}
	b := &bundle{gen: g, config: text, version: xenVersion(g), entryID: g.ID + ".conf"}
	r := recipe{
		base:     bootFile{store: g.Spec.Xen.EFIPath},
		sections: []section{{name: ".config", text: text}},
	}
	sum, err := in.recipeSum(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	b.image = path.Join(payloadDir, fmt.Sprintf("%s-%x.efi", g.ID, sum[:8]))
	if err := esp.ValidFileName(path.Base(b.image)); err != nil {
		return nil, need(BadParameter, err)
	}
	image, err := assembledFile(in, b.image, r)
	if err != nil {
		return nil, err
	}
	b.files = append(p.files, image)
	b.entry, err = entryFile(in.boot, g, b.image, "")
	return b, err
}

// besideImage names a file in the image's own directory by its bare name, as the script
// does, and any other from the root.
func besideImage(name string) string {
	if path.Dir(name) == payloadDir {
		return path.Base(name)
	}
	return efiPath(name)
}
