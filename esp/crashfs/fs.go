package crashfs

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// FS is one file system of a [Machine]. It tells no letter cases apart, and keeps them.
type FS struct {
	machine  *Machine
	dir      string
	geometry Geometry
	disk     *disk
	locked   bool
	readOnly bool
}

var _ esp.FS = (*FS)(nil)

// Path is the name below the file system's dir.
func (f *FS) Path(name string) string { return path.Join(f.dir, name) }

// Fill adds files and directories, all on the disk already: slash-separated name to content, and
// for a directory the name with a slash behind. Directories above are made.
func (f *FS) Fill(tree map[string]string) {
	d := f.disk
	for name, content := range tree {
		dir := root
		parts := strings.Split(name, "/")
		for _, part := range parts[:len(parts)-1] {
			if d.get(dir, part) == none {
				f.newDirectory(dir, part)
			}
			dir = d.get(dir, part)
		}
		if base := parts[len(parts)-1]; base != "" {
			n := d.newNode(false)
			d.link(dir, base, n, none)
			f.write(n, []byte(content), 0)
		}
	}
	d.settle()
}

// Tree is all that the running system sees, in the form that [FS.Fill] takes. It is not an operation, and harms nothing.
func (f *FS) Tree() map[string]string {
	tree := make(map[string]string)
	var walk func(prefix string, dir int)
	walk = func(prefix string, dir int) {
		for _, n := range f.disk.children(dir) {
			name := prefix + f.disk.text(n)
			if !f.disk.nodes[n].isDir {
				tree[name] = string(f.content(n))
				continue
			}
			tree[name+"/"] = ""
			if f.disk.harmed(n) {
				tree[name+"/"] = Damaged
				continue
			}
			walk(name+"/", n)
		}
	}
	walk("", root)
	return tree
}

// ReadOnly reports whether the file system turned read-only because of damage.
func (f *FS) ReadOnly() bool { return f.readOnly }

func (f *FS) content(n int) []byte {
	node := &f.disk.nodes[n]
	return f.disk.content(node.chain, node.size, f.geometry.cluster())
}

// Open opens a file for reading.
func (f *FS) Open(name string) (esp.File, error) { return f.open(name) }

// Update opens a file to be changed in place.
func (f *FS) Update(name string) (esp.Writer, error) {
	h, err := f.open(name)
	if err != nil {
		return nil, err
	}
	return &writer{h}, nil
}

func (f *FS) open(name string) (*handle, error) {
	if _, err := f.begin(OpOpen, name); err != nil {
		return nil, err
	}
	n, err := f.find(name)
	if err == nil && f.disk.nodes[n].isDir {
		err = esp.ErrNotRegular
	}
	if err != nil {
		return nil, f.failed(OpOpen, name, err)
	}
	return f.hold(name, n), nil
}

func (f *FS) hold(name string, n int) *handle {
	f.disk.nodes[n].opens++
	return &handle{fsys: f, name: name, node: n}
}

// Stat describes a file or directory.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	if _, err := f.begin(OpStat, name); err != nil {
		return nil, err
	}
	n, err := f.find(name)
	if err == nil && f.disk.harmed(n) {
		err = f.damage()
	}
	if err != nil {
		return nil, f.failed(OpStat, name, err)
	}
	return f.info(n), nil
}

// ReadDir lists a directory, sorted by name. It looks into none of them.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	if _, err := f.begin(OpReadDir, name); err != nil {
		return nil, err
	}
	dir, err := f.directory(name)
	if err != nil {
		return nil, f.failed(OpReadDir, name, err)
	}
	var list []fs.DirEntry
	for _, n := range f.disk.children(dir) {
		list = append(list, fs.FileInfoToDirEntry(f.info(n)))
	}
	return list, nil
}

// Create makes a new, empty file.
func (f *FS) Create(name string) (esp.Writer, error) {
	n := none
	err := f.add(OpCreate, name, 0, func(dir int) {
		n = f.disk.newNode(false)
		f.disk.link(dir, path.Base(name), n, none)
	})
	if err != nil {
		return nil, err
	}
	return &writer{f.hold(name, n)}, nil
}

// Mkdir makes one directory.
func (f *FS) Mkdir(name string) error {
	return f.add(OpMkdir, name, 1, func(dir int) { f.newDirectory(dir, path.Base(name)) })
}

func (f *FS) newDirectory(dir int, base string) {
	d := f.disk
	n := d.newNode(true)
	c := d.newChain()
	d.chains[c].taken.set(1)
	d.nodes[n].chain = c
	d.nodes[n].ready.set(true)
	d.nodes[n].madeIn = dir
	d.link(dir, base, n, c)
}

// add gives something new its name; clusters are what it takes itself.
func (f *FS) add(kind OpKind, name string, clusters int64, add func(dir int)) error {
	half, cut := f.begin(kind, name)
	if cut != nil && !half {
		return cut
	}
	dir, err := f.directory(path.Dir(name))
	if err == nil && f.disk.get(dir, path.Base(name)) != none {
		err = fs.ErrExist
	}
	if err == nil {
		err = f.roomForName(dir, path.Base(name), clusters)
	}
	if err != nil {
		return f.failed(kind, name, err)
	}
	add(dir)
	return cut
}

// Rename gives a file another name in its directory, replacing a file that has it, or a directory another place.
func (f *FS) Rename(from, to string) error {
	half, cut := f.begin(OpRename, to)
	if cut != nil && !half {
		return cut
	}
	if err := f.rename(from, to); err != nil {
		return f.failed(OpRename, to, err)
	}
	return cut
}

func (f *FS) rename(from, to string) error {
	d := f.disk
	n, err := f.find(from)
	if err != nil {
		return err
	}
	dir, err := f.directory(path.Dir(to))
	if err != nil {
		return err
	}
	old := d.get(dir, path.Base(to))
	switch {
	case n == root:
		return fs.ErrInvalid
	case d.slots[d.nodes[n].slot].parent != dir && !d.nodes[n].isDir:
		return syscall.EXDEV
	case old == n:
		return nil
	case old != none && (d.nodes[old].isDir || d.nodes[n].isDir):
		return fs.ErrExist
	case old == none:
		if err := f.roomForName(dir, path.Base(to), 0); err != nil {
			return err
		}
	}
	d.unlink(d.nodes[n].slot)
	if old == none {
		d.link(dir, path.Base(to), n, none) // its start is written with the node
		d.slots[d.nodes[n].slot].quiet = d.nodes[n].isDir
	} else {
		// The slot stays as it is, until the node is written.
		s := d.nodes[old].slot
		e := d.slots[s].entry.now()
		e.node = n
		d.slots[s].entry.versions[len(d.slots[s].entry.versions)-1] = e
		d.nodes[n].slot, d.nodes[old].slot = s, none
		f.free(old)
	}
	d.nodes[n].dirty = true
	return nil
}

// Remove deletes a file or an empty directory.
func (f *FS) Remove(name string) error {
	_, err := f.drop(name, false)
	return err
}

// Drop deletes a name, and holds open what it was for.
func (f *FS) Drop(name string) (esp.Held, error) {
	h, err := f.drop(name, true)
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (f *FS) drop(name string, hold bool) (held *handle, err error) {
	half, cut := f.begin(OpRemove, name)
	if cut != nil && !half {
		return nil, cut
	}
	d := f.disk
	n, err := f.find(name)
	switch {
	case err != nil:
	case n == root:
		err = fs.ErrInvalid
	case f.disk.harmed(n):
		err = f.damage()
	case d.nodes[n].isDir && len(d.children(n)) > 0:
		err = syscall.ENOTEMPTY
	}
	if err != nil {
		return nil, f.failed(OpRemove, name, err)
	}
	if hold {
		held = f.hold(name, n)
	}
	d.unlink(d.nodes[n].slot)
	d.nodes[n].slot = none
	f.free(n)
	return held, cut
}

// free gives back a node's clusters, unless it is held open. Where they are free already Linux stops writing, and says nothing.
func (f *FS) free(n int) {
	if f.disk.free(n) {
		f.readOnly = true
	}
}

// damage is Linux finding out.
func (f *FS) damage() error {
	f.readOnly = true
	return syscall.EIO
}

// SyncDir brings a directory's names to the disk, and which clusters are taken; for a directory that was renamed, where
// it starts. It flushes the disk's cache.
func (f *FS) SyncDir(name string) error {
	if _, err := f.begin(OpSyncDir, name); err != nil {
		return err
	}
	dir, err := f.directory(name)
	if err != nil {
		return f.failed(OpSyncDir, name, err)
	}
	f.syncDirectory(dir)
	return nil
}

func (f *FS) syncDirectory(dir int) {
	f.disk.sendDirectory(dir)
	f.disk.writeNode(dir)
	f.disk.sendTables()
	f.disk.flush()
}

// FlushTables is SyncDir of the root directory.
func (f *FS) FlushTables() error { return f.SyncDir(".") }

// Flush is Sync, which does not flush the disk's cache, and SyncDir of the root directory, which does.
func (f *FS) Flush() error {
	if err := f.Sync(); err != nil {
		return err
	}
	return f.SyncDir(".")
}

// Sync brings everything to the disk, but not out of the disk's cache.
func (f *FS) Sync() error {
	if _, err := f.begin(OpSyncFS, "."); err != nil {
		return err
	}
	f.disk.sendAll()
	return nil
}

// Start is where a file's clusters begin, 0 for none. It is not an operation.
func (f *FS) Start(name string) (int64, error) {
	n, err := f.find(name)
	if err != nil {
		return 0, f.failed(OpStat, name, err)
	}
	return int64(f.disk.nodes[n].chain + 1), nil
}

// Lock keeps other runs out. It does not wait: a test is one run.
func (f *FS) Lock(context.Context) (func(), error) {
	if f.locked {
		return nil, f.failed("lock", ".", esp.ErrLocked)
	}
	f.locked = true
	return func() { f.locked = false }, nil
}

// begin notes an operation, and refuses one that writes to a file system that turned read-only.
func (f *FS) begin(kind OpKind, name string) (half bool, err error) {
	half, err = f.machine.begin(f, kind, name)
	if err == nil && f.readOnly && kind.Writes() && !kind.syncs() {
		err = f.failed(kind, name, syscall.EROFS)
	}
	return half, err
}

// find is what a name stands for.
func (f *FS) find(name string) (int, error) {
	if !fs.ValidPath(name) {
		return none, fs.ErrInvalid
	}
	n := root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !f.disk.nodes[n].isDir {
			return none, syscall.ENOTDIR
		}
		if f.disk.harmed(n) {
			return none, f.damage()
		}
		if n = f.disk.get(n, part); n == none {
			return none, fs.ErrNotExist
		}
	}
	return n, nil
}

func (f *FS) directory(name string) (int, error) {
	n, err := f.find(name)
	switch {
	case err != nil:
		return none, err
	case !f.disk.nodes[n].isDir:
		return none, syscall.ENOTDIR
	case f.disk.harmed(n):
		return none, f.damage()
	}
	return n, nil
}

func (f *FS) failed(kind OpKind, name string, err error) error {
	return &fs.PathError{Op: string(kind), Path: f.Path(name), Err: err}
}

// info describes a node as FAT does: no owners, no modes, and here no clock.
type info struct {
	name string
	size int64
	dir  bool
}

func (f *FS) info(n int) info {
	return info{f.disk.text(n), f.disk.nodes[n].size, f.disk.nodes[n].isDir}
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
