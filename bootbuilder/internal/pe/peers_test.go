package pe_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

// TestAppendAgainstObjcopy holds our image against the one that objcopy makes with the
// sections at the same addresses. Left out of the comparison is what objcopy does
// otherwise: it stamps the time of day, doesn't round SizeOfImage, and leaves a CheckSum
// of its own. Symbols are stripped first, since it would keep those that we drop.
func TestAppendAgainstObjcopy(t *testing.T) {
	t.Parallel()
	for name, base := range corpus(t) {
		im := parse(t, base)
		// With a long name, objcopy drops the string table with the symbols; of a signature it
		// leaves the directory entry.
		if hasLongName(im) || im.Signed() {
			continue
		}
		objcopy := binutils(im, "objcopy")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stripped := filepath.Join(t.TempDir(), "stripped.efi")
			tool(t, objcopy, "--strip-all", writeFile(t, "base.efi", base), stripped)
			add := []pe.NewSection{section(".new", "[global]\n"), section(".kernel", strings.Repeat("k", 5000)), section(".x", strings.Repeat("x", 64))}
			_, ours := assemble(t, readFile(t, stripped), add...)

			args := []string{}
			for _, s := range add {
				b := make([]byte, s.Size)
				if _, err := s.Data.ReadAt(b, 0); err != nil {
					t.Fatal(err)
				}
				placed, ok := parse(t, ours).Section(s.Name)
				if !ok {
					t.Fatalf("no section %s in our image", s.Name)
				}
				args = append(args,
					"--add-section", s.Name+"="+writeFile(t, "section", b),
					"--change-section-vma", fmt.Sprintf("%s=%#x", s.Name, imageBase(ours)+uint64(placed.VirtualAddress)))
			}
			out := filepath.Join(t.TempDir(), "theirs.efi")
			tool(t, objcopy, append(args, stripped, out)...)
			theirs := readFile(t, out)
			for _, at := range []int{coffAt + 4, sizeOfImage, checkSumAt} {
				ours, theirs = put32(ours, at, 0), put32(theirs, at, 0)
			}
			if diff := cmp.Diff(dump(theirs), dump(ours)); diff != "" {
				t.Errorf("objcopy (-) and we (+) disagree:\n%s", diff)
			}
		})
	}
}

// TestObjdumpSeesSections asks binutils what is in our images.
func TestObjdumpSeesSections(t *testing.T) {
	t.Parallel()
	for name, base := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := strings.Repeat("a ramdisk, nearly\n", 1000) + "!"
			_, b := assemble(t, base, section(".new", "x"), section(".ramdisk", want))
			path := writeFile(t, "image.efi", b)
			theirs := objdumpSections(t, path)
			var ours []string
			im := parse(t, b)
			for _, s := range im.Sections() {
				ours = append(ours, fmt.Sprintf("%s size=%08x vma=%016x off=%08x", s.Name, len(content(t, im, s)), imageBase(b)+uint64(s.VirtualAddress), s.Offset))
			}
			if len(theirs) != len(ours) {
				t.Fatalf("objdump sees %d sections, we %d\n%v", len(theirs), len(ours), theirs)
			}
			for i, s := range im.Sections() {
				// Long names are looked up by objdump, and .bss has another size.
				if s.Offset == 0 || strings.HasPrefix(s.Name, "/") {
					continue
				}
				if ours[i] != theirs[i] {
					t.Errorf("section %d: objdump %q, we %q", i, theirs[i], ours[i])
				}
			}
			out := filepath.Join(t.TempDir(), "content")
			tool(t, binutils(parse(t, base), "objcopy"), "-O", "binary", "--only-section=.ramdisk", path, out)
			if got := string(readFile(t, out)); got != want {
				t.Errorf("objcopy reads %d bytes from the section, want %d", len(got), len(want))
			}
		})
	}
}

func objdumpSections(t *testing.T, path string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(tool(t, binutils(parse(t, readFile(t, path)), "objdump"), "-h", path)) {
		f := strings.Fields(line)
		if len(f) == 7 && strings.HasPrefix(f[6], "2**") {
			list = append(list, fmt.Sprintf("%s size=%s vma=%s off=%s", f[1], f[2], f[3], f[5]))
		}
	}
	return list
}

// binutils is the program of binutils that knows an image's machine: Debian has one set for each.
func binutils(im *pe.Image, program string) string {
	if im.Machine() == pe.ARM64 && runtime.GOARCH != "arm64" {
		return "aarch64-linux-gnu-" + program
	}
	return program
}

func hasLongName(im *pe.Image) bool {
	for _, s := range im.Sections() {
		if strings.HasPrefix(s.Name, "/") {
			return true
		}
	}
	return false
}

func imageBase(b []byte) uint64 {
	return uint64(u32(b, optAt+24)) | uint64(u32(b, optAt+28))<<32
}

// dump is a text that says where two images differ, without printing all of them.
func dump(b []byte) []string {
	lines := []string{fmt.Sprintf("%d bytes", len(b))}
	for at := 0; at < len(b); at += 16 {
		lines = append(lines, fmt.Sprintf("%08x  %x", at, b[at:min(at+16, len(b))]))
	}
	return lines
}
