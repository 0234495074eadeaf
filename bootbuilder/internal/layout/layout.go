package layout

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Layout is how a generation is laid out on $BOOT.
type Layout string

// The layouts.
const (
	Auto     Layout = "auto"     // unified with a certificate, else shared
	Shared   Layout = "shared"   // one Xen image for many generations, a xen.cfg each
	Embedded Layout = "embedded" // xen.cfg inside an image for each generation, as nixpkgs' script
	Unified  Layout = "unified"  // everything inside one image, a type #2 entry
)

// FileKind says what a file on $BOOT is for.
type FileKind string

// The kinds, in the order in which they are written.
const (
	Kernel     FileKind = "kernel"
	Ramdisk    FileKind = "ramdisk"
	Devicetree FileKind = "devicetree"
	Extra      FileKind = "extra" // microcode or a security policy, of a variant
	Image      FileKind = "image"
	Config     FileKind = "config"
	Entry      FileKind = "entry"
)

// File is one file that $BOOT shall hold.
type File struct {
	Name    string
	Kind    FileKind
	Content content.Content
	// ByContent says that the name tells what is inside: a file of that name that an entry
	// names already is right.
	ByContent bool
}

// Files are everything that one generation needs on $BOOT in order to boot.
type Files struct {
	EntryID    string // what loader.conf calls it, without a boot counter
	Image      string // name of the Xen image
	Config     []byte // xen.cfg
	EntryText  []byte // of the type #1 entry; nil for a type #2 image
	XenVersion string // "" where unknown
	Payload    []File
	Entry      *File    // nil where the image itself is the entry (type #2)
	Needs      []string // what others put on $BOOT and the entry relies on: kernel, initrd
	Advice     []string // what Xen or systemd-boot will do with it that one might not expect
	// Unsecret says that its initrd lacks its secrets: the program that appends them may not be run.
	Unsecret bool
	// Pending says that the ramdisk can't be known before the run: a dry run runs nothing.
	Pending bool
}

// All lists the files, the entry last.
func (f Files) All() []File {
	if f.Entry == nil {
		return f.Payload
	}
	return append(append([]File(nil), f.Payload...), *f.Entry)
}

// Variant is another way to start a generation.
type Variant struct {
	Name       string
	Ucode, XSM string // paths in the store, "" for none
}

// suffix is what the title of an entry gets: nixpkgs' script appends the first.
func (v Variant) suffix() string {
	if v.Name == "" {
		return " (with Xen Hypervisor)"
	}
	return " (with Xen Hypervisor, " + v.Name + ")"
}

// Options say how to build.
type Options struct {
	Layout      Layout
	Certificate *x509.Certificate // of who signs unified images; nil: unsigned
	// UnverifiedInitrds lets initrds be signed that lie on the ESP by definition and that
	// nothing vouches for.
	UnverifiedInitrds bool
	// KeepDebug keeps Xen's debug sections, which no loader reads.
	KeepDebug bool
	// Variant is of an extra entry; empty for the generation's own.
	Variant Variant
	// Secrets runs a generation's own program on its initrd; nil where that is not allowed.
	Secrets func(context.Context, generation.Generation) (content.Source, error)
	// Pending says that Secrets would be run if this were not a dry run.
	Pending bool
	// Installed is the file of a unified image that is there, whatever its boot counter
	// says; "" for none.
	Installed func(id, hash string) string
	// Busy reports whether a working entry names a program, or did until a run made it blank that was cut off.
	Busy func(name string) bool
}

// Build makes one generation's files, all or none. What it can't be made for is a
// [generation.Skip].
func Build(ctx context.Context, r *content.Reader, g generation.Generation, o Options) (Files, error) {
	b := builder{r: r, g: g, o: o, files: Files{XenVersion: xenVersion(g)}}
	var err error
	if b.xen.Store, err = r.Resolve(g.Spec.Xen.EFIPath); err != nil {
		return Files{}, generation.Skipped(generation.XenMissing, err)
	}
	if machine, err := r.Machine(b.xen); o.Layout != Shared && err == nil && machine == pe.ARM64 {
		return Files{}, generation.Skipped(generation.ImageInvalid, fmt.Errorf(
			"on aarch64 Xen has its code right behind its headers and takes no section: only layout shared is possible, and Secure Boot needs a change in Xen"))
	}
	switch o.Layout {
	case Embedded:
		err = b.embedded(ctx)
	case Unified:
		err = b.unified(ctx)
	default:
		err = b.shared(ctx)
	}
	if err != nil {
		return Files{}, err
	}
	b.advise()
	return b.files, nil
}

// Possible is the layout that a machine can have, where another was not asked for by name.
func Possible(l Layout, system string) Layout {
	if strings.HasPrefix(system, armPrefix) {
		return Shared
	}
	return l
}

// armPrefix starts Nix' name of the platform.
const armPrefix = "aarch64-"

func (b *builder) isARM() bool { return strings.HasPrefix(b.g.Spec.System, armPrefix) }

// builder makes the files of one generation.
type builder struct {
	r     *content.Reader
	g     generation.Generation
	o     Options
	xen   content.Source
	files Files
}

func (b *builder) advice(format string, args ...any) {
	b.files.Advice = append(b.files.Advice, fmt.Sprintf("%v: ", b.g)+fmt.Sprintf(format, args...))
}

// advise warns of what Xen or systemd-boot will do with it.
func (b *builder) advise() {
	if cfg, err := xencfg.Decode(b.files.Config, ""); err == nil {
		arch := xencfg.X86
		if b.isARM() {
			arch = xencfg.ARM
		}
		for _, w := range xencfg.Warnings(cfg, arch) {
			b.advice("%v", w)
		}
	}
	machine, known := map[string]pe.Machine{"x86_64-linux": pe.AMD64, "aarch64-linux": pe.ARM64}[b.g.Spec.System]
	if have, err := b.r.Machine(b.xen); err == nil && known && have != machine {
		b.advice("its Xen image is for %v, its system is %s", have, b.g.Spec.System)
	}
	if b.g.Spec.SystemdBoot.Devicetree != "" && !b.usesDevicetree() {
		b.advice("its devicetree is left out: Xen on %s takes none", b.g.Spec.System)
	}
}

// sector is what FAT writes at once: an entry that is a whole number of sectors long can be
// overwritten in place.
const sector = 512

// padded ends a text with newlines up to a whole number of sectors. systemd-boot and bootctl ignore
// blank lines.
func padded(text []byte) []byte {
	for len(text)%sector != 0 {
		text = append(text, '\n')
	}
	return text
}

// entry makes the type #1 entry. The keys stand in the order of nixpkgs' script.
func (b *builder) entry(options string) error {
	d := b.g.Menu()
	e := &esp.Entry{}
	e.Add("title", d.Title+b.o.Variant.suffix())
	e.Add("version", d.Version)
	e.Add("efi", "/"+b.files.Image)
	if options != "" {
		e.Add("options", options)
	}
	if d.MachineID != "" {
		e.Add("machine-id", d.MachineID)
	}
	if d.SortKey != "" {
		e.Add("sort-key", d.SortKey)
	}
	text, err := e.Encode()
	if err != nil {
		return generation.Skipped(generation.EntryInvalid, err)
	}
	text = padded(text)
	b.files.EntryText = text
	b.files.EntryID = b.g.ID + ".conf"
	b.files.Entry = &File{Name: bootname.Entry(b.g.ID), Kind: Entry, Content: content.Text(text)}
	return nil
}
