package bootbuilder

import (
	"context"
	"io/fs"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// changeOf says what is to become of the partitions, for the transaction to bring about.
func changeOf(
	target Target, reader *content.Reader, outcomes []outcome, inv *installed.Inventory,
	v verdict, conf loaderConf, next nextboot.Decision,
) transaction.Change {
	c := transaction.Change{ESP: target.ESP, Boot: target.Boot, Blank: v.blank}
	for _, p := range v.leftover {
		c.Leftovers = append(c.Leftovers, placeOf(p))
	}
	for _, f := range v.writes {
		c.Writes = append(c.Writes, writeOf(target.Boot, reader, inv, f))
	}
	for _, e := range v.entries {
		if e.IsImage() {
			c.StaleImages = append(c.StaleImages, placeOf(e.Place()))
		} else {
			c.StaleEntries = append(c.StaleEntries, placeOf(e.Place()))
		}
	}
	for _, p := range v.payload {
		if strings.EqualFold(dirOf(p.Name), bootname.Unified) {
			c.StaleImages = append(c.StaleImages, placeOf(p))
		} else {
			c.StalePayload = append(c.StalePayload, placeOf(p))
		}
	}
	if conf.changed(next) || next.Detour.Conf != nil && v.removes() {
		c.LoaderConf = &transaction.ConfChange{
			Place:  transaction.Place{FS: target.ESP, Name: bootname.LoaderConf},
			Before: conf.text, After: next.Conf, Detour: next.Detour.Conf,
		}
	}
	c.BootsWithoutStale = bootsWithoutStale(outcomes, v, next)
	return c
}

// withStaleDirectories adds our own directories that hold nothing once the change is made: where nobody
// writes into one, and all that is in it goes.
func withStaleDirectories(c transaction.Change) transaction.Change {
	goes := make(map[esp.Key]bool)
	for _, p := range slices.Concat(c.Leftovers, c.StaleEntries, c.StaleImages, c.StalePayload) {
		goes[keyAt(p)] = true
	}
	seen := make(map[esp.FS]bool)
	for _, fsys := range []esp.FS{c.Boot, c.ESP} {
		dir := transaction.Place{FS: fsys, Name: bootname.Payload}
		written := slices.ContainsFunc(c.Writes, func(w transaction.Write) bool {
			return w.FS == fsys && strings.EqualFold(dirOf(w.Name), dir.Name)
		})
		list, err := fsys.ReadDir(dir.Name)
		if seen[fsys] || written || err != nil || len(list) == 0 {
			continue
		}
		seen[fsys] = true
		if !slices.ContainsFunc(list, func(d fs.DirEntry) bool {
			return !goes[keyAt(transaction.Place{FS: fsys, Name: dir.Name + "/" + d.Name()})]
		}) {
			c.StaleDirectories = append(c.StaleDirectories, dir)
		}
	}
	return c
}

// keyAt tells files apart that are on two file systems.
func keyAt(p transaction.Place) esp.Key { return esp.KeyOf(p.Path()) }

func placeOf(p installed.Place) transaction.Place { return transaction.Place{FS: p.FS, Name: p.Name} }

func dirOf(name string) string { return name[:max(0, strings.LastIndexByte(name, '/'))] }

// writeOf is one file for the transaction.
func writeOf(boot esp.FS, reader *content.Reader, inv *installed.Inventory, f plannedFile) transaction.Write {
	w := transaction.Write{
		Place: transaction.Place{FS: boot, Name: f.Name}, Size: f.size, Exists: f.state == differs,
		Named: f.Kind == KindImage && inv.Named(f.Name),
		Fill:  func(ctx context.Context, w esp.Writer) error { return f.Content.Write(ctx, reader, signerOf(ctx), w) },
	}
	if text, ok := f.Content.(content.Text); ok {
		w.Text = text
		w.Fill = nil
	}
	switch {
	case f.Kind == KindEntry:
		w.Kind = transaction.Entry
	case strings.EqualFold(dirOf(f.Name), bootname.Unified):
		w.Kind = transaction.Image
	}
	return w
}

// bootsWithoutStale reports whether something is left to start once what is stale is gone
// and nothing new is there yet: a NixOS entry whose files are on $BOOT, or a Xen entry
// that stays.
func bootsWithoutStale(outcomes []outcome, v verdict, next nextboot.Decision) bool {
	if !next.Detour.Possible {
		return false
	}
	if len(v.kept) > 0 {
		return true
	}
	for _, o := range outcomes {
		for _, s := range o.Selectors {
			if s.Complete {
				return true
			}
		}
	}
	return false
}
