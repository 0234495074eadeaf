package bootbuilder

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// bootFile is a file that a generation needs. One of these is set.
type bootFile struct {
	boot  string // name on $BOOT
	store string // absolute path inside the root
	host  string // path of a file made for this run
}

func (f bootFile) missing() bool { return f == bootFile{} }

// openedFile is what both file systems give.
type openedFile interface {
	io.Reader
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// content is what a file holds, as far as deciding needs it.
type content struct {
	size int64
	sum  [sha256.Size]byte
}

// short is the part of the sum that goes into file names: 80 bits, which is
// plenty to tell apart what one partition holds.
func (c content) short() string { return fmt.Sprintf("%x", c.sum[:10]) }

// inputs reads what generations are made of. What many generations share is read
// and hashed once.
type inputs struct {
	root *nixroot.Root
	boot esp.FS
	sums map[bootFile]content
	// machines notes which machine each Xen image is for.
	machines map[bootFile]pe.Machine
}

func newInputs(root *nixroot.Root, boot esp.FS) *inputs {
	return &inputs{
		root: root, boot: boot,
		sums: make(map[bootFile]content), machines: make(map[bootFile]pe.Machine),
	}
}

// path says where a file is, for messages.
func (in *inputs) path(f bootFile) string {
	switch {
	case f.boot != "":
		return in.boot.Path(f.boot)
	case f.host != "":
		return f.host
	}
	return in.root.Path(f.store)
}

func (in *inputs) open(f bootFile) (openedFile, int64, error) {
	var file openedFile
	var err error
	switch {
	case f.boot != "":
		file, err = in.boot.Open(f.boot)
	case f.host != "":
		file, err = os.Open(f.host)
	default:
		file, err = in.root.OpenFile(f.store)
	}
	if err != nil {
		return nil, 0, err
	}
	size, err := sizeOf(file, in.path(f))
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, size, nil
}

// sizeOf is an open file's size; an empty file, which is of no use to anybody here, is an error.
func sizeOf(f openedFile, path string) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() == 0 {
		return 0, &fs.PathError{Op: "read", Path: path, Err: errors.New("file is empty")}
	}
	return info.Size(), nil
}

// check looks whether the file is there and holds something.
func (in *inputs) check(f bootFile) error {
	if _, ok := in.sums[f]; ok {
		return nil
	}
	file, _, err := in.open(f)
	if err != nil {
		return err
	}
	return file.Close()
}

// sum reads a file through once and remembers what it holds.
func (in *inputs) sum(ctx context.Context, f bootFile) (content, error) {
	if c, ok := in.sums[f]; ok {
		return c, nil
	}
	file, size, err := in.open(f)
	if err != nil {
		return content{}, err
	}
	defer file.Close()
	c := content{size: size}
	h := sha256.New()
	n, err := io.Copy(h, cancelable{ctx, file})
	if err != nil {
		return content{}, fmt.Errorf("read %s: %w", in.path(f), err)
	}
	if n != size {
		return content{}, fmt.Errorf("read %s: its size changed while it was read", in.path(f))
	}
	h.Sum(c.sum[:0])
	in.sums[f] = c
	return c, nil
}

// equal compares a file on $BOOT with another, byte for byte.
func (in *inputs) equal(ctx context.Context, name string, want bootFile) (bool, error) {
	info, err := in.boot.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c, err := in.sum(ctx, want)
	if err != nil {
		return false, err
	}
	if info.Size() != c.size {
		return false, nil
	}
	have, err := in.sum(ctx, bootFile{boot: name})
	if err != nil {
		return false, err
	}
	return have.sum == c.sum, nil
}

// cancelable ends a long read once ctx ends.
type cancelable struct {
	ctx context.Context
	r   io.Reader
}

func (c cancelable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

var storeName = regexp.MustCompile(`^[0-9a-df-np-sv-z]{32}-.`)

// payloadName is what a file from the store is called on $BOOT: nixpkgs'
// systemd-boot-builder joins the store path's name and the file's
// (<hash>-linux-6.12/bzImage becomes <hash>-linux-6.12-bzImage.efi).
func (in *inputs) payloadName(file string) (string, error) {
	resolved, err := in.root.Resolve(file)
	if err != nil {
		return "", err
	}
	parts := strings.Split(strings.Trim(resolved, "/"), "/")
	for i, part := range parts {
		if !storeName.MatchString(part) {
			continue
		}
		if last := len(parts) - 1; last > i {
			part += "-" + parts[last]
		}
		return part + ".efi", nil
	}
	return "", fmt.Errorf("%s is not in a store: no component of the path starts with a store hash", path.Clean(resolved))
}
