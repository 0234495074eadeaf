package bootbuilder

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

// examineSigned holds a unified image against the certificate and the store. One that is signed
// and holds something else than the system does is forged; one that is not signed, broken.
func (i *inspector) examineSigned(ctx context.Context, e installed.Entry, s *EntryStatus) {
	where := e.FS.Path(e.Image)
	wrong := Broken
	if i.options.Certificate != nil {
		if err := i.reader.SignedBy(e.Image, i.options.Certificate); err != nil {
			s.fault(Broken, fmt.Errorf("%s: signature: %w", where, err))
			return
		}
		wrong = Forged
	}
	if i.root == nil {
		return
	}
	spec := i.specOf(e)
	if spec == nil {
		spec = i.system.Former(e.Toplevel) // gone from the profiles: compareWithPlan says so
	}
	if spec == nil && i.system.Collected(e.Toplevel) {
		return // nothing is left to compare it with; that it can't boot is said already
	}
	if spec == nil {
		s.fault(wrong, fmt.Errorf("%s: starts %s, which is not a system of %s", where, e.Toplevel, i.root.Dir()))
		return
	}
	if s.Variant != "" && spec.Xen != nil {
		spec = asVariant(spec, e.Cfg.Options)
	}
	want := layout.Expected(spec, i.root)
	if err := compareSections(ctx, i.reader, e, want); err != nil {
		s.fault(wrong, fmt.Errorf("%s: %w", where, err))
	} else {
		s.Unchecked = i.unchecked(e, want)
	}
}

// asVariant is a bootspec with the further parameters that a variant's xen.cfg has for Xen: a variant may add some, and
// only who installs knows which. All else of it is the generation's; a variant with another Xen can't be
// told from a forged one.
func asVariant(spec *bootspec.Document, options string) *bootspec.Document {
	more, ok := strings.CutPrefix(options, strings.Join(spec.Xen.Params, " "))
	if !ok {
		return spec
	}
	variant, xen := *spec, *spec.Xen
	xen.Params = append(slices.Clone(xen.Params), strings.Fields(more)...)
	variant.Xen = &xen
	return &variant
}

// unchecked is how many bytes of a signed ramdisk follow what the store has of it, and nothing says what they
// should be: secrets, for which no stub of the same certificate vouches.
func (i *inspector) unchecked(e installed.Entry, want layout.Parts) int64 {
	if !want.MayGrow || i.options.Certificate == nil {
		return 0
	}
	size, err := i.reader.Size(want.Ramdisk)
	if err != nil || e.Item.Image.Ramdisk == size || i.vouched(e) {
		return 0
	}
	return e.Item.Image.Ramdisk - size
}

// vouched reports whether a stub of the same certificate vouches for an image's ramdisk.
func (i *inspector) vouched(e installed.Entry) bool {
	g := i.generationOf(e.Toplevel)
	if g == nil {
		return false
	}
	for _, s := range g.Selectors {
		if !s.Stub {
			continue
		}
		stub, err := i.reader.ReadSigned(s.File, i.options.Certificate)
		if err != nil {
			continue
		}
		if _, sum, err := s.Vouches(stub); err == nil && i.reader.SectionSum(e.Image, ".ramdisk") == sum {
			return true
		}
	}
	return false
}

// compareSections compares what an image was made of with the store.
func compareSections(ctx context.Context, r *content.Reader, e installed.Entry, want layout.Parts) error {
	f, size, err := r.Open(content.Source{Boot: e.Image})
	if err != nil {
		return err
	}
	defer f.Close()
	image, err := pe.Parse(f, size)
	if err != nil {
		return err
	}
	if want.Err != nil {
		return fmt.Errorf("can't be compared with the store: %w", want.Err)
	}
	if string(want.Config) != string(e.Config) {
		return fmt.Errorf(".config is not what its bootspec says")
	}
	if e.Item.Image.Text(".cmdline") != layout.LoadOptions {
		return fmt.Errorf(".cmdline is not %q: Xen would take it for load options", layout.LoadOptions)
	}
	for name, source := range map[string]content.Source{".kernel": want.Kernel, ".ramdisk": want.Ramdisk, ".dtb": want.Devicetree} {
		section, ok := image.Section(name)
		if ok == source.None() {
			return fmt.Errorf("%s is not what its bootspec says", name)
		}
		if !ok {
			continue
		}
		prefix := name == ".ramdisk" && want.MayGrow
		if err := r.Compare(ctx, image.Open(section), int64(section.VirtualSize), source, prefix); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return compareBase(ctx, r, image, f, size, want.Xen)
}

// compareBase puts the image together once more, of the store's Xen and the sections that the image has: what
// comes out has to be the image.
func compareBase(ctx context.Context, r *content.Reader, image *pe.Image, f io.ReaderAt, size int64, xen content.Source) error {
	var add []pe.NewSection
	for _, name := range []string{".config", ".osrel", ".cmdline", ".kernel", ".ramdisk", ".dtb"} {
		if s, ok := image.Section(name); ok {
			add = append(add, pe.NewSection{Name: name, Data: image.Open(s), Size: int64(s.VirtualSize)})
		}
	}
	same, err := r.Rebuilt(ctx, xen, add, f, size)
	if err == nil && !same {
		err = fmt.Errorf("the image is not made of %s", r.Path(xen))
	}
	return err
}
