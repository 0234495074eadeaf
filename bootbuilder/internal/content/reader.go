package content

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Source is a file that others made. One of its fields is set.
type Source struct {
	Boot  string // name on $BOOT
	Store string // absolute path inside the root, links resolved
	Made  string // what a file is called that was made for this run: see [Reader.AddMade]
}

// None reports whether no file is named.
func (s Source) None() bool { return s == Source{} }

// Opened is what both file systems give.
type Opened interface {
	io.Reader
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// Sum is what a file holds, as far as deciding needs it.
type Sum struct {
	Size int64
	Sum  [sha256.Size]byte
}

// Reader reads what generations are made of. What many generations share is read and
// hashed once.
type Reader struct {
	root *nixroot.Root
	boot esp.FS

	sums     map[Source]Sum
	sizes    map[Source]int64
	names    map[string]string // store paths, resolved
	probes   map[probeKey]probe
	made     map[string]made
	stripped map[Source]Source
}

// NewReader reads below a root, which may be nil, and from $BOOT.
func NewReader(root *nixroot.Root, boot esp.FS) *Reader {
	return &Reader{
		root: root, boot: boot,
		sums: make(map[Source]Sum), sizes: make(map[Source]int64),
		names: make(map[string]string), probes: make(map[probeKey]probe), made: make(map[string]made), stripped: make(map[Source]Source),
	}
}

// Path says where a file is, for messages.
func (r *Reader) Path(s Source) string {
	switch {
	case s.Boot != "":
		return r.boot.Path(s.Boot)
	case s.Made != "":
		return s.Made
	}
	return r.root.Path(s.Store)
}

// Resolve gives the store path that a name inside the root leads to.
func (r *Reader) Resolve(name string) (string, error) {
	if resolved, ok := r.names[name]; ok {
		return resolved, nil
	}
	resolved, err := r.root.Resolve(name)
	if err == nil {
		r.names[name] = resolved
	}
	return resolved, err
}

// Open opens a file and gives its size. An empty one is an error: it is of no use to anybody here.
func (r *Reader) Open(s Source) (Opened, int64, error) {
	var file Opened
	var err error
	switch {
	case s.Boot != "":
		file, err = r.boot.Open(s.Boot)
	case s.Made != "":
		file, err = r.made[s.Made].open(s.Made)
	default:
		file, err = r.root.OpenFile(s.Store)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() == 0 {
		err = &fs.PathError{Op: "read", Path: r.Path(s), Err: errors.New("file is empty")}
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	r.sizes[s] = info.Size()
	return file, info.Size(), nil
}

// Size looks whether a file is there and holds something, and gives its size.
func (r *Reader) Size(s Source) (int64, error) {
	if size, ok := r.sizes[s]; ok {
		return size, nil
	}
	var size int64
	var err error
	switch {
	case s.Boot != "":
		var info fs.FileInfo
		if info, err = r.boot.Stat(s.Boot); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
	case s.Made != "":
		size = r.made[s.Made].size
	default:
		size, err = r.root.Size(s.Store)
	}
	if err != nil || size == 0 { // to open it says what is wrong
		file, _, err := r.Open(s)
		if err != nil {
			return 0, err
		}
		return r.sizes[s], file.Close()
	}
	r.sizes[s] = size
	return size, nil
}

// Sum reads a file through once and remembers what it holds.
func (r *Reader) Sum(ctx context.Context, s Source) (Sum, error) {
	if c, ok := r.sums[s]; ok {
		return c, nil
	}
	file, size, err := r.Open(s)
	if err != nil {
		return Sum{}, err
	}
	defer file.Close()
	h := sha256.New()
	n, err := io.Copy(h, cancelable{ctx, file})
	if err == nil && n != size {
		err = errChanged
	}
	if err != nil {
		return Sum{}, fmt.Errorf("read %s: %w", r.Path(s), err)
	}
	c := Sum{Size: size}
	h.Sum(c.Sum[:0])
	r.sums[s] = c
	return c, nil
}

var errChanged = errors.New("it changed while it was read")

// Equal compares a file on $BOOT with another, byte for byte.
func (r *Reader) Equal(ctx context.Context, name string, want Source) (bool, error) {
	info, err := r.boot.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	size, err := r.Size(want)
	if err != nil || info.Size() != size {
		return false, err
	}
	c, err := r.Sum(ctx, want)
	if err != nil {
		return false, err
	}
	have, err := r.Sum(ctx, Source{Boot: name})
	return err == nil && have == c, err
}

// Machine is the processor that a Xen image is for.
func (r *Reader) Machine(s Source) (pe.Machine, error) {
	p, err := r.probe(s, nil)
	return p.machine, err
}

// identity is what tells a source's content apart: its path in the store, which never
// changes, or else its sum.
func (r *Reader) identity(ctx context.Context, s Source) (string, error) {
	if s.Store != "" {
		return s.Store, nil
	}
	c, err := r.Sum(ctx, s)
	return fmt.Sprintf("%x", c.Sum), err
}

// stream copies one file to w. What changes while it is read, or is not what was planned, is
// an error.
func (r *Reader) stream(ctx context.Context, w io.Writer, s Source) error {
	src, size, err := r.Open(s)
	if err != nil {
		return err
	}
	defer src.Close()
	var h = sha256.New()
	want, planned := r.sums[s]
	if planned {
		w = io.MultiWriter(w, h)
	}
	n, err := io.Copy(w, cancelable{ctx, src})
	switch {
	case err != nil:
	case n != size:
		err = errChanged
	case planned && [sha256.Size]byte(h.Sum(nil)) != want.Sum:
		err = errNotPlanned
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", r.Path(s), err)
	}
	return nil
}

// cancelable ends a long read once ctx ends.
type cancelable struct {
	ctx context.Context
	r   io.Reader
}

func (c cancelable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// cancelableWriter ends a long write once ctx ends.
type cancelableWriter struct {
	ctx context.Context
	pe.Destination
}

func (c cancelableWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Destination.Write(p)
}
