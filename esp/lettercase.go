package esp

import (
	"cmp"
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
	root, base, err := d.at(name)
	there := err == nil // the directory is
	if there {
		_, err = root.Lstat(base)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return name
	}
	if there && root != d.root {
		return cmp.Or(d.fold(path.Dir(name), base), name)
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

// fold gives the name in a directory that FAT takes for the same, or "".
func (d *Dir) fold(dir, name string) string {
	d.subs.mu.Lock()
	defer d.subs.mu.Unlock()
	names, ok := d.subs.names[dir]
	if !ok {
		var err error
		if names, err = d.namesIn(dir); err != nil {
			return ""
		}
		if d.subs.names == nil {
			d.subs.names = make(map[string]map[Key]string)
		}
		d.subs.names[dir] = names
	}
	have, ok := names[KeyOf(name)]
	if !ok {
		return ""
	}
	found := path.Join(dir, have)
	if _, err := d.root.Lstat(found); err != nil { // gone since it was listed
		return ""
	}
	return found
}

// namesIn are the names in a directory, as they are written.
func (d *Dir) namesIn(dir string) (map[Key]string, error) {
	f, err := d.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	names := make(map[Key]string, len(list))
	for _, name := range list {
		names[KeyOf(name)] = name
	}
	return names, nil
}
