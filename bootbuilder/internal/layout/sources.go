package layout

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// payload finds the kernel, the ramdisk and the devicetree on $BOOT, or plans them.
func (b *builder) payload(ctx context.Context) (p names, err error) {
	s := b.g.Selector()
	if s == nil {
		s = &generation.Selector{}
	}
	kernel, err := b.onBootOrStore(ctx, s.Files.Kernel, b.g.Spec.Kernel, s.Files.KernelHash)
	if err != nil {
		return p, err
	}
	if p.kernel, err = b.place(kernel, Kernel); err != nil {
		return p, err
	}
	initrds, err := b.bootInitrds(ctx, s)
	if err != nil {
		return p, err
	}
	switch {
	case len(initrds) == 1 && initrds[0].Made == "":
		p.ramdisk, err = b.place(initrds[0], Ramdisk)
	case len(initrds) > 0:
		p.ramdisk, err = b.joined(ctx, initrds)
	}
	if err != nil {
		return p, err
	}
	if p.ucode, err = b.extra(b.o.Variant.Ucode); err != nil {
		return p, err
	}
	if p.xsm, err = b.extra(b.o.Variant.XSM); err != nil {
		return p, err
	}
	if dtb := b.g.Spec.SystemdBoot.Devicetree; dtb != "" && b.usesDevicetree() {
		file, err := b.onBootOrStore(ctx, s.Files.Devicetree, dtb, nil)
		if err != nil {
			return p, err
		}
		p.devicetree, err = b.place(file, Devicetree)
		return p, err
	}
	return p, nil
}

// extra plans a copy of a variant's file.
func (b *builder) extra(store string) (string, error) {
	if store == "" {
		return "", nil
	}
	file, err := b.storeFile(store, Extra)
	if err != nil {
		return "", err
	}
	return b.place(file, Extra)
}

// usesDevicetree: Xen on x86 has no use for one.
func (b *builder) usesDevicetree() bool { return b.isARM() }

// onBootOrStore is a file of the store: on $BOOT if NixOS' installer has put it there, else in the
// store. What the entry names counts only if it has the size of the store's file; a stub also
// says what its file holds, and one that holds something else is refused.
func (b *builder) onBootOrStore(ctx context.Context, named, store string, hash *[sha256.Size]byte) (content.Source, error) {
	resolved, err := b.r.Resolve(store)
	if err != nil {
		return content.Source{}, generation.Skipped(generation.PayloadMissing, err)
	}
	inStore := content.Source{Store: resolved}
	want, storeErr := b.r.Size(inStore)
	for _, name := range b.candidates(named, resolved) {
		onBoot := content.Source{Boot: name}
		size, err := b.r.Size(onBoot)
		if err != nil || storeErr == nil && size != want {
			continue
		}
		if name == named && hash != nil {
			if err := b.checkHash(ctx, onBoot, *hash); err != nil {
				return content.Source{}, err
			}
		}
		return onBoot, nil
	}
	return inStore, generation.Skipped(generation.PayloadMissing, storeErr)
}

// candidates are where a file of the store may be on $BOOT: where NixOS' entry says, and, where
// there is no entry, where systemd-boot-builder puts it.
func (b *builder) candidates(named, resolved string) []string {
	if named != "" {
		return []string{named}
	}
	if b.g.Selector() != nil {
		return nil
	}
	name, err := bootname.ByInstaller(resolved)
	if err != nil {
		return nil
	}
	return []string{name}
}

// checkHash holds a file that a Lanzaboote stub names against the stub's hash.
func (b *builder) checkHash(ctx context.Context, f content.Source, want [sha256.Size]byte) error {
	have, err := b.r.Sum(ctx, f)
	if err == nil && have.Sum != want {
		err = fmt.Errorf("%s does not hold what the stub %s says (SHA-256 differs)", b.r.Path(f), b.g.File())
	}
	return generation.Skipped(generation.PayloadMissing, err)
}

// bootInitrds are the initrds of a layout that is not signed, in the order in which they are joined.
func (b *builder) bootInitrds(ctx context.Context, s *generation.Selector) ([]content.Source, error) {
	var list []content.Source
	main, extra := b.splitInitrds(s)
	if b.g.Spec.Initrd != "" {
		first, err := b.mainInitrd(ctx, main, s.Files.InitrdHash)
		if err != nil {
			return nil, err
		}
		list = append(list, first)
	}
	for _, name := range extra {
		f := content.Source{Boot: name}
		if _, err := b.r.Size(f); err != nil {
			return nil, generation.Skipped(generation.PayloadMissing, err)
		}
		list = append(list, f)
	}
	return list, nil
}

// splitInitrds tells the generation's own initrd among those that an entry names from the extra
// ones that its bootspec has. What neither knows of is left out.
func (b *builder) splitInitrds(s *generation.Selector) (main string, extra []string) {
	if s.File == "" {
		return "", b.g.Spec.ExtraInitrds
	}
	known := make(map[esp.Key]bool)
	for _, name := range b.g.Spec.ExtraInitrds {
		known[esp.KeyOf(name)] = true
	}
	for _, name := range s.Files.Initrds {
		switch {
		case known[esp.KeyOf(name)]:
			extra = append(extra, name)
		case main == "":
			main = name
		default:
			b.advice("%s names the initrd %s, which its bootspec does not know; it is left out", path.Base(s.File), name)
		}
	}
	if s.Stub {
		extra = b.g.Spec.ExtraInitrds
	}
	return main, extra
}

// mainInitrd is the generation's own initrd. One with secrets is on $BOOT, where NixOS' installer
// appended them; elsewhere its own program appends them, if that may be run.
func (b *builder) mainInitrd(ctx context.Context, named string, hash *[sha256.Size]byte) (content.Source, error) {
	if b.g.Spec.InitrdSecrets == "" {
		return b.onBootOrStore(ctx, named, b.g.Spec.Initrd, hash)
	}
	store, err := b.storeFile(b.g.Spec.Initrd, Ramdisk)
	if err != nil {
		return content.Source{}, err
	}
	bare, err := b.r.Size(store)
	if err != nil {
		return content.Source{}, generation.Skipped(generation.PayloadMissing, err)
	}
	for _, name := range b.candidates(named, store.Store) {
		onBoot := content.Source{Boot: name}
		size, err := b.r.Size(onBoot)
		if err != nil || name != named && size <= bare {
			continue
		}
		if name == named && hash != nil {
			if err := b.checkHash(ctx, onBoot, *hash); err != nil {
				return content.Source{}, err
			}
		}
		return onBoot, nil
	}
	return b.withSecrets(ctx, store)
}

// withSecrets runs the generation's own program on a copy of its initrd.
func (b *builder) withSecrets(ctx context.Context, store content.Source) (content.Source, error) {
	switch {
	case b.o.Secrets != nil:
		made, err := b.o.Secrets(ctx, b.g)
		if err != nil && ctx.Err() != nil {
			return made, ctx.Err()
		}
		if err != nil {
			err = fmt.Errorf("append initrd secrets: %w", err)
		}
		return made, generation.Skipped(generation.PayloadMissing, err)
	case b.o.Pending:
		b.files.Pending = true
		return store, nil
	}
	b.files.Unsecret = true
	return store, nil
}

// unifiedInitrds are the initrds of a unified image.
func (b *builder) unifiedInitrds(ctx context.Context) ([]content.Source, error) {
	if b.o.Certificate == nil {
		return b.unsignedInitrds(ctx)
	}
	extra := b.g.Spec.ExtraInitrds
	if len(extra) > 0 && !b.o.UnverifiedInitrds {
		return nil, generation.Skipped(generation.UnverifiedInitrd, fmt.Errorf(
			"its initrd %s lies on the ESP, where anybody could have changed it (--sign-unverified-initrds signs it all the same)", extra[0]))
	}
	var list []content.Source
	if b.g.Spec.Initrd != "" {
		main, err := b.signedInitrd(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, main)
	}
	for _, name := range extra {
		f := content.Source{Boot: name}
		if _, err := b.r.Sum(ctx, f); err != nil {
			return nil, generation.Skipped(generation.PayloadMissing, err)
		}
		list = append(list, f)
	}
	return list, nil
}

// unsignedInitrds takes what the store has from there, so that nothing of it is read to see that
// an image is up to date, and the rest from $BOOT.
func (b *builder) unsignedInitrds(ctx context.Context) ([]content.Source, error) {
	s := b.g.Selector()
	if s == nil {
		s = &generation.Selector{}
	}
	list, err := b.bootInitrds(ctx, s)
	if err != nil || len(list) == 0 || b.g.Spec.Initrd == "" || b.g.Spec.InitrdSecrets != "" {
		return list, err
	}
	store, err := b.storeFile(b.g.Spec.Initrd, Ramdisk)
	if err == nil {
		list = append([]content.Source{store}, list[1:]...)
	}
	return list, err
}

// signedInitrd is the initrd that goes into a signed image: the store's; with secrets, one that a
// stub vouches for whose own signature is by the same certificate, or the program's.
func (b *builder) signedInitrd(ctx context.Context) (content.Source, error) {
	store, err := b.storeFile(b.g.Spec.Initrd, Ramdisk)
	if err != nil || b.g.Spec.InitrdSecrets == "" {
		return store, err
	}
	for _, s := range b.g.Selectors {
		if !s.Stub {
			continue
		}
		stub, err := b.r.ReadSigned(s.File, b.o.Certificate)
		if err != nil {
			continue
		}
		initrd, sum, err := s.Vouches(stub)
		if err != nil {
			continue
		}
		onBoot := content.Source{Boot: initrd}
		if have, err := b.r.Sum(ctx, onBoot); err == nil && have.Sum == sum {
			return onBoot, nil
		}
	}
	return b.withSecrets(ctx, store)
}

// storeFile is a file of the store that has to be there.
func (b *builder) storeFile(name string, kind FileKind) (content.Source, error) {
	if name == "" {
		return content.Source{}, generation.Skipped(generation.PayloadMissing, fmt.Errorf("no %s is named", kind))
	}
	resolved, err := b.r.Resolve(name)
	if err != nil {
		return content.Source{}, generation.Skipped(generation.PayloadMissing, err)
	}
	s := content.Source{Store: resolved}
	_, err = b.r.Size(s)
	return s, generation.Skipped(generation.PayloadMissing, err)
}

// place leaves a file where it is on $BOOT, or plans a copy from the store.
func (b *builder) place(s content.Source, kind FileKind) (string, error) {
	if s.Boot != "" {
		b.files.Needs = append(b.files.Needs, s.Boot)
		return s.Boot, nil
	}
	stem, err := bootname.FromStore(s.Store)
	if err != nil {
		return "", generation.Skipped(generation.PayloadMissing, err)
	}
	name := bootname.Name{Kind: bootname.Copy, Store: stem}.Path()
	if err := checkNames(name); err != nil {
		return "", err
	}
	b.files.Payload = append(b.files.Payload, File{Name: name, Kind: kind, Content: content.Copy{From: s}, ByContent: true})
	return name, nil
}

// joined plans one ramdisk of several initrds. Its name carries what is in it, so that it never
// changes under an entry that uses it.
func (b *builder) joined(ctx context.Context, parts []content.Source) (string, error) {
	for _, s := range parts {
		if s.Store == "" { // what is not of the store is held against what it was when it was planned
			if _, err := b.r.Sum(ctx, s); err != nil {
				return "", generation.Skipped(generation.PayloadMissing, err)
			}
		}
	}
	joined := content.Joined{Parts: slices.Clone(parts)}
	sum, err := joined.Sum(ctx, b.r)
	if err != nil {
		return "", generation.Skipped(generation.PayloadMissing, err)
	}
	name := bootname.Name{Kind: bootname.Ramdisk, Hash: bootname.Short(bootname.Ramdisk, sum)}.Path()
	b.files.Payload = append(b.files.Payload, File{Name: name, Kind: Ramdisk, Content: joined, ByContent: true})
	return name, nil
}
