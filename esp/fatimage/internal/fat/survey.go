package fat

import (
	"errors"
	"fmt"
	"path"
	"slices"
)

// MaxDepth is how deep directories may lie in each other: deeper than any path that
// Windows or a firmware can name.
const MaxDepth = 128

// Survey is what the chains of all files and directories say of each other.
type Survey struct {
	damage map[string]error
	free   string // a file or directory on clusters that are marked free, or ""
}

// surveyed is one name with a chain.
type surveyed struct {
	path  string
	entry Entry
	depth int
}

// Survey follows the chain of each file and directory to its end. The work is bounded by the
// number of clusters. What is damaged is in the survey; an error is one of reading.
func (v *Volume) Survey() (*Survey, error) {
	s := &Survey{damage: make(map[string]error)}
	cs := newChains(v)
	var all []surveyed
	byStart := make(map[uint32][]string)
	shared := make(map[uint32]bool)
	queue := []surveyed{{path: ".", entry: v.Root()}}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		err := v.follow(cs, at.entry)
		if !at.entry.root || v.width == 32 {
			all = append(all, at)
			if at.entry.first != 0 {
				byStart[at.entry.first] = append(byStart[at.entry.first], at.path)
			}
		}
		var meets *sharedError
		if errors.As(err, &meets) {
			shared[meets.cluster] = true
		}
		first := len(byStart[at.entry.first]) < 2 // the same directory is not read again
		if err == nil && at.entry.Dir && first {
			var below []Entry
			if below, err = v.ReadDir(at.entry); err == nil && at.depth == MaxDepth && len(below) > 0 {
				err, below = fmt.Errorf("%w: more than %d directories in each other", ErrCorrupt, MaxDepth), nil
			}
			for _, e := range below {
				queue = append(queue, surveyed{path.Join(at.path, e.Name), e, at.depth + 1})
			}
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return nil, err
		}
		s.add(at.path, err)
	}
	for _, names := range byStart {
		for i, name := range names {
			if len(names) > 1 {
				s.add(name, fmt.Errorf("%w: it shares its clusters with %s", ErrCorrupt, names[(i+1)%len(names)]))
			}
		}
	}
	for _, at := range all {
		if c := cs.byID[at.entry.first]; c != nil && c.meets(shared) {
			s.add(at.path, fmt.Errorf("%w: it shares clusters with another file", ErrCorrupt))
		}
	}
	return s, nil
}

// follow holds a chain against what its entry says. A file may have more clusters than its length needs, as fallocate(2) gives
// them: a run that was cut off leaves such files. To remove one frees them all, on Linux and by mtools (seen with 4.0.32).
func (v *Volume) follow(cs *chains, e Entry) error {
	switch {
	case e.root && v.width != 32:
		return nil
	case e.Dir:
		_, err := v.directorySize(cs, e)
		return err
	case e.first == 0 && e.Size == 0:
		return nil
	case e.Size > v.Size():
		return fmt.Errorf("%w: the file is larger than the file system", ErrCorrupt)
	}
	want := (e.Size + v.clusterSize - 1) / v.clusterSize
	c := cs.from(e.first, int64(v.clusters)+1)
	if c.err != nil {
		return c.err
	}
	return c.atLeast(want)
}

// meets reports whether one of the clusters is in the chain.
func (c *chain) meets(clusters map[uint32]bool) bool {
	if len(clusters) == 0 {
		return false
	}
	return slices.ContainsFunc(c.extents, func(e extent) bool {
		for i := range e.count {
			if clusters[e.first+i] {
				return true
			}
		}
		return false
	})
}

func (s *Survey) add(name string, err error) {
	if err == nil || s.damage[name] != nil {
		return
	}
	s.damage[name] = err
	if errors.Is(err, errFree) && (s.free == "" || name < s.free) {
		s.free = name
	}
}

// Damage says what is wrong with the chain of a file or directory, by its path, or nil.
func (s *Survey) Damage(name string) error { return s.damage[name] }

// OnFree names a file or directory that lies on clusters that are marked free, where the next
// new file would be written over it; "" is none.
func (s *Survey) OnFree() string { return s.free }

// errFree is an [ErrCorrupt] of a chain with a free cluster.
var errFree = fmt.Errorf("%w: a chain with a cluster that is marked free", ErrCorrupt)
