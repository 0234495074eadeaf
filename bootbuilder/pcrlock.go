package bootbuilder

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pcrlock"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// PCRLock keeps systemd-pcrlock components beside unified images: one for each image, as
// "systemd-pcrlock lock-pe" writes it, for as long as the image is on any of the ESPs. It differs where an
// image is not signed and its length not a multiple of 8: the firmware measures what lies in the file,
// lock-pe adds zeros.
//
// A machine starts one image of many, and its TPM policy has to allow each: to systemd-pcrlock
// they are variants of one component, files of one directory (systemd.pcrlock(5)). NixOS' own entries
// are alternatives to ours in the same sense, and a component that the booted system has not
// measured takes PCR 4 out of the policy. Therefore ours go into the directory of Lanzaboote's stubs
// where there is one, else into the one that the manual page has for kernels.
//
// What else the firmware and systemd-boot measure is for others to lock: systemd-boot itself
// (PCR 4), loader.conf (PCR 5), Secure Boot's keys (PCR 7). Nobody measures PCR 9 or 11 here:
// neither the kernel's EFI stub nor systemd-stub runs below Xen.
type PCRLock struct {
	dir         esp.FS
	unlock      func()
	directory   string
	directories []string // where components of ours may lie
	// images are the components of images that stand, in lower case.
	images map[esp.Key]bool
}

// The directories of components whose variants ours can be.
const (
	lanzabooteComponent = "635-lanzaboote" + pcrlock.DirectorySuffix
	kernelComponent     = "650-kernel" + pcrlock.DirectorySuffix
)

// maxVariants is how many values of one PCR systemd-pcrlock can make a policy of
// (systemd issue 41526).
const maxVariants = 8

// maxComponent bounds what is read of a component, in bytes; one has 494.
const maxComponent = 4 << 10

// isComponent reports whether a name is that of a component of ours.
func isComponent(base string) bool {
	stem, ok := strings.CutSuffix(strings.ToLower(base), pcrlock.Suffix)
	return ok && isUnified(stem+".efi")
}

// OpenPCRLock keeps other runs off a pcrlock.d directory until [PCRLock.Close]. A directory NNN-NAME.pcrlock.d
// is taken for the component's own.
func OpenPCRLock(ctx context.Context, dir esp.FS) (*PCRLock, error) {
	l := &PCRLock{dir: dir, directory: kernelComponent, images: make(map[esp.Key]bool)}
	l.directories = []string{lanzabooteComponent, kernelComponent}
	if strings.HasSuffix(path.Base(dir.Path(".")), pcrlock.DirectorySuffix) {
		l.directory, l.directories = ".", []string{"."}
	} else if _, err := dir.Stat(lanzabooteComponent); err == nil {
		l.directory = lanzabooteComponent
	}
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	var err error
	if l.unlock, err = dir.Lock(waiting); err != nil {
		return nil, lockHint(err)
	}
	return l, nil
}

// Close lets go of the directory.
func (l *PCRLock) Close() { l.unlock() }

// Add writes the components of a plan's unified images once it is applied, but for those that
// are there already. A policy can only be made after that: until then no image is in it, and
// a crash in between is made good by the next run.
func (l *PCRLock) Add(ctx context.Context, p *Plan, done *Record) error {
	list, err := p.target.Boot.ReadDir(bootname.Unified)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, d := range list {
		if isUnified(d.Name()) {
			l.images[esp.KeyOf(componentName(d.Name()))] = true
		}
	}
	var failed []error
	added := false
	for _, image := range p.lockables() {
		if err := ctx.Err(); err != nil {
			return err
		}
		component := path.Join(l.directory, componentName(image.name))
		wrote := done != nil && done.done.HasWritten(transaction.Place{FS: p.target.Boot, Name: image.name})
		if !l.stands(componentName(image.name)) || !wrote && l.whole(component) {
			continue
		}
		if err := l.write(ctx, p, image, component); err != nil {
			failed = append(failed, fmt.Errorf("lock %s: %w", p.target.Boot.Path(image.name), err))
			continue
		}
		added = true
	}
	if added {
		failed = append(failed, l.dir.SyncDir(l.directory))
	}
	return errors.Join(failed...)
}

// Advice says what a plan's images lack that a component needs.
func (l *PCRLock) Advice(p *Plan) []Warning {
	if p.options.Layout == LayoutUnified || p.removal {
		return nil
	}
	return []Warning{{Advice: true, Message: fmt.Sprintf(
		"%s gets no component: only unified images have kernel and ramdisk in what the firmware measures", l.dir.Path(l.directory))}}
}

func isUnified(base string) bool {
	n, ok := bootname.Parse(path.Join(bootname.Unified, base))
	return ok && n.Kind == bootname.UnifiedImage
}

// componentName is what the component of an image is called.
func componentName(image string) string {
	base := path.Base(image)
	return strings.TrimSuffix(base, path.Ext(base)) + pcrlock.Suffix
}

// lockable is an image of a plan that is an entry itself.
type lockable struct {
	name  string
	vouch func(ctx context.Context, r *content.Reader, digest [sha256.Size]byte) error
}

// lockables are the plan's images that are entries themselves. Each comes with what has to be true
// of it: that it is, byte for byte, what this run makes of the store; for one that is kept, that the
// store has what is inside and its signature is right. Who can write the ESP can put another one
// under its name, and what has a component opens the disk.
func (p *Plan) lockables() []lockable {
	var list []lockable
	for _, o := range p.outcomes {
		if o.files == nil || o.files.Entry != nil {
			continue
		}
		for _, f := range o.files.files {
			if image, ok := f.Content.(content.Image); ok {
				list = append(list, lockable{name: f.Name, vouch: planned(image)})
			}
		}
	}
	for _, e := range p.verdict.kept {
		if e.IsImage() && e.FS == p.target.Boot {
			list = append(list, lockable{name: e.Image, vouch: p.kept(e)})
		}
	}
	return list
}

// planned wants an image to be what the plan says.
func planned(image content.Image) func(context.Context, *content.Reader, [sha256.Size]byte) error {
	return func(ctx context.Context, r *content.Reader, digest [sha256.Size]byte) error {
		want, err := image.Digest(ctx, r)
		if err == nil && want != digest {
			err = errNotOurs
		}
		return err
	}
}

var errNotOurs = errors.New("it is not what this run would write")

// kept wants an image to be made of the store, and signed where images are.
func (p *Plan) kept(e installed.Entry) func(context.Context, *content.Reader, [sha256.Size]byte) error {
	return func(ctx context.Context, r *content.Reader, digest [sha256.Size]byte) error {
		for _, o := range p.outcomes {
			if o.Spec != nil && isEntryOf(e, o.Generation) {
				return compareSections(ctx, r, e, layout.Expected(o.Spec, p.resources.root))
			}
		}
		return errors.New("nothing says what it should hold: its generation has no bootspec")
	}
}

// stands reports whether a component's image was seen.
func (l *PCRLock) stands(component string) bool { return l.images[esp.KeyOf(component)] }

// whole reports whether a component is there already.
func (l *PCRLock) whole(component string) bool {
	text, err := esp.ReadFile(l.dir, component, maxComponent)
	return err == nil && pcrlock.Check(text) == nil
}

// write makes the component of an image that is there, if it is what it should be.
func (l *PCRLock) write(ctx context.Context, p *Plan, image lockable, component string) error {
	f, err := p.target.Boot.Open(image.name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	digests := pcrlock.NewDigests()
	if err := pe.Measure(f, info.Size(), digests.Hashes()...); err != nil {
		return err
	}
	// What was measured is what is judged: nothing is read a second time for that.
	if err := image.vouch(ctx, p.reader, digests.SHA256()); err != nil {
		return err
	}
	if err := verifyMeasured(f, info.Size(), digests.SHA256(), p.options.Certificate); err != nil {
		return err
	}
	text, err := digests.Encode()
	if err != nil {
		return err
	}
	if err := esp.MkdirAll(l.dir, l.directory); err != nil {
		return err
	}
	return esp.WriteBytes(l.dir, component, text)
}

// verifyMeasured verifies an image's signature for what was measured; without a certificate there is none.
func verifyMeasured(f io.ReaderAt, size int64, digest [sha256.Size]byte, cert *x509.Certificate) error {
	if cert == nil {
		return nil
	}
	image, err := pe.Parse(f, size)
	if err != nil {
		return err
	}
	table, err := image.Certificates()
	if err != nil {
		return err
	}
	verifier, err := secureboot.NewVerifier(cert)
	if err != nil {
		return err
	}
	return verifier.VerifyTable(table, digest)
}

// Sweep removes the components of images that no [PCRLock.Add] has seen. It is for when all ESPs
// were looked at: what is gone from one may stand on another. Warnings are what
// systemd-pcrlock will stumble over.
func (l *PCRLock) Sweep() (warnings []Warning, err error) {
	for _, directory := range l.directories {
		variants, err := l.sweep(directory)
		if err != nil {
			return warnings, err
		}
		if variants > maxVariants {
			warnings = append(warnings, Warning{Advice: true, Message: fmt.Sprintf(
				"%s holds %d variants, where systemd-pcrlock makes a policy of at most %d (--limit writes fewer)",
				l.dir.Path(directory), variants, maxVariants)})
		}
	}
	if l.directory != "." {
		_ = l.dir.Remove(kernelComponent) // only goes where it is empty
	}
	return warnings, nil
}

// sweep removes what is stale of one directory, and counts the variants left.
func (l *PCRLock) sweep(directory string) (variants int, err error) {
	list, err := l.dir.ReadDir(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	removed := false
	for _, d := range list {
		stale := isComponent(d.Name()) && !(directory == l.directory && l.stands(d.Name()))
		switch {
		case d.IsDir():
		case stale || esp.IsStaged(d.Name()):
			if err := l.dir.Remove(path.Join(directory, d.Name())); err != nil {
				return 0, err
			}
			removed = true
		case strings.HasSuffix(d.Name(), pcrlock.Suffix):
			variants++
		}
	}
	if removed {
		err = l.dir.SyncDir(directory)
	}
	return variants, err
}
