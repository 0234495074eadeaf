package bootbuilder

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// sharedLayout puts each distinct Xen image on $BOOT once, and a xen.cfg beside it
// for each generation. The entry names both: Xen takes its load options from the
// entry's, and skips the first word as its own name.
func sharedLayout(ctx context.Context, in *inputs, g *Generation) (*bundle, error) {
	p, err := gatherPayload(ctx, in, g)
	if err != nil {
		return nil, err
	}
	xen := bootFile{store: g.Spec.Xen.EFIPath}
	sum, err := in.sum(ctx, xen)
	if err != nil {
		return nil, need(XenMissing, err)
	}
	if err := in.checkXenImage(xen); err != nil {
		return nil, err
	}
	text, err := encodeConfig(g, efiPath(p.kernel), efiPath(p.ramdisk), efiPath(p.devicetree))
	if err != nil {
		return nil, err
	}
	b := &bundle{gen: g, config: text, version: xenVersion(g), files: p.files, entryID: g.ID + ".conf"}
	b.image = path.Join(payloadDir, sharedImageName(b.version, sum))
	image, err := copyFile(ctx, in, b.image, KindImage, xen)
	if err != nil {
		return nil, need(XenMissing, err)
	}
	image.key = "xen " + b.image // two store paths may hold the same Xen
	cfgName := configName(g.ID, text)
	if err := esp.ValidFileName(cfgName); err != nil {
		return nil, need(BadParameter, err)
	}
	b.files = append(b.files, image, textFile(in.boot, path.Join(payloadDir, cfgName), KindConfig, text))
	b.entry, err = entryFile(in.boot, g, b.image, configOption+cfgName)
	return b, err
}

// configOption stands in front of the name of a xen.cfg in an entry's options.
const configOption = "xen.efi -cfg="

// configName is what a generation's xen.cfg is called: by what is in it, so that one that an entry names is never written
// again. It is one word of Xen's load options: an id that can't be one, such as that of a profile with a blank in its
// name, is hashed.
func configName(id string, text []byte) string {
	for _, r := range id {
		if r <= ' ' || r > '~' || r == '/' || r == '\\' {
			id = fmt.Sprintf("xen-%x", sha256.Sum256([]byte(id)))
			break
		}
	}
	sum := sha256.Sum256(text)
	return fmt.Sprintf("%s-%x.cfg", id, sum[:8])
}

// sharedImageName names a Xen image by what it holds.
func sharedImageName(version string, c content) string {
	if version == "" {
		return fmt.Sprintf("xen-%s.efi", c.short())
	}
	return fmt.Sprintf("xen-%s-%s.efi", version, c.short())
}

var versionInName = regexp.MustCompile(`xen-([0-9][0-9A-Za-z.+~]*[0-9A-Za-z])\.efi$`)

// xenVersion is the version that v2 of the extension gives; v1 has none, and there
// it is read off the file name (…/boot/xen-4.20.2.efi). It goes into file names.
func xenVersion(g *Generation) string {
	v := g.Spec.Xen.Version
	if v == "" {
		if m := versionInName.FindStringSubmatch(g.Spec.Xen.EFIPath); m != nil {
			v = m[1]
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '.', r == '_':
			return r
		}
		return '_'
	}, v)
}
