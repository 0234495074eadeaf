package bootbuilder

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// installed is a Xen entry of ours that stands on $BOOT, read as systemd-boot and Xen
// would read it.
type installed struct {
	id      string     // "xen-generation-5"
	entryID string     // what loader.conf calls it
	entry   string     // the type #1 entry's file, "" for a type #2 image
	text    []byte     // of the entry
	parsed  *esp.Entry // nil for a type #2 image
	layout  Layout
	image   string // the Xen image
	config  []byte // xen.cfg's text, nil where it can't be read
	cfg     xencfg.Config
	release map[string]string // .osrel of a type #2 image
	// refs are the files on $BOOT, beside the entry, that it takes to boot.
	refs []string
	// unsummed is an image without a CheckSum, which those made here have: the script's.
	unsummed bool
	// broken is the first thing that keeps it from booting; nil if nothing does.
	broken error
}

// file is what makes the entry one: its own file, or the image itself.
func (e *installed) file() string {
	if e.entry != "" {
		return e.entry
	}
	return e.image
}

// maxEntry and maxConfig bound what is read of a small file, in bytes.
const (
	maxEntry  = 64 << 10
	maxConfig = 64 << 10
)

// readEntry reads an entry xen-*.conf. It returns nil for one that is not ours: one that
// does not point at payload of ours. An error is why it could not be read.
func readEntry(boot esp.FS, file string, name esp.Name) (*installed, error) {
	text, err := esp.ReadFile(boot, file, maxEntry)
	if err != nil {
		return nil, err
	}
	if strings.Trim(string(text), "\n\x00") == "" {
		// Of our name, and blank: a run that was cut off has made it.
		return &installed{
			id: name.ID(), entryID: path.Base(file), entry: file, text: text, parsed: &esp.Entry{},
			layout: LayoutShared, broken: fmt.Errorf("%s: is blank", boot.Path(file)),
		}, nil
	}
	parsed, err := esp.ParseEntry(text)
	if err != nil {
		return nil, err
	}
	efi, _ := parsed.Get("efi")
	image, ok := esp.BootPath(efi)
	if !ok || !ownPayload(image) {
		return nil, startsSomethingElse(boot, parsed)
	}
	e := &installed{
		id: name.ID(), entryID: path.Base(file), entry: file, text: text, parsed: parsed,
		image: image, refs: []string{image},
	}
	if strings.EqualFold(path.Dir(image), payloadDir) && !scriptFile.MatchString(path.Base(image)) {
		e.layout = LayoutShared
		e.readShared(boot)
	} else {
		e.layout = LayoutEmbedded
		e.readEmbedded(boot)
	}
	return e, nil
}

// errForeign is of an entry that has a name of ours, but starts something else: somebody wrote
// it by hand.
var errForeign = errors.New("somebody else's entry is in the way")

// startsSomethingElse tells a hand-written entry from a damaged one of ours: what it names is there.
func startsSomethingElse(boot esp.FS, e *esp.Entry) error {
	for _, key := range []string{"efi", "linux", "uki"} {
		value, _ := e.Get(key)
		if name, ok := esp.BootPath(value); ok && readable(boot, name) == nil {
			return errForeign
		}
	}
	return nil
}

// readUnified reads an image in EFI/Linux; nil for one without .config, which is not ours.
func readUnified(boot esp.FS, name string) *installed {
	e := &installed{
		id: ourUnified.FindStringSubmatch(path.Base(name))[1], entryID: path.Base(name),
		layout: LayoutUnified, image: name, refs: []string{name},
	}
	f, image, err := openPE(boot, name)
	if err != nil {
		// A damaged image of our name: nobody else makes that name.
		e.broken = err
		return e
	}
	defer f.Close()
	if _, ok := image.Section(".config"); !ok {
		return nil
	}
	e.readConfigSection(boot, image)
	if osrel, err := sectionBytes(image, ".osrel"); err == nil {
		e.release = parseOSRelease(string(osrel))
	}
	if _, ok := image.Section(".kernel"); !ok && e.broken == nil {
		e.broken = fmt.Errorf("%s: no .kernel section", boot.Path(name))
	}
	return e
}

// readShared follows -cfg= to the xen.cfg, and from there to kernel and ramdisk.
func (e *installed) readShared(boot esp.FS) {
	cfg, ok := strings.CutPrefix(e.parsed.Options(), configOption)
	if !ok || cfg == "" || strings.ContainsAny(cfg, " /\\") {
		e.broken = fmt.Errorf("%s: options name no xen.cfg", boot.Path(e.entry))
		return
	}
	name := path.Join(path.Dir(e.image), cfg)
	e.refs = append(e.refs, name)
	if e.config, e.broken = esp.ReadFile(boot, name, maxConfig); e.broken != nil {
		return
	}
	if e.broken = readable(boot, e.image); e.broken == nil {
		e.decode(boot)
	}
	if e.broken == nil {
		e.follow(boot)
	}
}

// readEmbedded reads the .config section, and follows it to kernel and ramdisk.
func (e *installed) readEmbedded(boot esp.FS) {
	f, image, err := openPE(boot, e.image)
	if err != nil {
		e.broken = err
		return
	}
	defer f.Close()
	e.readConfigSection(boot, image)
	if e.broken == nil {
		e.follow(boot)
	}
}

func (e *installed) readConfigSection(boot esp.FS, image *pe.Image) {
	s, ok := image.Section(".config")
	if !ok {
		e.broken = fmt.Errorf("%s: no .config section", boot.Path(e.image))
		return
	}
	text, err := io.ReadAll(io.LimitReader(image.Open(s), maxConfig))
	if err != nil {
		e.broken = fmt.Errorf("read .config of %s: %w", boot.Path(e.image), err)
		return
	}
	e.config = text
	e.decode(boot)
}

// decode reads the xen.cfg as Xen does.
func (e *installed) decode(boot esp.FS) {
	var err error
	if e.cfg, err = xencfg.Decode(e.config, ""); err != nil {
		e.broken = fmt.Errorf("%s: %w", e.configPath(boot), err)
	}
}

// follow notes the files that the xen.cfg names and looks whether they are there.
func (e *installed) follow(boot esp.FS) {
	for _, name := range []string{e.cfg.Kernel, e.cfg.Ramdisk, e.cfg.DTB} {
		if name == "" {
			continue
		}
		file, ok := fromConfig(name, e.image)
		if !ok {
			e.broken = fmt.Errorf("%s: %q is not a file name", e.configPath(boot), name)
			return
		}
		e.refs = append(e.refs, file)
		if err := readable(boot, file); err != nil && e.broken == nil {
			e.broken = err
		}
	}
}

// configPath says where an entry's xen.cfg is, for messages.
func (e *installed) configPath(boot esp.FS) string {
	if e.layout == LayoutShared {
		return boot.Path(e.refs[1])
	}
	return "xen.cfg in " + boot.Path(e.image)
}

// fromConfig is the file on $BOOT that a name in a xen.cfg means: one that starts with a
// backslash counts from the root, any other from the image's directory.
func fromConfig(name, image string) (string, bool) {
	if !strings.HasPrefix(name, `\`) {
		name = efiPath(path.Dir(image)) + `\` + name
	}
	return esp.BootPath(name)
}

// readable looks whether a file is there and holds something.
func readable(boot esp.FS, name string) error {
	f, err := boot.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = sizeOf(f, boot.Path(name))
	return err
}

func openPE(boot esp.FS, name string) (esp.File, *pe.Image, error) {
	f, err := boot.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil {
		var image *pe.Image
		if image, err = pe.Parse(f, info.Size()); err == nil {
			return f, image, nil
		}
		err = fmt.Errorf("%s: %w", boot.Path(name), err)
	}
	f.Close()
	return nil, nil, err
}
