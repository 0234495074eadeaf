package crashfs

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// FS is one file system of a [Machine]. It tells no letter cases apart, and keeps them.
type FS struct {
	machine  *Machine
	dir      string
	geometry Geometry
	root     *node
	locked   bool
}

var _ esp.FS = (*FS)(nil)

// Path is the name below the file system's dir.
func (f *FS) Path(name string) string { return path.Join(f.dir, name) }

// Fill adds files and directories, all on the disk already: slash-separated name to content, and
// for a directory the name with a slash behind. Directories above are made.
func (f *FS) Fill(tree map[string]string) {
	for name, content := range tree {
		directory := f.root
		parts := strings.Split(name, "/")
		for _, part := range parts[:len(parts)-1] {
			if directory.get(part).node == nil {
				directory.set(part, newDirectory())
			}
			directory = directory.get(part).node
		}
		if base := parts[len(parts)-1]; base != "" {
			directory.set(base, &node{data: []byte(content)})
		}
	}
	f.root.syncAll()
}

// Tree is all that the running system sees, in the form that [FS.Fill] takes. It is not an operation.
func (f *FS) Tree() map[string]string {
	tree := make(map[string]string)
	var walk func(prefix string, n *node)
	walk = func(prefix string, n *node) {
		for _, t := range n.list() {
			if name := prefix + t.text; t.node.isDir() {
				tree[name+"/"] = ""
				walk(name+"/", t.node)
			} else {
				tree[name] = string(t.node.data)
			}
		}
	}
	walk("", f.root)
	return tree
}

// Open opens a file for reading.
func (f *FS) Open(name string) (esp.File, error) {
	if _, err := f.machine.begin(f, OpOpen, name); err != nil {
		return nil, err
	}
	t, err := f.find(name)
	if err == nil && t.node.isDir() {
		err = esp.ErrNotRegular
	}
	if err != nil {
		return nil, f.failed(OpOpen, name, err)
	}
	return &handle{fsys: f, name: name, target: t}, nil
}

// Stat describes a file or directory.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	if _, err := f.machine.begin(f, OpStat, name); err != nil {
		return nil, err
	}
	t, err := f.find(name)
	if err != nil {
		return nil, f.failed(OpStat, name, err)
	}
	return info{t}, nil
}

// ReadDir lists a directory, sorted by name.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	if _, err := f.machine.begin(f, OpReadDir, name); err != nil {
		return nil, err
	}
	directory, err := f.directory(name)
	if err != nil {
		return nil, f.failed(OpReadDir, name, err)
	}
	var list []fs.DirEntry
	for _, t := range directory.list() {
		list = append(list, fs.FileInfoToDirEntry(info{t}))
	}
	return list, nil
}

// Create makes a new, empty file.
func (f *FS) Create(name string) (esp.Writer, error) {
	n := &node{}
	if err := f.add(OpCreate, name, n, 0); err != nil {
		return nil, err
	}
	return &writer{&handle{fsys: f, name: name, target: target{path.Base(name), n}}}, nil
}

// Mkdir makes one directory.
func (f *FS) Mkdir(name string) error { return f.add(OpMkdir, name, newDirectory(), 1) }

// add gives a new node its name; clusters are what it takes itself.
func (f *FS) add(kind OpKind, name string, n *node, clusters int64) error {
	half, cut := f.machine.begin(f, kind, name)
	if cut != nil && !half {
		return cut
	}
	directory, err := f.directory(path.Dir(name))
	if err == nil && directory.get(path.Base(name)).node != nil {
		err = fs.ErrExist
	}
	if err == nil {
		err = f.roomForName(directory, path.Base(name), clusters)
	}
	if err != nil {
		return f.failed(kind, name, err)
	}
	directory.set(path.Base(name), n)
	return cut
}

// Rename gives a file another name in its directory, replacing what stood there.
func (f *FS) Rename(from, to string) error {
	half, cut := f.machine.begin(f, OpRename, to)
	if cut != nil && !half {
		return cut
	}
	if err := f.rename(from, to); err != nil {
		return f.failed(OpRename, to, err)
	}
	return cut
}

func (f *FS) rename(from, to string) error {
	directory, err := f.directory(path.Dir(from))
	if err != nil {
		return err
	}
	source, old := directory.get(path.Base(from)), directory.get(path.Base(to))
	switch {
	case source.node == nil:
		return fs.ErrNotExist
	case !strings.EqualFold(path.Dir(from), path.Dir(to)):
		return syscall.EXDEV
	case old.node == source.node:
		return nil
	case old.node != nil && old.node.isDir():
		return fs.ErrExist
	case old.node == nil:
		if err := f.roomForName(directory, path.Base(to), 0); err != nil {
			return err
		}
	}
	directory.set(path.Base(to), source.node)
	directory.set(path.Base(from), nil)
	return nil
}

// Remove deletes a file or an empty directory.
func (f *FS) Remove(name string) error {
	half, cut := f.machine.begin(f, OpRemove, name)
	if cut != nil && !half {
		return cut
	}
	t, err := f.find(name)
	if err == nil && t.node.isDir() && len(t.node.list()) > 0 {
		err = syscall.ENOTEMPTY
	}
	if err != nil {
		return f.failed(OpRemove, name, err)
	}
	directory, _ := f.directory(path.Dir(name))
	directory.set(path.Base(name), nil)
	return cut
}

// SyncDir brings a directory's names to the disk.
func (f *FS) SyncDir(name string) error {
	if _, err := f.machine.begin(f, OpSyncDir, name); err != nil {
		return err
	}
	directory, err := f.directory(name)
	if err != nil {
		return f.failed(OpSyncDir, name, err)
	}
	directory.sync()
	return nil
}

// Sync brings everything to the disk.
func (f *FS) Sync() error {
	if _, err := f.machine.begin(f, OpSyncFS, "."); err != nil {
		return err
	}
	f.root.syncAll()
	return nil
}

// Lock keeps other runs out. It does not wait: a test is one run.
func (f *FS) Lock(context.Context) (func(), error) {
	if f.locked {
		return nil, f.failed("lock", ".", esp.ErrLocked)
	}
	f.locked = true
	return func() { f.locked = false }, nil
}

// find is what a name stands for.
func (f *FS) find(name string) (target, error) {
	if !fs.ValidPath(name) {
		return target{}, fs.ErrInvalid
	}
	t := target{".", f.root}
	if name == "." {
		return t, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !t.node.isDir() {
			return target{}, syscall.ENOTDIR
		}
		if t = t.node.get(part); t.node == nil {
			return target{}, fs.ErrNotExist
		}
	}
	return t, nil
}

func (f *FS) directory(name string) (*node, error) {
	t, err := f.find(name)
	if err == nil && !t.node.isDir() {
		err = syscall.ENOTDIR
	}
	return t.node, err
}

func (f *FS) failed(kind OpKind, name string, err error) error {
	return &fs.PathError{Op: string(kind), Path: f.Path(name), Err: err}
}
