package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// built is what a generation's files are, held against what is on $BOOT.
type built struct {
	layout.Files
	files []plannedFile // the entry last
}

// plannedFile is one file with what is known of it.
type plannedFile struct {
	layout.File
	state fileState
	size  int64 // in bytes, at most
}

// fileState says what is on $BOOT under a file's name.
type fileState int

const (
	missing fileState = iota
	differs           // something else, or a part of it
	same
)

// build makes the files of each generation that is in, and compares them with what is installed.
func build(
	ctx context.Context, reader *content.Reader, outcomes []outcome,
	inv *installed.Inventory, options Options, secrets *secrets,
) ([]outcome, []Warning, error) {
	b := builder{reader: reader, inv: inv, options: options, planned: make(map[esp.Key]earlier)}
	o := layout.Options{
		Layout: options.Layout, Certificate: options.Certificate, UnverifiedInitrds: options.SignUnverifiedInitrds,
		KeepDebug: options.KeepDebug,
		Installed: inv.Unified, Busy: inv.Busy,
	}
	switch {
	case options.Secrets == SecretsRun && options.DryRun:
		o.Pending = true
	case options.Secrets == SecretsRun:
		o.Secrets = func(ctx context.Context, g generation.Generation) (content.Source, error) {
			return secrets.run(ctx, reader, g)
		}
	}
	done := make([]outcome, 0, len(outcomes))
	var warnings []Warning
	unsigned := false // a machine that can't have the layout
	for _, out := range outcomes {
		if out.skip == nil {
			o := o
			if options.auto {
				o.Layout = layout.Possible(options.Layout, out.Spec.System)
			}
			o.Variant = out.variant
			if out.Link == "" {
				// What an entry on the ESP alone says is a generation: no program of it is run.
				o.Secrets, o.Pending = nil, false
			}
			unsigned = unsigned || o.Layout != options.Layout
			files, err := b.buildOne(ctx, out.Generation, o)
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			switch {
			case err != nil && !errors.As(err, &out.skip):
				out.skip = &generation.Skip{Reason: ImageInvalid, Err: err}
			case err == nil:
				out.files = files
				warnings = append(warnings, adviceOn(out)...)
			}
		}
		done = append(done, out)
	}
	if unsigned {
		warnings = append(warnings, Warning{Message: "on aarch64 only layout shared is possible, which is not signed: Secure Boot needs a change in Xen there (--layout shared ends this warning)"})
	}
	return done, warnings, nil
}

// adviceOn is what is to be said of a generation that is in.
func adviceOn(o outcome) []Warning {
	var list []Warning
	for _, text := range o.files.Advice {
		list = append(list, Warning{Generation: o.ID, Advice: true, Message: text})
	}
	if o.files.Unsecret {
		list = append(list, Warning{Generation: o.ID, Message: fmt.Sprintf(
			"%v: its initrd secrets are not appended (--run-initrd-secrets runs its program for that)", o.Generation)})
	}
	if o.files.Pending {
		list = append(list, Warning{Generation: o.ID, Advice: true, Message: fmt.Sprintf(
			"%v: its initrd secrets are appended when it is installed; a dry run runs nothing", o.Generation)})
	}
	return list
}

type builder struct {
	reader  *content.Reader
	inv     *installed.Inventory
	options Options
	planned map[esp.Key]earlier // what earlier generations plan, by name
}

// earlier is a file of an earlier generation: of one name and identity there is one file.
type earlier struct {
	identity string
	file     plannedFile
}

// buildOne makes one generation's files, all or none.
func (b *builder) buildOne(ctx context.Context, g generation.Generation, o layout.Options) (*built, error) {
	files, err := layout.Build(ctx, b.reader, g, o)
	if err != nil {
		return nil, err
	}
	all := files.All()
	out := &built{Files: files, files: make([]plannedFile, 0, len(all))}
	identities := make([]string, 0, len(all))
	for _, f := range all {
		identity, err := f.Content.Identity(ctx, b.reader)
		if err != nil {
			return nil, generation.Skipped(PayloadMissing, err)
		}
		if f.Kind == KindImage && f.ByContent && o.Layout == LayoutShared {
			identity = f.Name // two store paths may hold the same Xen
		}
		other, ok := b.planned[esp.KeyOf(f.Name)]
		if ok && other.identity != identity {
			return nil, generation.Skipped(Collision, fmt.Errorf("%s would have to hold two different contents", b.inv.Boot.Path(f.Name)))
		}
		p := other.file
		if !ok {
			if p, err = b.compare(ctx, f, files.Pending); err != nil {
				return nil, err
			}
		}
		out.files = append(out.files, p)
		identities = append(identities, identity)
	}
	for i, p := range out.files {
		b.planned[esp.KeyOf(p.Name)] = earlier{identities[i], p}
	}
	return out, nil
}

// errHandWritten is of a file that has a name of ours, but starts something else.
var errHandWritten = errors.New("a hand-written entry has this name")

// compare decides whether a file has to be written.
func (b *builder) compare(ctx context.Context, f layout.File, pending bool) (plannedFile, error) {
	p := plannedFile{File: f}
	if text, ok := f.Content.(content.Text); ok {
		if have := b.inv.Text(f.Name); have != nil && text.Is(have) {
			p.state, p.size = same, int64(len(have))
			return p, nil
		}
	}
	boot := b.inv.Boot
	info, err := boot.Stat(f.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Name rules belong to the file system: a name that it can't hold is one generation's fault, and no
		// reason for a run to end in the middle.
		if c, ok := boot.(interface{ CheckName(base string) error }); ok {
			if err := c.CheckName(f.Name[len(dirOf(f.Name))+1:]); err != nil {
				return p, generation.Skipped(BadParameter, &fs.PathError{Op: "create", Path: boot.Path(f.Name), Err: err})
			}
		}
	case err != nil:
		return p, generation.Skipped(PayloadMissing, err)
	case !info.Mode().IsRegular():
		return p, generation.Skipped(Collision, &fs.PathError{Op: "write", Path: boot.Path(f.Name), Err: esp.ErrNotRegular})
	case b.inv.HandWritten(f.Name):
		return p, generation.Skipped(Collision, fmt.Errorf("%s: %w", boot.Path(f.Name), errHandWritten))
	case f.Kind == KindEntry && info.Size() > esp.MaxEntrySize:
		return p, generation.Skipped(Collision, &fs.PathError{Op: "replace", Path: boot.Path(f.Name), Err: esp.ErrTooLarge})
	case info.Size() == 0:
		p.state = differs // what is left of a write that was cut off
	case dirOf(f.Name) == bootname.Unified && b.looksRight(f, pending):
		// The name says what is inside, and an image is complete before it is an entry: no byte of
		// kernel and ramdisk has to be read. What was damaged later is for verify to find.
		p.state = same
	default:
		right, err := f.Content.Same(ctx, b.reader, f.Name)
		if err != nil {
			return p, generation.Skipped(PayloadMissing, err)
		}
		if p.state = differs; right {
			p.state = same
		}
	}
	if p.state == same {
		p.size = info.Size()
		return p, nil
	}
	if p.size, err = f.Content.Size(b.reader); err != nil {
		return p, generation.Skipped(PayloadMissing, err)
	}
	return p, nil
}

// looksRight reports whether an installed image is what its name says, by all that is cheap to read. In a
// dry run the ramdisk of one with secrets is not known.
func (b *builder) looksRight(f layout.File, pending bool) bool {
	image, ok := f.Content.(content.Image)
	return ok && b.inv.Working(f.Name) && (pending || image.Looks(b.reader, f.Name))
}
