package bootbuilder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
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
	// broken is the first thing that keeps it from booting; nil if nothing does.
	broken error
}

// stock is all of ours that stands on $BOOT.
type stock struct {
	entries []*installed // from old to new, each profile by itself
	payload []string     // files whose names have our form, referred to or not
	staged  []string     // left behind by a run that was cut off
	strange []string     // entries of our name that start no image of ours: not ours
}

// generationStem is what our ids look like after "xen-": the live forms of NixOS' entry names.
const generationStem = `(?:.+-)?generation-[0-9]+(?:-specialisation-.+)?|[0-9a-f]{64}`

// The names of payload that this project or nixpkgs' script makes.
var (
	ourConfig  = regexp.MustCompile(`(?i)^xen-(?:` + generationStem + `)\.cfg$`)
	ourImage   = regexp.MustCompile(`(?i)^xen-(?:[0-9a-z._]+-)?[0-9a-f]{20}\.efi$`)
	ourInitrd  = regexp.MustCompile(`(?i)^initrd-[0-9a-f]{32}\.img$`)
	ourCopy    = regexp.MustCompile(`(?i)^[0-9a-df-np-sv-z]{32}-.+\.efi$`)
	ourUnified = regexp.MustCompile(`(?i)^(xen-(?:` + generationStem + `))-[0-9a-f]{16}\.efi$`)
	scriptFile = regexp.MustCompile(`(?i)^xen-(?:` + generationStem + `)(?:\+[0-9]+(?:-[0-9]+)?)?\.efi$`)
)

// ownPayload reports whether a file on $BOOT is of our making, by its name alone.
// An image in EFI/Linux also has to carry .config: that folder belongs to all.
func ownPayload(name string) bool {
	dir, base := path.Split(name)
	switch {
	case strings.EqualFold(dir, payloadDir+"/"):
		return ourConfig.MatchString(base) || ourImage.MatchString(base) || ourInitrd.MatchString(base) || ourCopy.MatchString(base)
	case strings.EqualFold(dir, nixosDir+"/"):
		return scriptFile.MatchString(base)
	case strings.EqualFold(dir, unifiedDir+"/"):
		return ourUnified.MatchString(base)
	}
	return false
}

// readStock takes stock of $BOOT.
func readStock(boot esp.FS) (*stock, error) {
	s := &stock{}
	for _, dir := range []string{payloadDir, nixosDir, unifiedDir} {
		names, err := s.list(boot, dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if !ownPayload(name) {
				continue
			}
			if dir == unifiedDir {
				e := readUnified(boot, name)
				if e == nil {
					continue
				}
				s.entries = append(s.entries, e)
			}
			s.payload = append(s.payload, name)
		}
	}
	if _, err := s.list(boot, path.Dir(loaderConf)); err != nil { // for what is staged
		return nil, err
	}
	names, err := s.list(boot, entriesDir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		n, ok := esp.ParseName(path.Base(name))
		if !ok || n.Kind != esp.Xen {
			continue
		}
		if e := readEntry(boot, name, n); e != nil {
			s.entries = append(s.entries, e)
		} else {
			s.strange = append(s.strange, name)
		}
	}
	slices.SortStableFunc(s.entries, func(a, b *installed) int {
		first, _ := esp.ParseStem(a.id)
		second, _ := esp.ParseStem(b.id)
		return first.Compare(second)
	})
	return s, nil
}

// list gives the regular files of a folder that may not exist, and keeps staged ones apart.
func (s *stock) list(boot esp.FS, dir string) ([]string, error) {
	entries, err := boot.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, withHint(err, "the file system may be damaged: unmount it and run fsck.vfat")
	}
	var names []string
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
		case esp.IsStaged(e.Name()):
			s.staged = append(s.staged, name)
		default:
			names = append(names, name)
		}
	}
	return names, nil
}

// maxEntry and maxConfig bound what is read of a small file, in bytes.
const (
	maxEntry  = 64 << 10
	maxConfig = 64 << 10
)

// readEntry reads an entry xen-*.conf. It returns nil for one that is not ours: one that
// does not point at payload of ours.
func readEntry(boot esp.FS, file string, name esp.Name) *installed {
	text, err := esp.ReadFile(boot, file, maxEntry)
	if err != nil {
		return nil
	}
	parsed, err := esp.ParseEntry(text)
	if err != nil {
		return nil
	}
	efi, _ := parsed.Get("efi")
	image, ok := esp.BootPath(efi)
	if !ok || !ownPayload(image) {
		return nil
	}
	e := &installed{
		id: name.ID(), entryID: path.Base(file), entry: file, text: text, parsed: parsed,
		image: image, refs: []string{image},
	}
	if strings.EqualFold(path.Dir(image), payloadDir) {
		e.layout = LayoutShared
		e.readShared(boot)
	} else {
		e.layout = LayoutEmbedded
		e.readEmbedded(boot)
	}
	return e
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
	if e.cfg, err = xencfg.Decode(text, ""); err != nil {
		e.broken = fmt.Errorf("xen.cfg in %s: %w", boot.Path(e.image), err)
	}
}

// follow notes the files that the xen.cfg names and looks whether they are there.
func (e *installed) follow(boot esp.FS) {
	cfg, err := xencfg.Decode(e.config, "")
	if err != nil {
		e.broken = fmt.Errorf("xen.cfg of %s: %w", boot.Path(e.image), err)
		return
	}
	e.cfg = cfg
	for _, name := range []string{cfg.Kernel, cfg.Ramdisk, cfg.DTB} {
		if name == "" {
			continue
		}
		file, ok := fromConfig(name, e.image)
		if !ok {
			e.broken = fmt.Errorf("xen.cfg of %s: %q is no file name", boot.Path(e.image), name)
			return
		}
		e.refs = append(e.refs, file)
		if err := readable(boot, file); err != nil && e.broken == nil {
			e.broken = err
		}
	}
}

// fromConfig is the file on $BOOT that a name in a xen.cfg means: one that starts with a
// backslash counts from the root, any other from the image's folder.
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
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return &fs.PathError{Op: "read", Path: boot.Path(name), Err: errors.New("file is empty")}
	}
	return nil
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
