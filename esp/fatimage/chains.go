package fatimage

import (
	"errors"
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
				return v.damaged(name, err)
			}
			if name == "." {
				break
			}
		}
	}
	if name := survey.OnFree(); name != "" && len(dirs)+len(files) > 0 {
		return v.damaged(name, survey.Damage(name))
	}
	return nil
}

func (v *volume) damaged(name string, err error) error {
	return fmt.Errorf("%s: %w", v.Path(name), v.hinted(err))
}

// hinted adds to an [ErrDamaged] what can be done about it.
func (v *volume) hinted(err error) error {
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	if v.part.Number == 0 {
		return hintError{err, fmt.Sprintf("repair the file system first: fsck.vfat -a %s", v.im.name)}
	}
	return hintError{err, fmt.Sprintf("repair the file system first: losetup --find --show --partscan %s, then fsck.vfat -a on partition %d of that device", v.im.name, v.part.Number)}
}

// hintError is an error with a word on what the user can do.
type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

// Hint is for whoever shows the error.
func (e hintError) Hint() string { return e.hint }
