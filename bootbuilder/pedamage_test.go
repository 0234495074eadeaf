package bootbuilder_test

import (
	"bytes"
	stdpe "debug/pe"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// sectionSpan is where a section's raw data lies in an image on $BOOT.
func (b *machine) sectionSpan(name, section string) (start, end int) {
	b.t.Helper()
	f, err := stdpe.NewFile(strings.NewReader(b.read(name)))
	b.must(err)
	s := f.Section(section)
	if s == nil {
		b.t.Fatalf("%s has no section %s", name, section)
	}
	return int(s.Offset), int(s.Offset + min(s.Size, s.VirtualSize))
}

func (b *machine) section(name, section string) string {
	b.t.Helper()
	start, end := b.sectionSpan(name, section)
	return b.read(name)[start:end]
}

// flip changes one bit of a file.
func (b *machine) flip(name string, at int) {
	b.t.Helper()
	data := []byte(b.read(name))
	data[at] ^= 0x10
	b.write(name, string(data))
}

func (b *machine) truncate(name string, by int) {
	b.t.Helper()
	data := b.read(name)
	b.write(name, data[:len(data)-by])
}

// addedSections are those that the layouts append to a Xen image, in order.
var addedSections = []string{".config", ".osrel", ".cmdline", ".kernel", ".ramdisk"}

// reassemble makes an image again, whole and signed as it should be, from its own Xen and
// with other sections: one of change without a text is left out.
func (b *machine) reassemble(name string, sign bootbuilder.Signer, change map[string]string) {
	b.t.Helper()
	have, err := stdpe.NewFile(strings.NewReader(b.read(name)))
	b.must(err)
	var add []pe.NewSection
	for _, section := range addedSections {
		if have.Section(section) == nil {
			continue
		}
		text, changed := change[section]
		if !changed {
			text = b.section(name, section)
		}
		if text != "" {
			add = append(add, pe.NewSection{Name: section, Data: strings.NewReader(text), Size: int64(len(text))})
		}
	}
	xen := fixtures.XenImage(fixtures.XenOptions{Version: "4.20.2"})
	image, err := pe.Parse(bytes.NewReader(xen), int64(len(xen)))
	b.must(err)
	assembly, err := image.Append(add...)
	b.must(err)
	temp := filepath.Join(b.t.TempDir(), "image.efi")
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE, 0o644)
	b.must(err)
	defer f.Close()
	b.must(assembly.WriteTo(f))
	if sign != nil {
		attachSignature(b, f, assembly.Size(), sign)
	}
	data, err := os.ReadFile(temp)
	b.must(err)
	b.write(name, string(data))
}

func attachSignature(b *machine, f *os.File, size int64, sign bootbuilder.Signer) {
	b.t.Helper()
	digest, err := pe.Authentihash(f, size)
	b.must(err)
	signature, err := sign.(content.DigestSigner).SignDigest(digest)
	b.must(err)
	_, err = pe.AttachSignature(f, size, signature)
	b.must(err)
}

// certificates is an image's attribute certificate table, which lies at its end.
func (b *machine) certificates(name string) []byte {
	b.t.Helper()
	data := b.read(name)
	image, err := pe.Parse(strings.NewReader(data), int64(len(data)))
	b.must(err)
	table, err := image.Certificates()
	b.must(err)
	return slices.Clone(table)
}

// transplant puts the signature of one image in the place of another's.
func (b *machine) transplant(from, to string) {
	b.t.Helper()
	theirs, ours := b.certificates(from), b.certificates(to)
	if len(theirs) != len(ours) {
		b.t.Fatalf("signatures of %d and %d bytes", len(theirs), len(ours))
	}
	data := []byte(b.read(to))
	copy(data[len(data)-len(ours):], theirs)
	b.write(to, string(data))
}
