package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
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
	want := layout.Expected(spec, i.root)
	err := compareSections(ctx, i.reader, e, want)
	if err != nil && s.Variant != "" && spec.Xen != nil {
		err = i.compareVariant(ctx, e, spec)
	}
	if err != nil {
		s.fault(wrong, fmt.Errorf("%s: %w", where, err))
	} else {
		s.Unchecked = i.unchecked(e, want)
	}
}

// compareVariant holds an extra entry's image against the store: it may have further parameters for Xen, and any Xen
// of the store, which nobody but the system's owner fills. All else of it is the generation's.
func (i *inspector) compareVariant(ctx context.Context, e installed.Entry, spec *bootspec.Document) error {
	spec = withParams(spec, e.Cfg.Options)
	err := compareSections(ctx, i.reader, e, layout.Expected(spec, i.root))
	if !errors.As(err, new(otherXen)) {
		return err
	}
	for _, file := range i.xens(path.Dir(spec.Toplevel)) {
		resolved, rerr := i.root.Resolve(file)
		if rerr != nil || i.system.CheckPath(spec.Toplevel, file) != nil {
			continue
		}
		if i.compareXen(ctx, e, content.Source{Store: resolved}) == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return err
}

// withParams is a bootspec with the further parameters that a variant's xen.cfg has for Xen.
func withParams(spec *bootspec.Document, options string) *bootspec.Document {
	more, ok := strings.CutPrefix(options, strings.Join(spec.Xen.Params, " "))
	if !ok {
		return spec
	}
	variant, xen := *spec, *spec.Xen
	xen.Params = append(slices.Clone(xen.Params), strings.Fields(more)...)
	variant.Xen = &xen
	return &variant
}

// compareXen puts an entry's image together of a Xen of the store.
func (i *inspector) compareXen(ctx context.Context, e installed.Entry, xen content.Source) error {
	f, size, image, err := openInstalled(i.reader, e)
	if err != nil {
		return err
	}
	defer f.Close()
	return compareBase(ctx, i.reader, image, f, size, xen)
}

// xens are the images of Xen that somebody names, and those that look like one in the store: nixpkgs' Xen has its image in
// a directory boot.
func (i *inspector) xens(store string) []string {
	var list []string
	for _, v := range i.options.Variants {
		list = append(list, v.Xen)
	}
	for _, p := range i.system.Places {
		if p.Spec != nil && p.Spec.Xen != nil {
			list = append(list, p.Spec.Xen.EFIPath)
		}
	}
	names, _ := i.root.ReadDir(store)
	for _, name := range names {
		if !strings.Contains(name, "xen") {
			continue
		}
		for _, dir := range []string{path.Join(store, name), path.Join(store, name, "boot")} {
			files, _ := i.root.ReadDir(dir)
			for _, file := range files {
				if strings.HasSuffix(file, ".efi") {
					list = append(list, path.Join(dir, file))
				}
			}
		}
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(file string) bool { return file == "" })
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
	g := i.generationOf(e.Toplevel, e.File)
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

// openInstalled opens an entry's image and reads its headers.
func openInstalled(r *content.Reader, e installed.Entry) (f content.Opened, size int64, image *pe.Image, err error) {
	if f, size, err = r.Open(content.Source{Boot: e.Image}); err != nil {
		return nil, 0, nil, err
	}
	if image, err = pe.Parse(f, size); err != nil {
		f.Close()
		return nil, 0, nil, err
	}
	return f, size, image, nil
}

// compareSections compares what an image was made of with the store.
func compareSections(ctx context.Context, r *content.Reader, e installed.Entry, want layout.Parts) error {
	f, size, image, err := openInstalled(r, e)
	if err != nil {
		return err
	}
	defer f.Close()
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
		err = otherXen{r.Path(xen)}
	}
	return err
}

// otherXen is of an image that is right but for the Xen that it is made of.
type otherXen struct{ file string }

func (o otherXen) Error() string { return "the image is not made of " + o.file }
