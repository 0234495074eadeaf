package esp

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
)

// subRoots are the directories that a [Dir] has open. While they are, nobody else is expected to add names.
type subRoots struct {
	mu    sync.Mutex
	open  map[string]*os.Root
	none  map[string]error          // why there is no such directory, where there is none
	names map[string]map[Key]string // what is in some of them, as it is written; see [Dir.fold]
}

// at is a directory that is open, and the rest of a name below it. It is asked for once, also where there is none: of
// each generation a first install asks what is in an EFI/xen that is not made yet. A directory that can't be opened leaves
// the whole name to the top.
func (d *Dir) at(name string) (*os.Root, string, error) {
	dir, base := path.Split(name)
	if dir == "" || base == "" {
		return d.root, name, nil
	}
	dir = path.Clean(dir)
	s := d.subs
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub, ok := s.open[dir]; ok {
		return sub, base, nil
	}
	if err, ok := s.none[dir]; ok {
		return nil, "", err
	}
	if s.open == nil {
		s.open, s.none = make(map[string]*os.Root), make(map[string]error)
	}
	sub, err := d.root.OpenRoot(dir)
	switch {
	case err == nil:
		s.open[dir] = sub
		return sub, base, nil
	case errors.Is(err, fs.ErrNotExist):
		s.none[dir] = err
		return nil, "", err
	}
	return d.root, name, nil // the top says what is wrong
}

// forget closes them: a directory was made, renamed or removed, and names may lead elsewhere now.
func (s *subRoots) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.open {
		sub.Close()
	}
	s.open, s.none, s.names = nil, nil, nil
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
