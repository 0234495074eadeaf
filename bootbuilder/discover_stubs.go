package bootbuilder

import (
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// maxStubSection bounds what is read of a stub's section, in bytes.
const maxStubSection = 64 << 10

// fromStubs reads the stubs that Lanzaboote's installer wrote (lzbt, f142433): images in
// EFI/Linux that name their kernel and initrd by path and SHA-256.
func fromStubs(boot esp.FS) ([]*Generation, error) {
	list, err := listDirectory(boot, unifiedDir)
	if err != nil {
		return nil, err
	}
	first := make(map[string]*Generation)
	var found []*Generation
	for _, e := range list {
		name, ok := esp.ParseStubName(e.Name())
		if !ok || e.IsDir() {
			continue
		}
		name.Hash, name.Tries = "", nil
		g := &Generation{
			ID: name.As(esp.Xen).ID(), Name: name, number: name.Generation,
			Source: FromLanzaboote, File: path.Join(unifiedDir, e.Name()),
		}
		if err := g.readStub(boot); err != nil {
			g.out(EntryInvalid, fmt.Errorf("lanzaboote stub %s: %w", boot.Path(g.File), err))
		}
		if other, ok := first[g.ID]; ok && supersedes(other, g) {
			continue
		}
		first[g.ID] = g
		found = append(found, g)
	}
	return found, nil
}

// supersedes decides between two stubs of one generation, which lzbt leaves until its sweep
// when the hash in the name changes: a readable one comes first, and of two for the same
// toplevel either will do.
func supersedes(first, g *Generation) bool {
	if first.Out != nil && g.Out == nil {
		*first = *g
		return true
	}
	return g.Out != nil || first.Toplevel == g.Toplevel
}

// readStub reads a stub's sections.
func (g *Generation) readStub(boot esp.FS) error {
	f, image, err := openPE(boot, g.File)
	if err != nil {
		return err
	}
	defer f.Close()
	text := func(name string) (string, error) {
		b, err := sectionBytes(image, name)
		return strings.TrimRight(string(b), "\x00"), err
	}
	osrel, err := text(".osrel")
	if err != nil {
		return err
	}
	release := parseOSRelease(osrel)
	// PRETTY_NAME says all that VERSION_ID says too: so long that on a console of 80
	// columns what we add to it would not be seen. The title is the short one instead.
	g.Version, g.SortKey = release["VERSION_ID"], release["ID"]
	cmdline, err := text(".cmdline")
	if err != nil {
		return err
	}
	if err := g.setInit(cmdline); err != nil {
		return err
	}
	if g.kernel, err = stubFile(image, ".linux"); err != nil {
		return err
	}
	initrd, err := stubFile(image, ".initrd")
	if err != nil {
		return err
	}
	g.initrds = []bootFile{initrd}
	g.hashes = map[bootFile][sha256.Size]byte{}
	for file, section := range map[bootFile]string{g.kernel: ".linuxh", initrd: ".initrdh"} {
		sum, err := sectionBytes(image, section)
		if err != nil {
			return err
		}
		if len(sum) != sha256.Size {
			return fmt.Errorf("section %s holds %d bytes, not a SHA-256", section, len(sum))
		}
		g.hashes[file] = [sha256.Size]byte(sum)
	}
	return nil
}

// stubFile is the file on $BOOT that a section names.
func stubFile(image *pe.Image, name string) (bootFile, error) {
	b, err := sectionBytes(image, name)
	if err != nil {
		return bootFile{}, err
	}
	file, ok := esp.BootPath(strings.TrimRight(string(b), "\x00"))
	if !ok {
		return bootFile{}, fmt.Errorf("section %s: %q is not a path on the ESP", name, b)
	}
	return bootFile{boot: file}, nil
}

func sectionBytes(image *pe.Image, name string) ([]byte, error) {
	s, ok := image.Section(name)
	if !ok {
		return nil, fmt.Errorf("no section %s", name)
	}
	b, err := io.ReadAll(io.LimitReader(image.Open(s), maxStubSection))
	if err != nil {
		return nil, fmt.Errorf("read section %s: %w", name, err)
	}
	return b, nil
}

// parseOSRelease reads the assignments of an os-release text, without shell escapes
// but for the quotes.
func parseOSRelease(text string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		values[key] = value
	}
	return values
}

// ukiOptions is the command line of the unified kernel image that a type #1 entry names.
func ukiOptions(boot esp.FS, uki string) (string, error) {
	name, ok := esp.BootPath(uki)
	if !ok {
		return "", fmt.Errorf("uki %q is not a path on $BOOT", uki)
	}
	f, image, err := openPE(boot, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := sectionBytes(image, ".cmdline")
	if err != nil {
		return "", fmt.Errorf("%s: %w", boot.Path(name), err)
	}
	return strings.TrimRight(string(b), "\x00"), nil
}
