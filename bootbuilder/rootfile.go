package bootbuilder

import (
	"fmt"
	"io"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
)

// readRootFile reads a whole file of at most limit bytes. One byte more is returned where
// there is more, so that the reader of the content refuses it with its own words.
func readRootFile(root *nixroot.Root, name string, limit int64) ([]byte, error) {
	f, err := root.OpenFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", root.Path(name), err)
	}
	return b, nil
}
