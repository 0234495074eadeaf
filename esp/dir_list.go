package esp

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// ReadDir lists a directory, sorted by name. It looks nothing up: to look up one directory whose cluster holds
// garbage makes Linux turn a vfat read-only, and [os.Root] looks up every name that it lists.
func (d *Dir) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := folded(d, name, d.root.Open)
	if err != nil {
		return nil, d.wrap(err, name)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, d.wrap(&fs.PathError{Op: "open", Err: err}, name)
	}
	// A file of its own, which knows of no Root.
	plain := os.NewFile(uintptr(fd), d.Path(name))
	defer plain.Close()
	list, err := plain.ReadDir(-1)
	if err != nil {
		return nil, d.wrap(err, name)
	}
	for i, e := range list {
		list[i] = listed{d: d, dir: name, name: e.Name(), mode: e.Type()}
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return list, nil
}

// listed is a name in a directory, not looked up.
type listed struct {
	d         *Dir
	dir, name string
	mode      fs.FileMode
}

func (l listed) Name() string               { return l.name }
func (l listed) IsDir() bool                { return l.mode.IsDir() }
func (l listed) Type() fs.FileMode          { return l.mode }
func (l listed) Info() (fs.FileInfo, error) { return l.d.lstat(path.Join(l.dir, l.name)) }
func (l listed) String() string             { return fs.FormatDirEntry(l) }
