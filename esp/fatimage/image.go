package fatimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage/internal/disk"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage/internal/fat"
)

// Errors of [Open].
var (
	// ErrNoESP is returned for a disk image without an EFI system partition.
	ErrNoESP = errors.New("no EFI system partition")
	// ErrManyESPs is returned for a disk image with several.
	ErrManyESPs = errors.New("more than one EFI system partition")
	// ErrNotFile is returned for a block device, or anything else that is not a regular file.
	ErrNotFile = errors.New("not a regular file")
)

// ErrDamaged is what an error about a file system whose parts contradict each other wraps:
// fsck.vfat may repair it.
var ErrDamaged = fat.ErrCorrupt

// Image is the image of an ESP, or of a disk with one. It is safe for concurrent use.
type Image struct {
	ctx  context.Context // ends all reading, and the mtools runs of Sync, which is handed none
	name string          // as given, for messages
	path string          // without symbolic links

	mu     sync.Mutex
	file   *os.File   // what stands at path
	old    []*os.File // what stood there before; open files still read from it
	loaded fs.FileInfo
	esp    *volume
	boot   *volume // nil: there is no XBOOTLDR
	held   int     // how often the lock is held
	work   string  // the directory for unsynced changes, "" before the first
	staged int     // files made in it
}

// Open opens an image file for reading and writing: that of a FAT file system, or that
// of a disk whose GPT or MBR names one EFI system partition. Nothing is written before
// the first Sync. Once ctx has ended nothing is read or written any more.
func Open(ctx context.Context, name string) (*Image, error) {
	path, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	im := &Image{ctx: ctx, name: name, path: path}
	f, err := openRegular(path, name)
	if err != nil {
		return nil, err
	}
	if err := im.adopt(f); err != nil {
		f.Close()
		return nil, err
	}
	return im, nil
}

// openRegular looks before it opens: opening a device or a FIFO can have effects.
func openRegular(path, name string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case info.Mode()&fs.ModeDevice != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w but a device: mount it, and give the mount point as the ESP", ErrNotFile)}
	case info.IsDir():
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w but a directory: a mounted ESP needs no image", ErrNotFile)}
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotFile}
	}
	return os.Open(path)
}

// adopt makes f what is read from. On error nothing has changed.
func (im *Image) adopt(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	espVolume, bootVolume, err := im.volumes(f, info.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", im.name, err)
	}
	if im.esp == nil {
		im.file, im.loaded, im.esp, im.boot = f, info, espVolume, bootVolume
		return nil
	}
	if (im.boot == nil) != (bootVolume == nil) {
		return fmt.Errorf("%s: its partitions changed while it was open", im.name)
	}
	// Who waits for the lock of the old file is to find out that it is the old one.
	_ = unix.Flock(int(im.file.Fd()), unix.LOCK_UN)
	im.old = append(im.old, im.file)
	im.file, im.loaded = f, info
	// The caller holds on to the volumes: they take the new content.
	im.esp.replace(espVolume)
	if im.boot != nil {
		im.boot.replace(bootVolume)
	}
	return nil
}

// volumes finds the file systems.
func (im *Image) volumes(file io.ReaderAt, size int64) (espVolume, bootVolume *volume, err error) {
	f := contextReader{im.ctx, file}
	parts, tableErr := disk.Partitions(f, size)
	espPart, bootPart, partErr := choose(parts)
	if espPart == nil {
		// A FAT has the place of an MBR too, with whatever text or code in it.
		v, err := fat.Open(f, size)
		switch {
		case err == nil:
			espVolume, err := im.newVolume(v, disk.Partition{Size: size})
			return espVolume, nil, err
		case len(parts) > 0 && errors.Is(err, fat.ErrNotFAT):
			return nil, nil, partErr
		case tableErr == nil || errors.Is(tableErr, disk.ErrNoTable):
			return nil, nil, rawHint(f, err)
		}
		return nil, nil, tableErr
	}
	if partErr != nil {
		return nil, nil, partErr
	}
	if espVolume, err = im.openPartition(f, *espPart); err != nil || bootPart == nil {
		return espVolume, nil, err
	}
	bootVolume, err = im.openPartition(f, *bootPart)
	return espVolume, bootVolume, err
}

// contextReader ends with a context. A file system in an image may be far larger than the
// file, which can have holes, and hold chains that cost much to follow.
type contextReader struct {
	ctx context.Context
	io.ReaderAt
}

func (r contextReader) ReadAt(p []byte, off int64) (int, error) {
	if r.ctx.Err() != nil {
		return 0, r.ctx.Err()
	}
	return r.ReaderAt.ReadAt(p, off)
}

func (im *Image) openPartition(f io.ReaderAt, p disk.Partition) (*volume, error) {
	v, err := fat.Open(io.NewSectionReader(f, p.Offset, p.Size), p.Size)
	if err != nil {
		return nil, fmt.Errorf("partition %d: %w", p.Number, err)
	}
	return im.newVolume(v, p)
}

// choose picks the one ESP, and the XBOOTLDR partition where there is one.
func choose(parts []disk.Partition) (espPart, bootPart *disk.Partition, err error) {
	var numbers []string
	for i, p := range parts {
		switch {
		case p.Type == disk.ESP:
			espPart = &parts[i]
			numbers = append(numbers, fmt.Sprint(p.Number))
		case p.Type == disk.XBOOTLDR && bootPart == nil:
			bootPart = &parts[i]
		}
	}
	switch len(numbers) {
	case 0:
		return nil, nil, fmt.Errorf("%w among its %d partitions", ErrNoESP, len(parts))
	case 1:
		return espPart, bootPart, nil
	}
	return espPart, nil, fmt.Errorf("%w: partitions %s", ErrManyESPs, strings.Join(numbers, ", "))
}

// rawHint says what an image is that is often taken for a raw one.
func rawHint(f io.ReaderAt, err error) error {
	var b [4]byte
	if _, rerr := f.ReadAt(b[:], 0); rerr == nil && string(b[:]) == "QFI\xfb" {
		return fmt.Errorf("%w but qcow2: make it raw first (qemu-img convert -O raw)", fat.ErrNotFAT)
	}
	return err
}

// ESP is the EFI system partition.
func (im *Image) ESP() esp.FS { return im.esp }

// Boot is the XBOOTLDR partition, or nil where the image has none.
func (im *Image) Boot() esp.FS {
	if im.boot == nil {
		return nil
	}
	return im.boot
}

// Close lets go of the image. What was not synced is dropped.
func (im *Image) Close() error {
	im.mu.Lock()
	defer im.mu.Unlock()
	var errs []error
	for _, f := range append(im.old, im.file) {
		errs = append(errs, f.Close())
	}
	if im.work != "" {
		errs = append(errs, os.RemoveAll(im.work))
	}
	return errors.Join(errs...)
}
