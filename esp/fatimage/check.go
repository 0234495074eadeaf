package fatimage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// check reads the new image back: every change has to be there.
func (im *Image) check(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	newESP, newBoot, err := im.volumes(f, info.Size())
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if err := im.esp.check(newESP); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if im.boot == nil {
		return nil
	}
	if err := im.boot.check(newBoot); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	return nil
}

func (v *volume) check(written *volume) error {
	for _, name := range slices.Concat(v.goneFiles, v.goneDirs) {
		if v.stands(name) != written.stands(name) {
			return fmt.Errorf("%s: still there", v.Path(name))
		}
	}
	dirs, files := v.pending()
	for _, n := range slices.Concat(dirs, files) {
		got, err := written.find(n.path())
		if err == nil && (got.path() != n.path() || got.entry.Dir != n.entry.Dir) {
			err = fmt.Errorf("it became %s", got.path())
		}
		if err == nil && !n.entry.Dir {
			err = sameContent(v, n, written, got)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", v.Path(n.path()), err)
		}
	}
	return nil
}

// stands reports whether there is something by this very name, which is not an alias.
func (v *volume) stands(name string) bool {
	n, err := v.find(name)
	return err == nil && n.path() == name
}

func sameContent(v *volume, n *node, written *volume, got *node) error {
	want, err := v.open(n)
	if err != nil {
		return err
	}
	defer want.Close()
	have, err := written.open(got)
	if err != nil {
		return err
	}
	defer have.Close()
	a, b := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		na, erra := io.ReadFull(want, a)
		nb, errb := io.ReadFull(have, b)
		switch {
		case !bytes.Equal(a[:na], b[:nb]):
			return errors.New("its content differs from what was written")
		case erra == nil && errb == nil:
		case ended(erra) && ended(errb):
			return nil
		default:
			return errors.Join(erra, errb)
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
