package esp

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// folded does op on a name, and only where that finds nothing looks for the name in another
// letter case.
func folded[T any](d *Dir, name string, op func(string) (T, error)) (T, error) {
	result, err := op(name)
	if errors.Is(err, fs.ErrNotExist) {
		if found := d.find(name); found != name {
			return op(found)
		}
	}
	return result, err
}

// find gives a name in the letter case it has on the disk, as FAT would find it.
// On FAT itself the first look succeeds. What doesn't exist keeps the given case
// from there on.
func (d *Dir) find(name string) string {
	if _, err := d.root.Lstat(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return name
	}
	found := "."
	parts := strings.Split(name, "/")
	for i, part := range parts {
		next := path.Join(found, part)
		if _, err := d.root.Lstat(next); err != nil {
			if next = d.fold(found, part); next == "" {
				return path.Join(append([]string{found}, parts[i:]...)...)
			}
		}
		found = next
	}
	return found
}

func (d *Dir) fold(dir, name string) string {
	list, err := fs.ReadDir(d.root.FS(), dir)
	if err != nil {
		return ""
	}
	for _, e := range list {
		if strings.EqualFold(e.Name(), name) {
			return path.Join(dir, e.Name())
		}
	}
	return ""
}
