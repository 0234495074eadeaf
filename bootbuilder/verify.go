package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/osrelease"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Verify reads every Xen entry as systemd-boot and Xen would, and says whether it can boot. With
// a root it also holds what is there against the store, and against what an install would
// write now; with a certificate, signatures.
func Verify(ctx context.Context, target Target, options InspectOptions) (*Inspection, error) {
	i, err := newInspector(target, options, withRoot)
	if err != nil {
		return nil, err
	}
	defer i.close()
	for _, e := range i.shown {
		s := i.status(e)
		if e.Broken == nil {
			i.examine(ctx, e, &s)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		i.result.Entries = append(i.result.Entries, s)
	}
	i.examinePartition()
	i.result.Counting = i.counting()
	if i.root != nil {
		if err := i.compareWithPlans(ctx); err != nil {
			return nil, err
		}
	}
	return i.result, nil
}

// examine looks closely at an entry whose files are all there.
func (i *inspector) examine(ctx context.Context, e installed.Entry, s *EntryStatus) {
	if e.Entry() != nil {
		s.fault(Broken, i.examineEntry(e))
	}
	s.fault(Broken, i.examineImage(ctx, e))
	s.fault(Broken, i.examineConfig(e))
	s.fault(Broken, i.examineRamdisk(ctx, e))
	if err := i.examineToplevel(e); err != nil {
		i.toplevelGone[e.File] = true
		s.fault(Broken, err)
	}
	if e.IsImage() {
		i.examineSigned(ctx, e, s)
	} else {
		err := i.examineStoreFiles(ctx, e)
		var d damaged
		if errors.As(err, &d) {
			i.damaged[e.File] = d.file
		}
		s.fault(Broken, err)
	}
}

// examineEntry looks at a type #1 entry as systemd-boot does.
func (i *inspector) examineEntry(e installed.Entry) error {
	where := e.FS.Path(e.File)
	for _, key := range []string{"linux", "uki"} {
		if _, ok := e.Entry().Get(key); ok {
			return fmt.Errorf("%s: has %s beside efi, which is invalid", where, key)
		}
	}
	if n := len(e.Entry().All("efi")); n > 1 {
		return fmt.Errorf("%s: has %d efi lines", where, n)
	}
	if e.Title == "" {
		return fmt.Errorf("%s: has no title", where)
	}
	if options := e.Entry().Options(); e.Layout == LayoutEmbedded && options != "" {
		return fmt.Errorf("%s: Xen would take %q for load options", where, options)
	}
	return nil
}

// examineImage reads the whole image: as a PE file, by its CheckSum, by the hash in its name.
func (i *inspector) examineImage(ctx context.Context, e installed.Entry) error {
	where := e.FS.Path(e.Image)
	if e.Layout == LayoutShared {
		return i.examineShared(ctx, e) // as it came; its CheckSum may never have been right
	}
	f, size, err := i.reader.Open(content.Source{Boot: e.Image})
	if err != nil {
		return err
	}
	defer f.Close()
	image, err := pe.Parse(f, size)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	set, right, err := image.CheckSum()
	if err != nil || set && !right {
		return errors.Join(err, fmt.Errorf("%s: is damaged: its CheckSum is wrong", where))
	}
	if e.IsImage() {
		if err := examineSections(image, e); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}

// examineShared holds an image against the hash that its name carries.
func (i *inspector) examineShared(ctx context.Context, e installed.Entry) error {
	c, err := i.reader.Sum(ctx, content.Source{Boot: e.Image})
	if err != nil {
		return err
	}
	if n, _ := bootname.Parse(e.Image); n.Hash != bootname.Short(n.Kind, c.Sum) {
		return fmt.Errorf("%s: is damaged: it does not hold what its name says", e.FS.Path(e.Image))
	}
	return nil
}

// pageSize is what the addresses of a kernel's and a ramdisk's sections have to be a
// multiple of: Xen hands them on as page numbers.
const pageSize = 4096

// examineSections looks at the sections that Xen and systemd-boot read.
func examineSections(image *pe.Image, e installed.Entry) error {
	for _, name := range []string{".config", ".kernel", ".osrel", ".cmdline", ".ramdisk"} {
		s, ok := image.Section(name)
		if !ok {
			if name == ".ramdisk" {
				continue
			}
			return fmt.Errorf("no section %s", name)
		}
		if s.VirtualSize == 0 || s.Size == 0 {
			return fmt.Errorf("section %s is empty", name)
		}
		if s.VirtualAddress%pageSize != 0 && (name == ".kernel" || name == ".ramdisk") {
			return fmt.Errorf("section %s is not at a page boundary", name)
		}
	}
	release := osrelease.Parse(e.Item.Image.Text(".osrel"))
	for _, key := range []string{"PRETTY_NAME", "VERSION_ID"} {
		if release[key] == "" {
			return fmt.Errorf(".osrel has no %s: systemd-boot would not list it", key)
		}
	}
	return nil
}

// examineConfig looks at what a xen.cfg says that Xen could read.
func (i *inspector) examineConfig(e installed.Entry) error {
	if _, ok := esp.InitParam(e.Cfg.CmdLine); !ok {
		return fmt.Errorf("%s: no init= on dom0's command line", e.ConfigPath())
	}
	if e.Layout == LayoutShared && !strings.HasSuffix(string(e.Config), "\n") {
		return fmt.Errorf("%s: no newline at its end, over which Xen 4.17 stumbles", e.ConfigPath())
	}
	return nil
}

// examineRamdisk holds a joined ramdisk against the hash that its name carries.
func (i *inspector) examineRamdisk(ctx context.Context, e installed.Entry) error {
	for _, ref := range e.Refs {
		n, ok := bootname.Parse(ref)
		if !ok || n.Kind != bootname.Ramdisk {
			continue
		}
		c, err := i.reader.Sum(ctx, content.Source{Boot: ref})
		if err != nil {
			return err
		}
		if n.Hash != bootname.Short(n.Kind, c.Sum) {
			return fmt.Errorf("%s: is damaged: it does not hold what its name says", e.FS.Path(ref))
		}
	}
	return nil
}

// examineToplevel looks whether dom0 will find its system.
func (i *inspector) examineToplevel(e installed.Entry) error {
	init, ok := esp.InitParam(e.Cfg.CmdLine)
	if i.root == nil || !ok {
		return nil
	}
	if _, err := i.root.Stat(init); err != nil {
		return fmt.Errorf("%s: the toplevel that it names is gone: %w", e.ConfigPath(), err)
	}
	return nil
}

// examineStoreFiles compares kernel and ramdisk with the store's, where they came from there
// as they are.
func (i *inspector) examineStoreFiles(ctx context.Context, e installed.Entry) error {
	spec := i.specOf(e)
	if spec == nil {
		return nil // what can't be compared is no problem of the entry's
	}
	pairs := map[string]string{spec.Kernel: e.Cfg.Kernel}
	if spec.InitrdSecrets == "" && spec.Initrd != "" {
		pairs[spec.Initrd] = e.Cfg.Ramdisk
	}
	for store, name := range pairs {
		have, ok := e.FromConfig(name)
		resolved, err := i.root.Resolve(store)
		if !ok || err != nil {
			continue
		}
		stem, err := bootname.FromStore(resolved)
		if err != nil || !strings.EqualFold(path.Base(have), stem+".efi") {
			continue // under another name it may well hold something else
		}
		same, err := i.reader.Equal(ctx, have, content.Source{Store: resolved})
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !same && i.hasSecrets(spec) {
			continue // older installers append secrets in place, and generations share an initrd
		}
		if err == nil && !same {
			err = damaged{have, fmt.Errorf("%s: is damaged: it differs from %s", e.FS.Path(have), i.root.Path(store))}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// damaged is a file that does not hold what it should, by its name on $BOOT.
type damaged struct {
	file string
	error
}

func (d damaged) Unwrap() error { return d.error }

// hasSecrets reports whether any generation appends secrets to the initrd of a bootspec.
func (i *inspector) hasSecrets(spec *bootspec.Document) bool {
	for _, p := range i.system.Places {
		if p.Spec != nil && p.Spec.InitrdSecrets != "" && p.Spec.Initrd == spec.Initrd {
			return true
		}
	}
	return false
}

// specOf is the bootspec of the toplevel that an entry starts, or nil.
func (i *inspector) specOf(e installed.Entry) *bootspec.Document {
	if i.system == nil {
		return nil
	}
	return i.system.Spec(e.Toplevel)
}
