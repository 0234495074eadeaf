package bootbuilder

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// copyFile brings a file from the store to $BOOT as it is.
func copyFile(ctx context.Context, in *inputs, name string, kind FileKind, from bootFile) (*file, error) {
	if err := esp.ValidFileName(path.Base(name)); err != nil {
		return nil, err
	}
	src, size, err := in.open(from)
	if err != nil {
		return nil, err
	}
	src.Close()
	return &file{
		name: name, kind: kind, size: size, key: "copy " + in.path(from),
		write: func(ctx context.Context, w esp.Writer) error { return in.stream(ctx, w, from) },
		same:  func(ctx context.Context) (bool, error) { return in.equal(ctx, name, from) },
	}, nil
}

// stream copies one file to w.
func (in *inputs) stream(ctx context.Context, w io.Writer, from bootFile) error {
	src, size, err := in.open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	n, err := io.Copy(w, cancelable{ctx, src})
	if err == nil && n != size {
		err = errors.New("its size changed while it was read")
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", in.path(from), err)
	}
	return nil
}

// initrdAlign is what the kernel wants between joined archives: zero bytes up to the
// next multiple of four (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
const initrdAlign = 4

func initrdPadding(size int64) int64 { return (initrdAlign - size%initrdAlign) % initrdAlign }

// joinedRamdisk is one file made of several initrds, since Xen takes one. Its name
// carries what is in it, so that it never changes under an entry that uses it.
func joinedRamdisk(ctx context.Context, in *inputs, parts []bootFile) (*file, error) {
	sum, size, err := in.joinedSum(ctx, parts)
	if err != nil {
		return nil, need(PayloadMissing, err)
	}
	name := path.Join(payloadDir, ramdiskName(sum))
	return &file{
		name: name, kind: KindRamdisk, size: size, key: "joined " + name,
		write: func(ctx context.Context, w esp.Writer) error { return in.streamJoined(ctx, w, parts) },
		same: func(ctx context.Context) (bool, error) {
			info, err := in.boot.Stat(name)
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			if err != nil || info.Size() != size {
				return false, err
			}
			have, err := in.sum(ctx, bootFile{boot: name})
			return err == nil && have.sum == sum, err
		},
	}, nil
}

func ramdiskName(sum [sha256.Size]byte) string {
	return fmt.Sprintf("initrd-%x.img", sum[:16])
}

func (in *inputs) joinedSum(ctx context.Context, parts []bootFile) (sum [sha256.Size]byte, size int64, err error) {
	h := sha256.New()
	counted := &counter{w: h}
	err = in.streamJoined(ctx, counted, parts)
	h.Sum(sum[:0])
	return sum, counted.n, err
}

func (in *inputs) streamJoined(ctx context.Context, w io.Writer, parts []bootFile) error {
	for i, part := range parts {
		counted := &counter{w: w}
		if err := in.stream(ctx, counted, part); err != nil {
			return err
		}
		if i == len(parts)-1 {
			break
		}
		if _, err := w.Write(make([]byte, initrdPadding(counted.n))); err != nil {
			return err
		}
	}
	return nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
