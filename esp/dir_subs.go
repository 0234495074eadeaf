package esp

import (
	"os"
	"path"
	"sync"
)

// subRoots are the directories that a [Dir] has open. While they are, nobody else is expected to add names.
type subRoots struct {
	mu    sync.Mutex
	open  map[string]*os.Root
	names map[string]map[Key]string // what is in some of them, as it is written; see [Dir.fold]
}

// at is a directory that is open, and the rest of a name below it. A directory that can't be opened
// leaves the whole name to the top.
func (d *Dir) at(name string) (*os.Root, string) {
	dir, base := path.Split(name)
	if dir == "" || base == "" {
		return d.root, name
	}
	dir = path.Clean(dir)
	d.subs.mu.Lock()
	defer d.subs.mu.Unlock()
	if sub, ok := d.subs.open[dir]; ok {
		return sub, base
	}
	sub, err := d.root.OpenRoot(dir)
	if err != nil {
		return d.root, name
	}
	if d.subs.open == nil {
		d.subs.open = make(map[string]*os.Root)
	}
	d.subs.open[dir] = sub
	return sub, base
}

// forget closes them: a directory was made, renamed or removed, and names may lead elsewhere now.
func (s *subRoots) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.open {
		sub.Close()
	}
	s.open, s.names = nil, nil
}

// made notes a new name.
func (s *subRoots) made(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if names := s.names[path.Dir(name)]; names != nil {
		names[KeyOf(path.Base(name))] = path.Base(name)
	}
}

// removed notes that a name is gone.
func (s *subRoots) removed(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names[path.Dir(name)], KeyOf(path.Base(name)))
}

// has reports whether a name is that of a directory that is open.
func (s *subRoots) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for dir := range s.open {
		if KeyOf(dir) == KeyOf(name) {
			return true
		}
	}
	return false
}
