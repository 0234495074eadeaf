package fatimage

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage/internal/disk"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage/internal/fat"
)

// volume is one file system of an image: what is on it, with the unsynced changes on top.
type volume struct {
	im   *Image
	part disk.Partition // Number is 0 where the image is the file system
	fat  *fat.Volume
	root *node
	free int64 // bytes in free clusters of the image
	// The directories of the image that were looked into, by their first cluster.
	dirs map[uint32]*node
	// What is on the image and has to go, by its name there; directories innermost first.
	goneFiles, goneDirs []string
	taken               int64 // bytes that the changes take, less what they free
}

func (im *Image) newVolume(v *fat.Volume, part disk.Partition) (*volume, error) {
	free, err := v.Free()
	if err != nil {
		return nil, err
	}
	return &volume{im: im, part: part, fat: v, root: &node{entry: v.Root(), onImage: true}, free: free, dirs: make(map[uint32]*node)}, nil
}

func (v *volume) replace(by *volume) {
	v.part, v.fat, v.root = by.part, by.fat, by.root
	v.goneFiles, v.goneDirs, v.taken = nil, nil, 0
	v.free, v.dirs = by.free, by.dirs
}

// node is a file or directory. A directory of the image is read when it is first looked into, so
// that a hostile one costs nothing before.
type node struct {
	parent  *node // nil for the root
	entry   fat.Entry
	onImage bool
	staged  string // the host file with a new file's content

	loaded   bool
	children map[string]*node // by every name that FAT finds one by
}

// fold makes one of the spellings that FAT does not tell apart.
func fold(name string) string { return strings.ToUpper(name) }

// path is the name below the root of the volume.
func (n *node) path() string {
	if n.parent == nil {
		return "."
	}
	return path.Join(n.parent.path(), n.entry.Name)
}

// depth counts the directories above.
func (n *node) depth() int {
	depth := 0
	for ; n.parent != nil; n = n.parent {
		depth++
	}
	return depth
}

// load reads a directory's entries from the image, once.
func (v *volume) load(n *node) error {
	if n.loaded {
		return nil
	}
	// A directory that lies in itself, or in two places, would make a tree without end.
	if same := v.dirs[n.entry.Start()]; same != nil && same != n {
		return fmt.Errorf("%w: the directory is %s at the same time", ErrDamaged, v.Path(same.path()))
	}
	if n.depth() > fat.MaxDepth {
		return fmt.Errorf("%w: more than %d directories in each other", ErrDamaged, fat.MaxDepth)
	}
	list, err := v.fat.ReadDir(n.entry)
	if err != nil {
		return err
	}
	v.dirs[n.entry.Start()] = n
	n.children = make(map[string]*node)
	var nodes []*node
	for _, e := range list {
		if _, twice := n.children[fold(e.Name)]; !twice {
			c := &node{entry: e, onImage: true}
			c.attach(n)
			nodes = append(nodes, c)
		}
	}
	for _, c := range nodes {
		if _, taken := n.children[fold(c.entry.Alias)]; !taken {
			n.children[fold(c.entry.Alias)] = c
		}
	}
	n.loaded = true
	return nil
}

// attach puts a node into a loaded directory under its name.
func (n *node) attach(dir *node) {
	n.parent = dir
	dir.children[fold(n.entry.Name)] = n
}

// detach takes a node out of its directory.
func (n *node) detach() {
	for _, name := range []string{n.entry.Name, n.entry.Alias} {
		if n.parent.children[fold(name)] == n {
			delete(n.parent.children, fold(name))
		}
	}
}

// drop takes a node out for good, and with it what it takes on the image, now or later.
func (v *volume) drop(n *node) {
	n.detach()
	room := v.clusters(n.entry.Size)
	if n.entry.Dir {
		room = v.fat.ClusterSize()
	}
	v.taken -= room
	switch {
	case !n.onImage:
	case n.entry.Dir:
		v.goneDirs = append(v.goneDirs, n.path())
	default:
		v.goneFiles = append(v.goneFiles, n.path())
	}
}

// clusters rounds a size up to whole clusters.
func (v *volume) clusters(size int64) int64 {
	c := v.fat.ClusterSize()
	return (size + c - 1) / c * c
}

// find looks up a name; its errors are sentinels.
func (v *volume) find(name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	n := v.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !n.entry.Dir {
			return nil, syscall.ENOTDIR
		}
		if err := v.load(n); err != nil {
			return nil, err
		}
		child, ok := n.children[fold(part)]
		if !ok {
			return nil, fs.ErrNotExist
		}
		n = child
	}
	return n, nil
}

// directory looks up the directory that name stands in, loaded.
func (v *volume) directory(name string) (*node, error) {
	if name == "." {
		return nil, fs.ErrInvalid
	}
	dir, err := v.find(path.Dir(name))
	if err != nil {
		return nil, err
	}
	if !dir.entry.Dir {
		return nil, syscall.ENOTDIR
	}
	return dir, v.load(dir)
}

// pending lists the new directories, outermost first, and the new files.
func (v *volume) pending() (dirs, files []*node) {
	var walk func(n *node)
	walk = func(n *node) {
		for _, c := range n.list() {
			switch {
			case c.staged != "":
				files = append(files, c)
			case !c.entry.Dir:
			default:
				if !c.onImage {
					dirs = append(dirs, c)
				}
				walk(c)
			}
		}
	}
	walk(v.root)
	return dirs, files
}
