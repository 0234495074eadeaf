package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// examine looks closely at an entry whose files are all there.
func (i *inspector) examine(ctx context.Context, e *installed) ([]string, error) {
	var problems []string
	add := func(err error) {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	if e.parsed != nil {
		add(i.examineEntry(e))
	}
	add(i.examineImage(ctx, e))
	add(i.examineConfig(e))
	add(i.examineRamdisk(ctx, e))
	add(i.examineToplevel(e))
	if e.layout != LayoutUnified {
		add(i.examineStoreFiles(ctx, e))
	}
	return problems, ctx.Err()
}

// examineEntry looks at a type #1 entry as systemd-boot does.
func (i *inspector) examineEntry(e *installed) error {
	where := i.target.Boot.Path(e.entry)
	for _, key := range []string{"linux", "uki"} {
		if _, ok := e.parsed.Get(key); ok {
			return fmt.Errorf("%s: has %s beside efi, which is invalid", where, key)
		}
	}
	if n := len(e.parsed.All("efi")); n > 1 {
		return fmt.Errorf("%s: has %d efi lines", where, n)
	}
	if name, _ := esp.ParseName(path.Base(e.entry)); name.Tries != nil {
		return fmt.Errorf("%s: has a boot counter, which systemd-boot never counts down for Xen", where)
	}
	if title, _ := e.parsed.Get("title"); title == "" {
		return fmt.Errorf("%s: has no title", where)
	}
	if options := e.parsed.Options(); e.layout == LayoutEmbedded && options != "" {
		return fmt.Errorf("%s: Xen would take %q for load options", where, options)
	}
	return nil
}

// examineImage reads the whole image: as a PE file, by its CheckSum, by the hash in its name,
// by its signature.
func (i *inspector) examineImage(ctx context.Context, e *installed) error {
	where := i.target.Boot.Path(e.image)
	f, image, err := openPE(i.target.Boot, e.image)
	if err != nil {
		return err
	}
	defer f.Close()
	if e.layout == LayoutShared {
		return i.examineShared(ctx, e) // as it came; its CheckSum may never have been right
	}
	set, right, err := image.CheckSum()
	e.unsummed = !set
	if err != nil || set && !right {
		return errors.Join(err, fmt.Errorf("%s: is damaged: its CheckSum is wrong", where))
	}
	if e.layout == LayoutUnified {
		if err := examineSections(image); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		return i.examineSignature(f, image, where)
	}
	return nil
}

// examineShared holds an image against the hash that its name carries.
func (i *inspector) examineShared(ctx context.Context, e *installed) error {
	c, err := i.in.sum(ctx, bootFile{boot: e.image})
	if err != nil {
		return err
	}
	if !strings.HasSuffix(strings.ToLower(e.image), c.short()+".efi") {
		return fmt.Errorf("%s: is damaged: it does not hold what its name says", i.target.Boot.Path(e.image))
	}
	return nil
}

// pageSize is what the addresses of a kernel's and a ramdisk's sections have to be a
// multiple of: Xen hands them on as page numbers.
const pageSize = 4096

// examineSections looks at the sections that Xen and systemd-boot read.
func examineSections(image *pe.Image) error {
	for _, name := range []string{".config", ".kernel", ".osrel", ".ramdisk"} {
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
		if s.VirtualAddress%pageSize != 0 && name != ".config" && name != ".osrel" {
			return fmt.Errorf("section %s is not at a page boundary", name)
		}
	}
	text, err := sectionBytes(image, ".osrel")
	if err != nil {
		return err
	}
	release := parseOSRelease(string(text))
	for _, key := range []string{"PRETTY_NAME", "VERSION_ID"} {
		if release[key] == "" {
			return fmt.Errorf(".osrel has no %s: systemd-boot would not list it", key)
		}
	}
	return nil
}

func (i *inspector) examineSignature(f esp.File, image *pe.Image, where string) error {
	if i.cert == nil {
		return nil
	}
	info, err := f.Stat()
	if err == nil {
		err = secureboot.Verify(f, info.Size(), i.cert)
	}
	if err != nil {
		return fmt.Errorf("%s: signature: %w", where, err)
	}
	return nil
}

// examineConfig looks at what a xen.cfg says that Xen could read.
func (i *inspector) examineConfig(e *installed) error {
	where := e.configPath(i.target.Boot)
	if _, ok := esp.InitParam(e.cfg.CmdLine); !ok {
		return fmt.Errorf("%s: no init= on dom0's command line", where)
	}
	if e.layout == LayoutShared && !strings.HasSuffix(string(e.config), "\n") {
		return fmt.Errorf("%s: no newline at its end, over which Xen 4.17 stumbles", where)
	}
	return nil
}

// examineRamdisk holds a joined ramdisk against the hash that its name carries.
func (i *inspector) examineRamdisk(ctx context.Context, e *installed) error {
	for _, ref := range e.refs {
		if !ourInitrd.MatchString(path.Base(ref)) {
			continue
		}
		c, err := i.in.sum(ctx, bootFile{boot: ref})
		if err != nil {
			return err
		}
		if !strings.EqualFold(path.Base(ref), ramdiskName(c.sum)) {
			return fmt.Errorf("%s: is damaged: it does not hold what its name says", i.target.Boot.Path(ref))
		}
	}
	return nil
}

// examineToplevel looks whether dom0 will find its system.
func (i *inspector) examineToplevel(e *installed) error {
	init, ok := esp.InitParam(e.cfg.CmdLine)
	if i.root == nil || !ok {
		return nil
	}
	if _, err := i.root.Stat(init); err != nil {
		return fmt.Errorf("%s: the toplevel that it names is gone: %w", e.configPath(i.target.Boot), err)
	}
	return nil
}

// examineStoreFiles compares kernel and ramdisk with the store's, where they came from there
// as they are.
func (i *inspector) examineStoreFiles(ctx context.Context, e *installed) error {
	init, ok := esp.InitParam(e.cfg.CmdLine)
	if i.root == nil || !ok {
		return nil
	}
	text, err := readRootFile(i.root, path.Join(path.Dir(init), "boot.json"), bootspec.MaxSize)
	if err != nil {
		return nil // what can't be compared is no problem of the entry's
	}
	spec, err := bootspec.Parse(text)
	if err != nil {
		return nil
	}
	pairs := map[string]string{spec.Kernel: e.cfg.Kernel}
	if spec.InitrdSecrets == "" {
		pairs[spec.Initrd] = e.cfg.Ramdisk
	}
	for store, name := range pairs {
		have, ok := fromConfig(name, e.image)
		copied, err := i.in.payloadName(store)
		if !ok || err != nil || !strings.EqualFold(path.Base(have), copied) {
			continue // under another name it may well hold something else
		}
		same, err := i.in.equal(ctx, have, bootFile{store: store})
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !same {
			return fmt.Errorf("%s: is damaged: it differs from %s", i.target.Boot.Path(have), i.root.Path(store))
		}
	}
	return nil
}
