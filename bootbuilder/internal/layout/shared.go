package layout

import (
	"context"
	"crypto/sha256"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// ConfigOption stands in front of the name of a xen.cfg in an entry's options. Xen takes its load
// options from there, and skips the first word as its own name.
const ConfigOption = "xen.efi -cfg="

// shared puts each distinct Xen image on $BOOT once, and a xen.cfg beside it for each generation.
// The entry names both.
func (b *builder) shared(ctx context.Context) error {
	p, err := b.payload(ctx)
	if err != nil {
		return err
	}
	if _, err := b.r.Machine(b.xen); err != nil {
		return err
	}
	image := b.xen
	if !b.o.KeepDebug {
		if image, err = b.r.Stripped(ctx, b.xen); err != nil {
			return generation.Skipped(generation.ImageInvalid, err)
		}
	}
	sum, err := b.r.Sum(ctx, image)
	if err != nil {
		return generation.Skipped(generation.XenMissing, err)
	}
	text, err := encodeConfig(b.g, p.each(efiPath))
	if err != nil {
		return err
	}
	b.files.Config = text
	b.files.Image = bootname.Name{
		Kind: bootname.SharedImage, Version: b.files.XenVersion, Hash: bootname.Short(bootname.SharedImage, sum.Sum),
	}.Path()
	config := bootname.Name{
		Kind: bootname.Config, ID: bootname.ConfigID(b.g.ID), Hash: bootname.Short(bootname.Config, sha256.Sum256(text)),
	}
	if err := checkNames(config.Path(), b.files.Image); err != nil {
		return err
	}
	b.files.Payload = append(b.files.Payload,
		File{Name: b.files.Image, Kind: Image, Content: content.Copy{From: image}, ByContent: true},
		File{Name: config.Path(), Kind: Config, Content: content.Text(text), ByContent: true})
	return b.entry(ConfigOption + base(config.Path()))
}

// base is the last part of a name on $BOOT.
func base(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// checkNames refuses what FAT can't hold.
func checkNames(names ...string) error {
	for _, name := range names {
		if err := esp.ValidFileName(base(name)); err != nil {
			return generation.Skipped(generation.BadParameter, err)
		}
	}
	return nil
}

// versionInName is what stands between "xen-" and ".efi" at the end of a path, if it begins with a digit and looks like a
// version.
func versionInName(name string) string {
	stem, ok := strings.CutSuffix(name, ".efi")
	at := strings.LastIndex(stem, "xen-")
	if !ok || at < 0 {
		return ""
	}
	version := stem[at+len("xen-"):]
	odd := strings.IndexFunc(version, func(r rune) bool { return !isAlnum(r) && !strings.ContainsRune(".+~", r) })
	if len(version) < 2 || odd >= 0 || version[0] < '0' || version[0] > '9' || !isAlnum(rune(version[len(version)-1])) {
		return ""
	}
	return version
}

func isAlnum(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// xenVersion is Xen's version in a form that goes into file names. v2 of the extension gives it; v1
// has none, and there it is read off the file name (…/boot/xen-4.20.2.efi).
func xenVersion(g generation.Generation) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '.', r == '_':
			return r
		}
		return '_'
	}, XenVersion(g.Spec))
}

// XenVersion is the version of a bootspec's Xen, as it says, or as the name of the image says.
func XenVersion(spec *bootspec.Document) string {
	if v := spec.Xen.Version; v != "" {
		return v
	}
	return versionInName(spec.Xen.EFIPath)
}
