package fatimage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

var _ esp.FS = (*volume)(nil)

// Path is the image's name, the number of the partition, and the file's name: "disk.img#1:/loader/loader.conf".
func (v *volume) Path(name string) string {
	image := v.im.name
	if v.part.Number != 0 {
		image = fmt.Sprintf("%s#%d", image, v.part.Number)
	}
	return image + ":" + path.Join("/", name)
}

func (v *volume) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: v.Path(name), Err: v.hinted(err)}
}

// Open opens a regular file: as it is on the image, or as it was written last.
func (v *volume) Open(name string) (esp.File, error) {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	n, err := v.find(name)
	if err == nil && n.entry.Dir {
		err = esp.ErrNotRegular
	}
	if err != nil {
		return nil, v.fail("open", name, err)
	}
	f, err := v.open(n)
	return f, v.fail("open", name, err)
}

func (v *volume) open(n *node) (*file, error) {
	if n.staged != "" {
		f, err := os.Open(n.staged)
		if err != nil {
			return nil, err
		}
		return &file{content: f, Closer: f, info: n.info()}, nil
	}
	r, err := v.fat.Open(n.entry)
	if err != nil {
		return nil, err
	}
	return &file{content: chainReader{r, v, n.path()}, Closer: io.NopCloser(nil), info: n.info()}, nil
}

// content is what an *os.File and an *io.SectionReader have in common.
type content interface {
	io.Reader
	io.ReaderAt
}

// chainReader reads a file of the image, and names it where that fails: its chain is looked at no
// sooner.
type chainReader struct {
	content
	v    *volume
	name string
}

func (r chainReader) Read(p []byte) (int, error) {
	n, err := r.content.Read(p)
	return n, r.named(err)
}

func (r chainReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.content.ReadAt(p, off)
	return n, r.named(err)
}

func (r chainReader) named(err error) error {
	if err == nil || err == io.EOF { // readers compare it like this
		return err
	}
	return r.v.fail("read", r.name, err)
}

type file struct {
	content
	io.Closer
	info fs.FileInfo
}

// Start is the first cluster of a file as it is on the image, 0 for none; see [esp.ShareClusters].
func (v *volume) Start(name string) (int64, error) {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	n, err := v.find(name)
	if err == nil && n.staged != "" {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return 0, v.fail("start of", name, err)
	}
	return int64(n.entry.Start()), nil
}

// Stat describes the file as it was when it was opened.
func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }

// Stat describes a file or directory.
func (v *volume) Stat(name string) (fs.FileInfo, error) {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	n, err := v.find(name)
	if err != nil {
		return nil, v.fail("stat", name, err)
	}
	return n.info(), nil
}

// ReadDir lists a directory, sorted by name.
func (v *volume) ReadDir(name string) ([]fs.DirEntry, error) {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	n, err := v.find(name)
	if err == nil && !n.entry.Dir {
		err = syscall.ENOTDIR
	}
	if err == nil {
		err = v.load(n)
	}
	if err != nil {
		return nil, v.fail("open", name, err)
	}
	var list []fs.DirEntry
	for _, c := range n.list() {
		list = append(list, fs.FileInfoToDirEntry(c.info()))
	}
	return list, nil
}

// list is what a directory holds as far as it is loaded, sorted by name, each once.
func (n *node) list() []*node {
	var list []*node
	for key, c := range n.children {
		if key == fold(c.entry.Name) { // not by its alias
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *node) int { return cmp.Compare(a.entry.Name, b.entry.Name) })
	return list
}

// info is a snapshot of a node.
type info struct {
	name  string
	size  int64
	dir   bool
	mtime time.Time
}

func (n *node) info() info {
	return info{n.entry.Name, n.entry.Size, n.entry.Dir, n.entry.ModTime}
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return i.mtime }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// Lock keeps other runs off the whole image.
func (v *volume) Lock(ctx context.Context) (func(), error) { return v.im.lock(ctx) }
