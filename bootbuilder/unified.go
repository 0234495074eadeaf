package bootbuilder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// unifiedLayout puts everything that starts into one image, which a signature can
// cover whole. systemd-boot lists it by itself (type #2) from its .osrel section.
func unifiedLayout(sign Signer) layout {
	return func(ctx context.Context, in *inputs, g *Generation) (*bundle, error) {
		b := &bundle{gen: g, version: xenVersion(g)}
		r, err := unifiedRecipe(in, g)
		if err != nil {
			return nil, err
		}
		b.config = r.sections[0].text
		sum, err := in.recipeSum(ctx, r, sign)
		if err != nil {
			return nil, err
		}
		b.entryID = fmt.Sprintf("%s-%x.efi", g.ID, sum[:8])
		if err := esp.ValidFileName(b.entryID); err != nil {
			return nil, need(BadParameter, err)
		}
		b.image = path.Join(unifiedDir, b.entryID)
		image, err := signedFile(in, b.image, r, sign)
		if err != nil {
			return nil, err
		}
		b.files = []*file{image}
		return b, nil
	}
}

// embeddedKernel stands for the kernel's name in a xen.cfg whose kernel is a section:
// Xen ignores the name, but reads dom0's command line only after one.
const embeddedKernel = "kernel"

func unifiedRecipe(in *inputs, g *Generation) (recipe, error) {
	if g.kernel.missing() {
		return recipe{}, need(PayloadMissing, fmt.Errorf("no kernel is named"))
	}
	for _, f := range append([]bootFile{g.kernel}, g.initrds...) {
		if err := in.check(f); err != nil {
			return recipe{}, need(PayloadMissing, err)
		}
	}
	text, err := encodeConfig(g, embeddedKernel, "", "")
	if err != nil {
		return recipe{}, err
	}
	osrel, err := osRelease(g)
	if err != nil {
		return recipe{}, need(EntryInvalid, err)
	}
	r := recipe{base: bootFile{store: g.Spec.Xen.EFIPath}}
	r.sections = []section{
		{name: ".config", text: text},
		{name: ".osrel", text: osrel},
		// Not empty, so that systemd-boot keeps its editor away from the entry under
		// Secure Boot. Xen skips the first word as its own name.
		{name: ".cmdline", text: []byte("xen.efi")},
		{name: ".kernel", files: []bootFile{g.kernel}},
	}
	if len(g.initrds) > 0 {
		r.sections = append(r.sections, section{name: ".ramdisk", files: g.initrds})
	}
	if usesDevicetree(g) && !g.devicetree.missing() {
		if err := in.check(g.devicetree); err != nil {
			return recipe{}, need(PayloadMissing, err)
		}
		r.sections = append(r.sections, section{name: ".dtb", files: []bootFile{g.devicetree}})
	}
	return r, nil
}

// recipeSum is the identity of an image's content: of its inputs, of what is made from
// them, and of who signs.
func (in *inputs) recipeSum(ctx context.Context, r recipe, sign Signer) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	base, err := in.sum(ctx, r.base)
	if err != nil {
		return sum, need(XenMissing, err)
	}
	fmt.Fprintf(h, "%x\n", base.sum)
	for _, s := range r.sections {
		fmt.Fprintf(h, "%s %x", s.name, sha256.Sum256(s.text))
		for _, f := range s.files {
			c, err := in.sum(ctx, f)
			if err != nil {
				return sum, need(PayloadMissing, err)
			}
			fmt.Fprintf(h, " %x", c.sum)
		}
		fmt.Fprintln(h)
	}
	if sign != nil {
		fmt.Fprintf(h, "%x\n", sha256.Sum256(sign.Certificate().Raw))
	}
	h.Sum(sum[:0])
	return sum, nil
}

// osRelease is what systemd-boot makes the menu entry from: PRETTY_NAME is the title,
// VERSION_ID the version, ID the sort-key (os-release(5); Boot Loader Specification,
// "Type #2 EFI Unified Kernel Images").
func osRelease(g *Generation) ([]byte, error) {
	var b bytes.Buffer
	id := g.SortKey
	if id == "" {
		id = "nixos"
	}
	for _, kv := range [][2]string{
		{"ID", id},
		{"PRETTY_NAME", g.Title + titleSuffix},
		{"VERSION_ID", g.Version},
	} {
		for _, r := range kv[1] {
			if r < ' ' || r == 0x7f {
				return nil, fmt.Errorf("%s: %q holds a control byte", kv[0], kv[1])
			}
		}
		fmt.Fprintf(&b, "%s=\"%s\"\n", kv[0], escapeOSRelease(kv[1]))
	}
	return b.Bytes(), nil
}

// escapeOSRelease escapes what a shell would expand between double quotes.
func escapeOSRelease(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(s)
}
