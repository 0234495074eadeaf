package fatimage

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage/internal/fat"
)

// writable is asked before each change to what stands at a name, with the letter case it
// has on the image. Before the first one it makes the directory for the changes.
func (v *volume) writable(name string) error {
	if err := checkPath(name); err != nil {
		return err
	}
	// mtools goes by the number of clusters alone and takes such a one for FAT16, where Linux and
	// the firmware's driver see FAT32.
	if n := v.fat.Size() / v.fat.ClusterSize(); v.fat.Width() == 32 && n < 65525 {
		return fmt.Errorf("mtools can't write to a FAT32 of %d clusters, only from 65525 on: make it FAT16, or with smaller clusters (mkfs.vfat -s 1)", n)
	}
	return v.im.begin()
}

// begin finds out early what would keep Sync from succeeding.
func (im *Image) begin() error {
	if im.work != "" {
		return nil
	}
	if err := checkTools(); err != nil {
		return err
	}
	// To rename something over the image takes no right to write to it; to change it does.
	if err := unix.Access(im.path, unix.W_OK); err != nil {
		return err
	}
	dir, base := filepath.Split(im.path)
	work, err := os.MkdirTemp(dir, workPrefix+base+".*.tmp")
	if err != nil {
		return fmt.Errorf("make a directory for the changes beside the image: %w", err)
	}
	im.work = work
	return nil
}

// stage makes a host file for a new file's content, and a node for it that has no place yet.
func (v *volume) stage(name string) (*node, *os.File, error) {
	v.im.staged++
	f, err := os.OpenFile(filepath.Join(v.im.work, strconv.Itoa(v.im.staged)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return &node{entry: fat.Entry{Name: name, ModTime: time.Now()}, staged: f.Name()}, f, nil
}

// Create makes a new, empty file.
func (v *volume) Create(name string) (esp.Writer, error) {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	dir, err := v.place(name)
	if err != nil {
		return nil, v.fail("create", name, err)
	}
	n, f, err := v.stage(path.Base(name))
	if err != nil {
		return nil, v.fail("create", name, err)
	}
	n.attach(dir)
	return &writer{v: v, n: n, f: f, path: v.Path(name)}, nil
}

// Update opens a file to be changed in place. To the image one that it holds is a new file.
func (v *volume) Update(name string) (esp.Writer, error) {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	w, err := v.update(name)
	if err != nil {
		return nil, v.fail("open", name, err)
	}
	return w, nil
}

func (v *volume) update(name string) (*writer, error) {
	n, err := v.find(name)
	if err == nil && n.entry.Dir {
		err = esp.ErrNotRegular
	}
	if err != nil {
		return nil, err
	}
	if n.staged == "" {
		if err := v.writable(n.path()); err != nil {
			return nil, err
		}
		dir := n.parent
		if n, err = v.takeOut(n); err != nil {
			return nil, err
		}
		n.attach(dir)
	}
	f, err := os.OpenFile(n.staged, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &writer{v: v, n: n, f: f, path: v.Path(name)}, nil
}

// takeOut copies a file of the image into a new one without a place, and drops it.
func (v *volume) takeOut(n *node) (*node, error) {
	moved, f, err := v.stage(n.entry.Name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := v.fat.Open(n.entry)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, r); err != nil {
		return nil, err
	}
	moved.entry.Size = n.entry.Size
	v.drop(n)
	v.taken += v.clusters(n.entry.Size) // as much as was freed
	return moved, nil
}

// writer writes a new file's content to the host, and books its room on the image.
type writer struct {
	v    *volume
	n    *node
	f    *os.File
	path string
	pos  int64
}

// maxFile is the largest file that FAT holds, in bytes.
const maxFile = math.MaxUint32

// grow makes room up to an offset.
func (w *writer) grow(end int64) error {
	w.v.im.mu.Lock()
	defer w.v.im.mu.Unlock()
	size := w.n.entry.Size
	if end <= size {
		return nil
	}
	err := error(syscall.EFBIG)
	if end <= maxFile {
		err = w.v.take(w.v.clusters(end) - w.v.clusters(size))
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: w.path, Err: err}
	}
	w.n.entry.Size = end
	return nil
}

func (w *writer) Write(b []byte) (int, error) {
	n, err := w.WriteAt(b, w.pos)
	w.pos += int64(n)
	return n, err
}

func (w *writer) WriteAt(b []byte, off int64) (int, error) {
	if err := w.grow(off + int64(len(b))); err != nil {
		return 0, err
	}
	return w.f.WriteAt(b, off)
}

func (w *writer) ReadAt(b []byte, off int64) (int, error) { return w.f.ReadAt(b, off) }

// Allocate does nothing: Sync gives a file its clusters.
func (w *writer) Allocate(int64) error { return nil }

// Truncate cuts the file.
func (w *writer) Truncate(size int64) error {
	w.v.im.mu.Lock()
	defer w.v.im.mu.Unlock()
	if size < w.n.entry.Size {
		w.v.taken -= w.v.clusters(w.n.entry.Size) - w.v.clusters(size)
		w.n.entry.Size = size
	}
	return w.f.Truncate(w.n.entry.Size)
}

// Send does nothing, as Sync.
func (w *writer) Send() error { return nil }

// StartSend does as little.
func (w *writer) StartSend() error { return nil }

// Sync does nothing: what the host holds of an image's changes need not outlive a crash.
func (w *writer) Sync() error { return nil }

func (w *writer) Close() error { return w.f.Close() }
