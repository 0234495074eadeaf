package content

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

// Compare holds a section's content of size bytes against a file. With prefix, more may follow than
// the file has.
func (r *Reader) Compare(ctx context.Context, have io.Reader, size int64, want Source, prefix bool) error {
	f, n, err := r.Open(want)
	if err != nil {
		return err
	}
	defer f.Close()
	differs := fmt.Errorf("it is not %s", r.Path(want))
	if size != n && !(prefix && size > n) {
		return differs
	}
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		m, err := f.Read(b)
		if m > 0 {
			if _, rerr := io.ReadFull(have, a[:m]); rerr != nil {
				return rerr
			}
			if !bytes.Equal(a[:m], b[:m]) {
				return differs
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Rebuilt reports whether an image of size bytes is what comes of adding sections to a base, but for a
// signature.
func (r *Reader) Rebuilt(ctx context.Context, base Source, add []pe.NewSection, have io.ReaderAt, size int64) (bool, error) {
	f, image, err := r.openImage(base)
	if err != nil {
		return false, err
	}
	defer f.Close()
	same, err := rebuilt(ctx, image, add, have, size)
	if err != nil || same {
		return same, err
	}
	without, dropped := image.WithoutDebug()
	if len(dropped) == 0 {
		return false, nil
	}
	return rebuilt(ctx, without, add, have, size)
}

func rebuilt(ctx context.Context, image *pe.Image, add []pe.NewSection, have io.ReaderAt, size int64) (bool, error) {
	a, err := image.Append(add...)
	if err != nil {
		return false, err
	}
	if same, err := a.Equal(have, size); err != nil || same {
		return same, err
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return a.EqualSigned(have, size)
}

// SectionSum is the SHA-256 of a section of an image on $BOOT; zeros where it can't be read.
func (r *Reader) SectionSum(name, section string) (sum [sha256.Size]byte) {
	f, image, err := r.openImage(Source{Boot: name})
	if err != nil {
		return sum
	}
	defer f.Close()
	s, ok := image.Section(section)
	h := sha256.New()
	if n, err := io.Copy(h, io.LimitReader(image.Open(s), int64(s.VirtualSize))); !ok || err != nil || n != int64(s.VirtualSize) {
		return sum
	}
	h.Sum(sum[:0])
	return sum
}

// CheckSum reads the CheckSum of an image on $BOOT: whether it has one, and whether it is right.
func (r *Reader) CheckSum(name string) (set, right bool, err error) {
	f, image, err := r.openImage(Source{Boot: name})
	if err != nil {
		return false, false, err
	}
	defer f.Close()
	return image.CheckSum()
}
