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
// What doesn't exist keeps the given case from there on. On FAT itself there is nothing
// to look for.
func (d *Dir) find(name string) string {
	if d.fat {
		return name
	}
	root, base := d.at(name)
	if _, err := root.Lstat(base); err == nil || !errors.Is(err, fs.ErrNotExist) {
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
	f, err := d.root.Open(dir)
	if err != nil {
		return ""
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return ""
	}
	for _, have := range names {
		if strings.EqualFold(have, name) {
			return path.Join(dir, have)
		}
	}
	return ""
}
