package bootbuilder

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
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
	c, err := newInputs(nil, i.target.Boot).sum(ctx, bootFile{boot: e.image})
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

// examineConfig reads a xen.cfg as Xen does.
func (i *inspector) examineConfig(e *installed) error {
	where := e.configPath(i.target.Boot)
	cfg, err := xencfg.Decode(e.config, "")
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if _, ok := esp.InitParam(cfg.CmdLine); !ok {
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
		c, err := newInputs(nil, i.target.Boot).sum(ctx, bootFile{boot: ref})
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
	in := newInputs(i.root, i.target.Boot)
	pairs := map[string]string{spec.Kernel: e.cfg.Kernel}
	if spec.InitrdSecrets == "" {
		pairs[spec.Initrd] = e.cfg.Ramdisk
	}
	for store, name := range pairs {
		have, ok := fromConfig(name, e.image)
		copied, err := in.payloadName(store)
		if !ok || err != nil || !strings.EqualFold(path.Base(have), copied) {
			continue // under another name it may well hold something else
		}
		same, err := in.equal(ctx, have, bootFile{store: store})
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

// examinePartition looks at what no entry has to itself.
func (i *inspector) examinePartition() {
	r := i.result
	problem := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	for _, name := range i.stock.strange {
		problem("%s: has the name of a Xen entry of ours, but starts no Xen of ours", i.target.Boot.Path(name))
	}
	for _, value := range i.defaults {
		if err := i.examineDefault(value); err != nil {
			problem("%s: %v", i.target.ESP.Path(loaderConf), err)
		}
	}
	seen := make(map[string]*installed)
	for _, e := range i.stock.entries {
		other, twice := seen[strings.ToLower(e.id)]
		seen[strings.ToLower(e.id)] = e
		if !twice {
			continue
		}
		text := fmt.Sprintf("%s and %s are entries of the same generation", path.Base(other.file()), path.Base(e.file()))
		if other.layout == e.layout {
			r.Problems = append(r.Problems, text)
		} else {
			r.Notes = append(r.Notes, text) // what stays of a generation that can't be rebuilt
		}
	}
	used := make(map[string]bool)
	for _, e := range i.stock.entries {
		for _, ref := range e.refs {
			used[strings.ToLower(ref)] = true
		}
	}
	for _, name := range i.stock.payload {
		if !used[strings.ToLower(name)] {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: no Xen entry uses it", i.target.Boot.Path(name)))
		}
	}
	for _, l := range i.stock.staged {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: left by a run that was cut off", l.path()))
	}
}

// examineDefault looks whether what loader.conf starts is there, if it is a Xen entry.
func (i *inspector) examineDefault(value string) error {
	if _, _, ok := cutKind(value); !ok {
		return nil
	}
	for _, dir := range []string{entriesDir, unifiedDir} {
		list, err := i.target.Boot.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, d := range list {
			if esp.MatchPattern(value, d.Name()) || esp.MatchPattern(value, withoutCounter(d.Name())) {
				return nil
			}
		}
	}
	return fmt.Errorf("starts %s, which is not there", value)
}

func withoutCounter(file string) string {
	if name, ok := esp.ParseName(file); ok {
		return name.ID() + ".conf"
	}
	return file
}

// compareWithPlan finds what differs from what an install would write now: damage that
// still parses.
func (i *inspector) compareWithPlan(ctx context.Context, options InspectOptions) error {
	for _, lay := range i.layouts() {
		o := Options{Root: options.Root, Layout: lay, Default: DefaultKeep}
		if lay == LayoutUnified && i.cert != nil {
			o.Signer = certOnly{i.cert}
		}
		p, err := NewPlan(ctx, i.target, o)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			i.result.Problems = append(i.result.Problems, fmt.Sprintf("an install would fail: %v", err))
			continue
		}
		for _, b := range p.bundles {
			i.compareBundle(lay, b)
		}
		if err := p.Close(); err != nil {
			return err
		}
	}
	return nil
}

// layouts are those that are in use.
func (i *inspector) layouts() []Layout {
	var list []Layout
	for _, lay := range []Layout{LayoutShared, LayoutEmbedded, LayoutUnified} {
		for _, e := range i.stock.entries {
			if e.layout == lay {
				list = append(list, lay)
				break
			}
		}
	}
	return list
}

func (i *inspector) compareBundle(lay Layout, b *bundle) {
	for n, e := range i.stock.entries {
		status := &i.result.Entries[n]
		if e.layout != lay || !strings.EqualFold(e.id, b.gen.ID) || len(status.Problems) > 0 {
			continue
		}
		if e.layout == LayoutEmbedded && e.unsummed {
			i.result.Notes = append(i.result.Notes, fmt.Sprintf(
				"%s: made by nixpkgs' script; an install makes it anew", i.target.Boot.Path(e.image)))
			continue
		}
		for _, f := range b.all() {
			if f.exists && !f.current {
				status.Problems = append(status.Problems, fmt.Sprintf(
					"%s: is not what an install would write now", i.target.Boot.Path(f.name)))
			}
		}
	}
}

// certOnly stands for a signer whose key is not at hand: it tells which images are its own.
type certOnly struct{ cert *x509.Certificate }

func (c certOnly) Certificate() *x509.Certificate { return c.cert }

func (c certOnly) SignDigest([sha256.Size]byte) ([]byte, error) {
	return nil, errors.New("there is no key to sign with")
}
