package bootbuilder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// recipe is a Xen image with sections added.
type recipe struct {
	base     bootFile
	sections []section
}

// section is one added section: a text, or the joined content of files.
type section struct {
	name  string
	text  []byte
	files []bootFile
}

// assembledFile is an unsigned image.
func assembledFile(in *inputs, name string, r recipe) (*file, error) {
	f := &file{name: name, kind: KindImage, key: "image " + r.identity()}
	err := in.assemble(r, func(a *pe.Assembly) error {
		f.size = a.Size()
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.write = func(ctx context.Context, w esp.Writer) error {
		return in.assemble(r, func(a *pe.Assembly) error {
			return a.WriteTo(cancelableWriter{ctx, w})
		})
	}
	f.same = func(context.Context) (bool, error) {
		return in.matches(name, r, func(a *pe.Assembly, have openedFile, size int64) (bool, error) {
			return a.Equal(have, size)
		})
	}
	return f, nil
}

// identity tells recipes apart within one run.
func (r recipe) identity() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v", r.base)
	for _, s := range r.sections {
		fmt.Fprintf(&b, " %s=%x%v", s.name, sha256.Sum256(s.text), s.files)
	}
	return b.String()
}

// assemble opens a recipe's inputs for as long as use needs them.
func (in *inputs) assemble(r recipe, use func(*pe.Assembly) error) error {
	base, image, err := in.openImage(r.base)
	if err != nil {
		return err
	}
	defer base.Close()
	var add []pe.NewSection
	for _, s := range r.sections {
		ns := pe.NewSection{Name: s.name, Data: bytes.NewReader(s.text), Size: int64(len(s.text))}
		if s.files != nil {
			joined, err := in.openJoined(s.files)
			if err != nil {
				return need(PayloadMissing, err)
			}
			defer joined.Close()
			ns.Data, ns.Size = joined, joined.size
		}
		add = append(add, ns)
	}
	a, err := image.Append(add...)
	if err != nil {
		return need(ImageInvalid, fmt.Errorf("%s: %w", in.path(r.base), err))
	}
	return use(a)
}

// openImage opens and parses a Xen image, and notes which machine it is for.
func (in *inputs) openImage(f bootFile) (openedFile, *pe.Image, error) {
	file, size, err := in.open(f)
	if err != nil {
		return nil, nil, need(XenMissing, err)
	}
	image, err := pe.Parse(file, size)
	if err != nil {
		file.Close()
		return nil, nil, need(ImageInvalid, fmt.Errorf("%s: %w", in.path(f), err))
	}
	in.machines[f] = image.Machine()
	return file, image, nil
}

// checkXenImage looks whether a file is an image at all, once for each file.
func (in *inputs) checkXenImage(f bootFile) error {
	if _, ok := in.machines[f]; ok {
		return nil
	}
	file, _, err := in.openImage(f)
	if err != nil {
		return err
	}
	return file.Close()
}

// matches holds what stands on $BOOT under name against a recipe.
func (in *inputs) matches(name string, r recipe, equal func(*pe.Assembly, openedFile, int64) (bool, error)) (bool, error) {
	have, size, err := in.open(bootFile{boot: name})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer have.Close()
	var same bool
	err = in.assemble(r, func(a *pe.Assembly) error {
		same, err = equal(a, have, size)
		return err
	})
	return same, err
}

// joined reads several files as one, padded in between as [joinedRamdisk] does.
type joined struct {
	parts []openedFile
	start []int64 // where each part begins
	end   []int64 // where its content ends; zeros up to the next start
	size  int64
}

func (in *inputs) openJoined(files []bootFile) (*joined, error) {
	j := &joined{}
	for _, f := range files {
		j.size += initrdPadding(j.size)
		file, size, err := in.open(f)
		if err != nil {
			j.Close()
			return nil, err
		}
		j.parts = append(j.parts, file)
		j.start = append(j.start, j.size)
		j.size += size
		j.end = append(j.end, j.size)
	}
	return j, nil
}

// ReadAt implements [io.ReaderAt].
func (j *joined) ReadAt(p []byte, off int64) (int, error) {
	total := 0
	for i, part := range j.parts {
		if total == len(p) {
			return total, nil
		}
		if off < j.end[i] {
			n := min(int64(len(p)-total), j.end[i]-off)
			m, err := part.ReadAt(p[total:total+int(n)], off-j.start[i])
			total += m
			off += int64(m)
			if int64(m) < n {
				if err == nil || errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return total, err
			}
		}
		if i+1 < len(j.parts) && off < j.start[i+1] {
			n := min(int64(len(p)-total), j.start[i+1]-off)
			clear(p[total : total+int(n)])
			total += int(n)
			off += n
		}
	}
	if total < len(p) {
		return total, io.EOF
	}
	return total, nil
}

// Close closes all parts.
func (j *joined) Close() error {
	var errs []error
	for _, p := range j.parts {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// cancelableWriter ends a long write once ctx ends.
type cancelableWriter struct {
	ctx context.Context
	pe.Destination
}

func (c cancelableWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Destination.Write(p)
}
