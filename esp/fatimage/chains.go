package fatimage

import (
	"fmt"
	"path"
	"slices"
)

// checkChains looks at everything that mtools will touch before it does. On a file whose chain
// leads nowhere or to itself mtools (seen with 4.0.32) may run without end; to remove one of two
// files that share clusters takes them from the other; and what lies on clusters that are marked
// free would be written over. Repairing that is left to fsck.vfat.
func (v *volume) checkChains() error {
	if !v.changed() {
		return nil
	}
	survey, err := v.fat.Survey()
	if err != nil {
		return fmt.Errorf("%s: look at the file allocation table: %w", v.Path("."), err)
	}
	touched := slices.Concat(v.goneFiles, v.goneDirs)
	dirs, files := v.pending()
	for _, n := range slices.Concat(dirs, files) {
		touched = append(touched, n.path())
	}
	for _, name := range touched {
		for ; ; name = path.Dir(name) {
			if err := survey.Damage(name); err != nil {
				return damaged(v.Path(name), err)
			}
			if name == "." {
				break
			}
		}
	}
	if name := survey.OnFree(); name != "" && len(dirs)+len(files) > 0 {
		return damaged(v.Path(name), survey.Damage(name))
	}
	return nil
}

func damaged(name string, err error) error {
	return fmt.Errorf("%s: %w; fsck.vfat repairs what can be repaired", name, err)
}
