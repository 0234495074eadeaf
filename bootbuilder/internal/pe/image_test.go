package pe_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

func TestParse(t *testing.T) {
	t.Parallel()
	b := recipe{symbols: true, longName: true}.build(t)
	im := parse(t, b)
	if im.Machine() != pe.AMD64 || im.Signed() {
		t.Errorf("machine %v, signed %v", im.Machine(), im.Signed())
	}
	if got := parse(t, recipe{machine: 0xaa64}.build(t)).Machine(); got != pe.ARM64 {
		t.Errorf("machine %v", got)
	}
	var names []string
	for _, s := range im.Sections() {
		names = append(names, s.Name)
	}
	want := []string{".text", ".rodata", ".buildid", ".data", ".bss", ".reloc", ".pad", "/4"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	text, ok := im.Section(".text")
	if got := string(content(t, im, text)); !ok || !strings.HasPrefix(got, "the text of") || !strings.HasSuffix(got, "here") {
		t.Errorf(".text: %v %q", ok, got)
	}
	bss, ok := im.Section(".bss")
	if got := content(t, im, bss); !ok || len(got) != 0 {
		t.Errorf(".bss: %v, %d bytes in the file", ok, len(got))
	}
	if s, ok := im.Section(".tex"); ok {
		t.Errorf("found %+v", s)
	}
	if table, err := im.Certificates(); table != nil || err != nil {
		t.Errorf("Certificates of an unsigned image: %d bytes, %v", len(table), err)
	}
}

func TestSectionTakesTheFirst(t *testing.T) {
	t.Parallel()
	b := recipe{}.build(t)
	copy(b[tableAt+3*40:], ".rodata\x00")
	s, ok := parse(t, b).Section(".rodata")
	if !ok || s.VirtualAddress != 0x400000 {
		t.Errorf("%v %+v", ok, s)
	}
}

// TestOpenForeignSection: a header that Parse has not seen can't make Open read on.
func TestOpenForeignSection(t *testing.T) {
	t.Parallel()
	b := recipe{}.build(t)
	im := parse(t, b)
	for _, s := range []pe.Section{
		{Offset: uint32(len(b)) - 4, Size: 100, VirtualSize: 100},
		{Offset: 0xffffffff, Size: 0xffffffff, VirtualSize: 0xffffffff},
	} {
		if got := len(content(t, im, s)); got > 4 {
			t.Errorf("%+v: %d bytes", s, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	b := recipe{}.build(t)
	far := append(bytes.Clone(b[:0x80]), make([]byte, 1<<17)...)
	copy(far[1<<17:], b[0x80:])
	far = put32(far, 60, 1<<17)
	for name, c := range map[string]struct {
		b     []byte
		notPE bool
		want  string
	}{
		"empty":              {nil, true, "0 bytes"},
		"text":               {bytes.Repeat([]byte("fake kernel 6.12.58\n"), 10), true, "no MZ"},
		"ELF":                {append([]byte("\x7fELF"), make([]byte, 100)...), true, "no MZ"},
		"DOS program":        {append([]byte("MZ"), make([]byte, 100)...), true, "byte 0"},
		"DOS program, other": {put32(b, 60, 0x90), true, "no PE header at byte 144"},
		"PE header nowhere":  {put32(b, 60, 0xffffffff), true, "byte 4294967295"},
		"PE header far":      {far, false, "starts at byte 131072"},
		"cut in PE header":   {b[:coffAt+10], false, "ends within it"},
		"cut in table":       {b[:tableAt+10], false, "section table ends"},
		"cut in a section":   {b[:len(b)-1], false, `section ".reloc" ends`},
		"PE32":               {put16(b, optAt, 0x10b), false, "32-bit"},
		"ROM image":          {put16(b, optAt, 0x107), false, "no PE32+"},
		"no optional header": {put16(b, coffAt+16, 0), false, "no PE32+"},
		"i386":               {put16(b, coffAt, 0x14c), false, "machine 0x14c"},
		"many sections":      {put16(b, coffAt+2, 97), false, "97 sections"},
		"long headers":       {put16(b, coffAt+16, 0xffff), false, "more than 65536"},
		"many directories":   {put32(b, optAt+108, 17), false, "17 data directories"},
		"all directories":    {put32(b, optAt+108, 0xffffffff), false, "data directories"},
		"section far away":   {put32(b, tableAt+20, 0xfffffff0), false, `section ".text"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pe.Parse(bytes.NewReader(c.b), int64(len(c.b)))
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, pe.ErrNotPE) != c.notPE {
				t.Errorf("got %v, want an error with %q, ErrNotPE %v", err, c.want, c.notPE)
			}
		})
	}
}

// TestParseReadError: a disk that fails is not a file that is not an image.
func TestParseReadError(t *testing.T) {
	t.Parallel()
	_, err := pe.Parse(failing{}, 4096)
	if !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, pe.ErrNotPE) {
		t.Errorf("got %v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestCertificatesRefuses(t *testing.T) {
	t.Parallel()
	b := recipe{}.build(t)
	big := append(bytes.Clone(b), make([]byte, 2<<20)...)
	for name, c := range map[string]struct {
		b         []byte
		off, size uint32
	}{
		"behind the end":  {b, uint32(len(b)), 8},
		"in the headers":  {b, 0, uint32(len(b))},
		"not at the end":  {b, uint32(len(b)) - 16, 8},
		"wraps around":    {b, 0xfffffff8, uint32(len(b)) + 8},
		"over a megabyte": {big, uint32(len(b)), 2 << 20},
	} {
		im := parse(t, put32(put32(c.b, securityAt, c.off), securityAt+4, c.size))
		if table, err := im.Certificates(); err == nil || !im.Signed() {
			t.Errorf("%s: %d bytes, no error", name, len(table))
		}
	}
}
