package bootbuilder

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// SpaceError is returned where $BOOT has no room for a plan. Nothing was touched.
type SpaceError struct {
	Where  string // the file system
	Needed int64  // bytes, in whole clusters
	Free   int64  // bytes, with what would be freed first
	Items  []SpaceItem
}

// SpaceItem is one thing that needs room.
type SpaceItem struct {
	Name string
	Size int64 // bytes
}

func (e *SpaceError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no room on %s: %s needed, %s free", e.Where, FormatSize(e.Needed), FormatSize(e.Free))
	for i, item := range e.Items {
		if i == 3 {
			fmt.Fprintf(&b, ", and %d more", len(e.Items)-i)
			break
		}
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s (%s)", sep, path.Base(item.Name), FormatSize(item.Size))
	}
	return b.String()
}

// Is makes a SpaceError an ENOSPC for [errors.Is].
func (e *SpaceError) Is(target error) bool { return target == syscall.ENOSPC }

// FormatSize writes a number of bytes for people: "2.7 MiB".
func FormatSize(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, suffix := float64(n), ""
	for _, s := range []string{"KiB", "MiB", "GiB", "TiB"} {
		value, suffix = value/unit, s
		if value < unit {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, suffix)
}

// room is what applying a plan takes and frees on $BOOT, in whole clusters.
type room struct {
	needed, free, stale int64
	items               []SpaceItem
}

// measure holds the plan's bytes against the free space. Everything is staged beside what
// it replaces before anything is replaced, so all of it needs room at once.
func (p *Plan) measure() (room, error) {
	space, err := p.target.Boot.Space()
	if err != nil {
		return room{}, err
	}
	r := room{free: space.Free}
	growth := make(map[string]int64) // of each directory, in bytes
	for _, f := range p.writes {
		size := space.Rounded(f.size)
		r.needed += size
		r.items = append(r.items, SpaceItem{f.name, f.size})
		growth[path.Dir(f.name)] += nameSize(path.Base(f.name)) + nameSize(esp.StagedName(len(p.writes)))
	}
	for dir, size := range growth {
		r.needed += space.Rounded(size)
		for ; dir != "." && p.lacks(dir); dir = path.Dir(dir) {
			r.needed += space.Cluster // a new directory has one from the start
		}
	}
	if p.loader.changes() && p.target.ESP == p.target.Boot {
		r.needed += space.Rounded(int64(len(p.loader.after)))
	}
	for _, l := range p.stock.staged {
		if info, err := l.fsys.Stat(l.name); err == nil && l.fsys == p.target.Boot {
			r.free += space.Rounded(info.Size())
		}
	}
	for _, size := range p.stale.sizes {
		r.stale += space.Rounded(size)
	}
	slices.SortFunc(r.items, func(a, b SpaceItem) int {
		if a.Size != b.Size {
			return int(b.Size - a.Size)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return r, nil
}

// nameSize is what a name takes in a directory at most, in bytes: slots of 32 bytes, one of them
// for each 13 characters (Microsoft, FAT32 File System Specification 1.03).
func nameSize(name string) int64 { return 32 * int64(1+(len(name)+12)/13) }

// lacks reports whether a directory has yet to be made.
func (p *Plan) lacks(dir string) bool {
	_, err := p.target.Boot.Stat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// checkSpace decides whether there is room, and whether what is stale has to go first for it.
func (p *Plan) checkSpace() (dropFirst bool, err error) {
	if len(p.writes) == 0 {
		return false, nil
	}
	r, err := p.measure()
	if err != nil {
		return false, err
	}
	if r.needed <= r.free {
		return false, nil
	}
	if r.needed <= r.free+r.stale && p.bootsWithoutStale() {
		return true, nil
	}
	for _, b := range p.bundles {
		if slices.ContainsFunc(b.all(), func(f *file) bool { return !f.current }) {
			b.gen.Out = &Out{Reason: NoSpace}
		}
	}
	return false, WithHint(
		&SpaceError{Where: p.target.Boot.Path("."), Needed: r.needed, Free: r.free + r.stale, Items: r.items},
		"nothing was changed; remove old generations (nix-collect-garbage --delete-older-than) or give --limit")
}

// bootsWithoutStale reports whether something is left to start once what is stale is gone
// and nothing new is there yet: a NixOS entry whose files are on $BOOT, or a Xen entry
// that stays.
func (p *Plan) bootsWithoutStale() bool {
	if len(p.kept) > 0 {
		return true
	}
	for _, g := range p.Generations {
		if g.Source == FromLanzaboote || g.Source == FromEntries && p.in.onBoot(g.kernel) {
			return true
		}
	}
	return false
}

// spaceErrno reports whether err is the file system's "no space".
func spaceErrno(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
