package bootbuilder

import (
	"context"
	"fmt"
	"io"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
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
	if err := compareSections(ctx, i.reader, e, layout.Expected(spec, i.root)); err != nil {
		s.fault(wrong, fmt.Errorf("%s: %w", where, err))
	}
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
