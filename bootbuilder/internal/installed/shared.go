package installed

import (
	"path"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Shared is a remnant that is made of the same clusters as another file: half a rename leaves that. To remove it
// frees what the other one is made of, and that is harmless until then; so it stays, for fsck.vfat to repair.
type Shared struct {
	Place
	With string // the other one's name
}

// setApart takes what shares its clusters out of what may be removed: staged files, and the short names
// of files whose long ones a power cut took.
func (inv *Inventory) setApart() {
	for _, list := range []*[]Place{&inv.Leftovers, &inv.Payload, &inv.AstrayPayload} {
		var keep []Place
		for _, p := range *list {
			with, err := sharedWith(p)
			switch {
			case err != nil:
				inv.Unread = err
			case with != "":
				inv.Shared = append(inv.Shared, Shared{p, with})
			default:
				keep = append(keep, p)
			}
		}
		*list = keep
	}
}

// sharedWith names the file beside a remnant that has the same clusters, or "": a live one before another remnant.
func sharedWith(p Place) (string, error) {
	if !isRemnant(p.Name) {
		return "", nil
	}
	beside, err := p.FS.ReadDir(path.Dir(p.Name))
	if err != nil {
		return "", err
	}
	with := ""
	for _, d := range beside {
		other := path.Join(path.Dir(p.Name), d.Name())
		if d.IsDir() || other == p.Name || with != "" && isRemnant(other) {
			continue
		}
		same, err := esp.ShareClusters(p.FS, p.Name, other)
		switch {
		case err != nil:
			return "", err
		case same && !isRemnant(other):
			return other, nil
		case same:
			with = other
		}
	}
	return with, nil
}

// isRemnant reports whether a file has a name that only a power cut leaves.
func isRemnant(name string) bool {
	base := path.Base(name)
	return esp.IsStaged(base) || esp.IsShortName(base)
}
