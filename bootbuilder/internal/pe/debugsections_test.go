package pe_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

// withDebug has objcopy put debug sections of a real program behind an image, as a linker does.
func withDebug(t *testing.T, base []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "x.c")
	if err := os.WriteFile(source, []byte("int answer(int x) { return x * 42; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	object := filepath.Join(dir, "x.o")
	tool(t, "gcc", "-g", "-c", "-o", object, source)
	in, out := filepath.Join(dir, "in.efi"), filepath.Join(dir, "out.efi")
	if err := os.WriteFile(in, base, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--long-section-names=enable"}
	for i, name := range []string{".debug_info", ".debug_abbrev", ".debug_str"} {
		file := filepath.Join(dir, name)
		tool(t, "objcopy", "--dump-section", name+"="+file, object, os.DevNull)
		args = append(args, "--add-section", name+"="+file, "--set-section-flags", name+"=contents,readonly,debug",
			"--change-section-vma", name+"=0xffff82d0410"+string(rune('0'+i))+"0000")
	}
	tool(t, "objcopy", append(args, in, out)...)
	return readFile(t, out)
}

func TestWithoutDebug(t *testing.T) {
	t.Parallel()
	base := recipe{debug: true, symbols: true}.build(t)
	full := withDebug(t, base)
	if !strings.Contains(tool(t, "objdump", "-h", writeFile(t, "full.efi", full)), ".debug_info") {
		t.Fatal("there is nothing to leave out")
	}
	im, dropped := parse(t, full).WithoutDebug()
	if want := []string{".debug_info", ".debug_abbrev", ".debug_str"}; !slices.Equal(dropped, want) {
		t.Fatalf("left out %q, want %q", dropped, want)
	}
	config := strings.Repeat("c", 3000)
	for name, add := range map[string][]pe.NewSection{
		"alone":         nil,
		"with sections": {section(".config", config), section(".kernel", "k")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var made [2]memFile
			for i := range made {
				a, err := im.Append(add...)
				if err != nil {
					t.Fatal(err)
				}
				s, err := a.Stream(&made[i])
				if err != nil {
					t.Fatal(err)
				}
				if _, err := made[i].WriteAt(s.Unsigned().Data, s.Unsigned().Offset); err != nil {
					t.Fatal(err)
				}
				if s.Base != sha256.Sum256(full) {
					t.Error("the digest of the base is not that of the file")
				}
			}
			b := made[0].b
			if !bytes.Equal(b, made[1].b) {
				t.Error("not the same bytes twice")
			}
			if len(b) >= len(full)+3100 || bytes.Contains(b, []byte("answer")) {
				t.Error("debug data are still there")
			}
			got := parse(t, b)
			for _, s := range parse(t, base).Sections() {
				is, ok := got.Section(s.Name)
				if !ok || is.VirtualAddress != s.VirtualAddress || is.VirtualSize != s.VirtualSize {
					t.Errorf("section %s became %+v", s.Name, is)
				}
			}
			if n := len(got.Sections()); n != len(parse(t, base).Sections())+len(add) {
				t.Errorf("%d sections", n)
			}
			path := writeFile(t, "image.efi", b)
			if out := tool(t, "objdump", "-h", path); strings.Contains(out, ".debug") || !strings.Contains(out, ".reloc") {
				t.Errorf("objdump says:\n%s", out)
			}
			key, cert := testKey(t)
			signed := filepath.Join(t.TempDir(), "signed.efi")
			tool(t, "sbsign", "--key", key, "--cert", cert, "--output", signed, path)
			if out := tool(t, "sbverify", "--cert", cert, signed); !strings.Contains(out, "verification OK") || strings.Contains(out, "warning") {
				t.Errorf("sbverify says:\n%s", out)
			}
		})
	}
	// What was loaded is the same as without debug sections from the start.
	_, want := assemble(t, readFile(t, stripDebug(t, full)), section(".config", config))
	a, err := im.Append(section(".config", config))
	if err != nil {
		t.Fatal(err)
	}
	var got memFile
	if err := a.WriteTo(&got); err != nil {
		t.Fatal(err)
	}
	for _, s := range parse(t, want).Sections() {
		is, ok := parse(t, got.b).Section(s.Name)
		before, after := content(t, parse(t, want), s), content(t, parse(t, got.b), is)
		if s.Name == ".buildid" { // holds a file offset
			before, after = before[28:], after[28:]
		}
		if !ok || !bytes.Equal(before, after) {
			t.Errorf("content of %s differs from what is left by objcopy --strip-debug", s.Name)
		}
	}
}

func stripDebug(t *testing.T, b []byte) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "stripped.efi")
	tool(t, "objcopy", "--strip-debug", writeFile(t, "full.efi", b), out)
	return out
}

// TestWithoutDebugKeeps: sections that only look like debug data, or that something needs.
func TestWithoutDebugKeeps(t *testing.T) {
	t.Parallel()
	base := recipe{symbols: true, longName: true, debug: true}.build(t)
	header := bytes.Index(base, []byte("/4\x00\x00\x00\x00\x00\x00"))
	if header < 0 {
		t.Fatal("no section with a long name")
	}
	flags := func(f uint32) []byte { return put32(base, header+36, f) }
	names := bytes.LastIndex(base, []byte(".debug_info"))
	renamed := bytes.Clone(base)
	copy(renamed[names:], ".secret_ke")
	relocs := optAt + 112 + 5*8
	for name, c := range map[string]struct {
		image []byte
		drops bool
	}{
		"debug data":            {base, true},
		"no debug data":         {recipe{}.build(t), false},
		"another name":          {renamed, false},
		"not discardable":       {flags(0x40000040), false},
		"code":                  {flags(0x62000020), false},
		"writable":              {flags(0xc2000040), false},
		"a directory in it":     {put32(put32(base, relocs, 0xe00000), relocs+4, 8), false},
		"the entry point in it": {put32(base, optAt+16, 0xe00004), false},
		"before another":        {put32(base, header+12, 0x100000), false},
		"no string table":       {put32(base, coffAt+8, 0), false},
		"string table nowhere":  {put32(base, coffAt+8, 0x7fffffff), false},
	} {
		im := parse(t, c.image)
		without, dropped := im.WithoutDebug()
		if (len(dropped) > 0) != c.drops || (without != im) != c.drops {
			t.Errorf("%s: left out %q", name, dropped)
		}
	}
}

// TestWithoutDebugReal takes whatever unstripped images lie in the directory that XBB_ASSETS names.
func TestWithoutDebugReal(t *testing.T) {
	t.Parallel()
	for name, b := range corpus(t) {
		im, dropped := parse(t, b).WithoutDebug()
		if len(dropped) == 0 {
			continue
		}
		t.Logf("%s: %q", name, dropped)
		a, err := im.Append(section(".new", "x"))
		if err != nil {
			t.Fatal(err)
		}
		var f memFile
		if err := a.WriteTo(&f); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, %d without", name, len(b), len(f.b))
		parse(t, f.b)
	}
}
