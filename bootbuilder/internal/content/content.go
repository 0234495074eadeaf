package content

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Content is what a file shall hold.
type Content interface {
	// Size is how long the file will be, in bytes, at most.
	Size(r *Reader) (int64, error)
	// Identity tells contents apart: two of one identity are the same.
	Identity(ctx context.Context, r *Reader) (string, error)
	// Write streams it. Nothing is read back from w but to correct headers.
	Write(ctx context.Context, r *Reader, sign Signer, w esp.Writer) error
	// Same reports whether the file of this name on $BOOT holds it. It reads all of it.
	Same(ctx context.Context, r *Reader, name string) (bool, error)
}

// Text is a small file, whole.
type Text []byte

// Size is the text's length.
func (t Text) Size(*Reader) (int64, error) { return int64(len(t)), nil }

// Identity is the text's hash.
func (t Text) Identity(context.Context, *Reader) (string, error) {
	return fmt.Sprintf("text %x", sha256.Sum256(t)), nil
}

func (t Text) Write(_ context.Context, _ *Reader, _ Signer, w esp.Writer) error {
	_, err := w.Write(t)
	return err
}

// Same is byte by byte, but for more newlines at the end: entries are padded with them so that they
// can be overwritten in place, and no reader minds. Xen 4.17 minds a xen.cfg without any.
func (t Text) Same(_ context.Context, r *Reader, name string) (bool, error) {
	have, err := esp.ReadFile(r.boot, name, int64(len(t))+esp.MaxEntrySize)
	if err != nil {
		return false, nil
	}
	return t.Is(have), nil
}

// Is compares the text with one that was read, as Same does.
func (t Text) Is(have []byte) bool {
	if bytes.HasSuffix(t, []byte("\n")) && !bytes.HasSuffix(have, []byte("\n")) {
		return false
	}
	return bytes.Equal(bytes.TrimRight(have, "\n"), bytes.TrimRight(t, "\n"))
}

// Copy is a file as it is.
type Copy struct{ From Source }

// Size is the file's.
func (c Copy) Size(r *Reader) (int64, error) { return r.Size(c.From) }

// Identity is the source's.
func (c Copy) Identity(ctx context.Context, r *Reader) (string, error) {
	id, err := r.identity(ctx, c.From)
	return "copy " + id, err
}

func (c Copy) Write(ctx context.Context, r *Reader, _ Signer, w esp.Writer) error {
	return r.stream(ctx, w, c.From)
}

// Same compares byte by byte.
func (c Copy) Same(ctx context.Context, r *Reader, name string) (bool, error) {
	return r.Equal(ctx, name, c.From)
}

// Joined is one file made of several initrds, since Xen takes one.
type Joined struct{ Parts []Source }

// initrdAlign is what the kernel wants between joined archives: zero bytes up to the next multiple of
// four (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
const initrdAlign = 4

func initrdPadding(size int64) int64 { return (initrdAlign - size%initrdAlign) % initrdAlign }

// Size is that of all parts with the zeros between them.
func (j Joined) Size(r *Reader) (int64, error) {
	var size int64
	for _, part := range j.Parts {
		n, err := r.Size(part)
		if err != nil {
			return 0, err
		}
		size += initrdPadding(size) + n
	}
	return size, nil
}

// Sum is the SHA-256 of what the joined file holds.
func (j Joined) Sum(ctx context.Context, r *Reader) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	err = j.stream(ctx, r, h)
	h.Sum(sum[:0])
	return sum, err
}

// Identity is that of the parts, in order.
func (j Joined) Identity(ctx context.Context, r *Reader) (string, error) {
	text := "joined"
	for _, part := range j.Parts {
		id, err := r.identity(ctx, part)
		if err != nil {
			return "", err
		}
		text += " " + id
	}
	return text, nil
}

func (j Joined) Write(ctx context.Context, r *Reader, _ Signer, w esp.Writer) error {
	return j.stream(ctx, r, w)
}

func (j Joined) stream(ctx context.Context, r *Reader, w io.Writer) error {
	var at int64
	for _, part := range j.Parts {
		if _, err := w.Write(make([]byte, initrdPadding(at))); err != nil {
			return err
		}
		at += initrdPadding(at)
		if err := r.stream(ctx, w, part); err != nil {
			return err
		}
		at += r.sizes[part]
	}
	return nil
}

// Same compares what both hold.
func (j Joined) Same(ctx context.Context, r *Reader, name string) (bool, error) {
	info, err := r.boot.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if size, err := j.Size(r); err != nil || info.Size() != size {
		return false, err
	}
	want, err := j.Sum(ctx, r)
	if err != nil {
		return false, err
	}
	have, err := r.Sum(ctx, Source{Boot: name})
	return err == nil && have.Sum == want, err
}
