package bootbuilder

import (
	"context"
	"io/fs"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// FileKind says what a file on $BOOT is for.
type FileKind string

// The kinds, in the order in which they are written.
const (
	KindKernel     FileKind = "kernel"
	KindRamdisk    FileKind = "ramdisk"
	KindDevicetree FileKind = "devicetree"
	KindImage      FileKind = "image"
	KindConfig     FileKind = "config"
	KindEntry      FileKind = "entry"
	KindLoaderConf FileKind = "loader.conf"
	KindStaged     FileKind = "staged" // left behind by a run that was cut off
)

// file is one file that $BOOT should hold.
type file struct {
	name string
	kind FileKind
	size int64
	// text is the whole content of a small file; nil for payload.
	text []byte
	// key tells apart contents: two files of one name and key are the same file.
	key string
	// write streams the content.
	write func(ctx context.Context, w esp.Writer) error
	// same reports whether what stands on $BOOT under name is right already.
	same func(ctx context.Context) (bool, error)

	current bool // decided by the plan: nothing to write
	exists  bool // something stands under name

	looked  bool // info and infoErr are what standing found
	info    fs.FileInfo
	infoErr error
}

// standing describes what stands under the file's name. It looks once.
func (f *file) standing(boot esp.FS) (fs.FileInfo, error) {
	if !f.looked {
		f.info, f.infoErr = boot.Stat(f.name)
		f.looked = true
	}
	return f.info, f.infoErr
}

// bundle is everything that one generation needs on $BOOT in order to boot.
type bundle struct {
	gen     *Generation
	files   []*file // payload, in writing order
	entry   *file   // nil where the image itself is the entry (type #2)
	entryID string  // what loader.conf calls it
	image   string  // name of the Xen image
	config  []byte  // xen.cfg
	version string  // Xen's version, "" where unknown
}

// all lists the bundle's files, the entry last.
func (b *bundle) all() []*file {
	if b.entry == nil {
		return b.files
	}
	return append(append([]*file(nil), b.files...), b.entry)
}

// textFile is a file whose content is in memory.
func textFile(boot esp.FS, name string, kind FileKind, text []byte) *file {
	return &file{
		name: name, kind: kind, size: int64(len(text)), text: text, key: string(text),
		write: func(_ context.Context, w esp.Writer) error {
			_, err := w.Write(text)
			return err
		},
		same: func(context.Context) (bool, error) {
			have, err := esp.ReadFile(boot, name, int64(len(text))+4096)
			return err == nil && (string(have) == string(text) ||
				kind == KindEntry && len(have)%esp.SectorSize == 0 && strings.TrimRight(string(have), "\n") == strings.TrimRight(string(text), "\n")), nil
		},
	}
}
