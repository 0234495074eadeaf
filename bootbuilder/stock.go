package bootbuilder

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// stock is all of ours that stands on $BOOT.
type stock struct {
	entries []*installed    // from old to new, each profile by itself
	payload []string        // files whose names have our form, referred to or not
	staged  []leftover      // left behind by a run that was cut off
	strange []string        // entries and images of our name that start no Xen of ours
	foreign map[string]bool // of those, which are somebody's: by lower-case name
	unread  error           // of an entry that may be ours
}

// unreadable is the error of something that could not be read, if there is any.
func (s *stock) unreadable() error {
	for _, e := range s.entries {
		if unreadable(e.broken) {
			return e.broken
		}
	}
	return s.unread
}

// leftover is a staged file that a run did not live to rename.
type leftover struct {
	fsys esp.FS
	name string
}

func (l leftover) path() string { return l.fsys.Path(l.name) }

// readStock takes stock of $BOOT, and of what is staged for loader.conf.
func readStock(target Target) (*stock, error) {
	s := &stock{foreign: make(map[string]bool)}
	boot := target.Boot
	for _, dir := range []string{payloadDir, nixosDir, unifiedDir} {
		names, err := s.list(boot, dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if !ownPayload(name) {
				continue
			}
			if dir == unifiedDir && xenAlias(path.Base(name), "efi") {
				if !oursInside(boot, name) {
					continue
				}
			} else if dir == unifiedDir {
				e := readUnified(boot, name)
				if e == nil {
					s.strange = append(s.strange, name)
					continue
				}
				s.entries = append(s.entries, e)
			}
			s.payload = append(s.payload, name)
		}
	}
	names, err := s.list(target.ESP, path.Dir(loaderConf))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if esp.IsShortNameOf(path.Base(name), "loader", "conf") && oursInside(target.ESP, name) {
			s.staged = append(s.staged, leftover{target.ESP, name})
		}
	}
	names, err = s.list(boot, entriesDir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if xenAlias(path.Base(name), "conf") && oursInside(boot, name) {
			s.payload = append(s.payload, name)
			continue
		}
		n, ok := esp.ParseName(path.Base(name))
		if !ok || n.Kind != esp.Xen {
			continue
		}
		e, err := readEntry(boot, name, n)
		switch {
		case unreadable(err):
			s.unread = err
		case e == nil:
			s.strange = append(s.strange, name)
			s.foreign[strings.ToLower(name)] = errors.Is(err, errForeign)
		default:
			s.entries = append(s.entries, e)
		}
	}
	slices.SortStableFunc(s.entries, func(a, b *installed) int {
		first, _ := esp.ParseStem(a.id)
		second, _ := esp.ParseStem(b.id)
		return first.Compare(second)
	})
	return s, nil
}

// listDirectory lists a directory; one that does not exist is empty.
func listDirectory(boot esp.FS, dir string) ([]fs.DirEntry, error) {
	list, err := boot.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return list, WithHint(err, "the file system may be damaged: unmount it and run fsck.vfat")
}

// list gives the regular files of a directory that may not exist, and keeps staged ones apart.
func (s *stock) list(boot esp.FS, dir string) ([]string, error) {
	entries, err := listDirectory(boot, dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
		case esp.IsStaged(e.Name()), esp.IsShortNameOf(e.Name(), ".xen-boot-builder-", "tmp"):
			s.staged = append(s.staged, leftover{boot, name})
		default:
			names = append(names, name)
		}
	}
	return names, nil
}

// oursInside reports whether a file that lost its long name holds what we write: nothing yet, blank
// lines, an entry for payload of ours, or a Xen image with a .config.
func oursInside(boot esp.FS, name string) bool {
	f, err := boot.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, esp.SectorSize)
	n, _ := f.ReadAt(head, 0)
	text := strings.Trim(string(head[:n]), "\x00\n")
	if text == "" {
		return true
	}
	if strings.HasPrefix(text, "MZ") {
		g, image, err := openPE(boot, name)
		if err != nil {
			return false
		}
		defer g.Close()
		_, ok := image.Section(".config")
		return ok
	}
	e, err := esp.ParseEntry([]byte(text))
	if err != nil {
		return false
	}
	efi, _ := e.Get("efi")
	file, ok := esp.BootPath(efi)
	return ok && ownPayload(file)
}
