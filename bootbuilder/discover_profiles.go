package bootbuilder

import (
	"errors"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
)

func fromProfiles(root *nixroot.Root) ([]*Generation, error) {
	return nil, errors.New("profiles are not read yet")
}
