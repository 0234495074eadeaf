package bootbuilder

import "github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"

// withSizes notes how large everything is that goes.
func (v verdict) withSizes() verdict {
	v.sizes = make(map[installed.Place]int64)
	note := func(p installed.Place) {
		if info, err := p.FS.Stat(p.Name); err == nil {
			v.sizes[p] = info.Size()
		}
	}
	for _, e := range v.entries {
		note(e.Place())
	}
	for _, p := range append(append([]installed.Place(nil), v.payload...), v.leftover...) {
		note(p)
	}
	return v
}
