package pe_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

// TestAppend checks what a loader relies on, for images of every shape.
func TestAppend(t *testing.T) {
	t.Parallel()
	for name, base := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := parse(t, base)
			kernel := strings.Repeat("kernel ", 1000)
			a, b := assemble(t, base, section(".new", "[global]\n"), section(".kernel", kernel), section(".empty", ""))
			im := parse(t, b)

			checkOldSections(t, old, im)
			var end uint32
			for _, s := range old.Sections() {
				end = max(end, s.VirtualAddress+max(s.VirtualSize, s.Size))
			}
			fileAlignment, alignment := u32(b, optAt+36), u32(b, optAt+32)
			for _, want := range []struct{ name, content string }{{".new", "[global]\n"}, {".kernel", kernel}, {".empty", ""}} {
				s, ok := im.Section(want.name)
				if !ok {
					t.Fatalf("no section %s", want.name)
				}
				if got := string(content(t, im, s)); got != want.content {
					t.Errorf("%s holds %d bytes %.20q, want %d", want.name, len(got), got, len(want.content))
				}
				if s.VirtualSize != uint32(len(want.content)) || s.Size%fileAlignment != 0 || s.Size-s.VirtualSize >= fileAlignment ||
					s.Offset%fileAlignment != 0 || s.Characteristics != 0x40000040 {
					t.Errorf("header %+v", s)
				}
				if s.VirtualAddress < end || s.VirtualAddress%alignment != 0 || s.VirtualAddress%4096 != 0 {
					t.Errorf("%s lies at %#x, behind %#x, alignment %#x", want.name, s.VirtualAddress, end, alignment)
				}
				end = s.VirtualAddress + max(s.VirtualSize, 1)
			}
			if size := u32(b, sizeOfImage); size < end || size-end >= alignment || size%alignment != 0 {
				t.Errorf("SizeOfImage %#x, where the last section ends at %#x", size, end)
			}
			if old, now := u32(base, coffAt+4), u32(b, coffAt+4); old != now {
				t.Errorf("timestamp was %d, is %d", old, now)
			}
			if im.Signed() {
				t.Error("still signed")
			}
			sum := bytes.Clone(b)
			setCheckSum(sum)
			if got, want := u32(b, checkSumAt), u32(sum, checkSumAt); got != want {
				t.Errorf("CheckSum %#x, want %#x", got, want)
			}
			if same, err := a.Equal(bytes.NewReader(b), int64(len(b))); !same || err != nil {
				t.Errorf("Equal to itself: %v, %v", same, err)
			}
			var again memFile
			if err := a.WriteTo(&again); err != nil || !bytes.Equal(again.b, b) {
				t.Errorf("written twice, other bytes (%v)", err)
			}
		})
	}
}

// checkOldSections compares everything about the sections that were there already,
// but for their place in the file, and the file offsets in the debug directory.
func checkOldSections(t testing.TB, old, im *pe.Image) {
	t.Helper()
	for i, was := range old.Sections() {
		is := im.Sections()[i]
		before, after := content(t, old, was), content(t, im, is)
		if was.Name == ".buildid" && len(before) > 28 && len(after) > 28 {
			clear(before[24:28])
			clear(after[24:28])
		}
		if !bytes.Equal(before, after) {
			t.Errorf("content of section %s has changed", was.Name)
		}
		was.Offset, is.Offset = 0, 0
		if diff := cmp.Diff(was, is); diff != "" {
			t.Errorf("section header has changed: %s", diff)
		}
	}
}

func TestAppendMovesDebugData(t *testing.T) {
	t.Parallel()
	for _, r := range []recipe{{debug: true}, {debug: true, room: 400}, {debug: true, symbols: true, longName: true}} {
		_, b := assemble(t, r.build(t), section(".config", "x"))
		s, ok := parse(t, b).Section(".buildid")
		if !ok {
			t.Fatal("no .buildid")
		}
		if got := u32(b, int(s.Offset)+24); got != s.Offset+28 {
			t.Errorf("%+v: the debug directory points to %#x, its data are at %#x", r, got, s.Offset+28)
		}
	}
}

func TestAppendSymbolTable(t *testing.T) {
	t.Parallel()
	base := recipe{symbols: true, tail: "to be dropped"}.build(t)
	_, b := assemble(t, base, section(".config", "x"))
	if u32(b, coffAt+8) != 0 || u32(b, coffAt+12) != 0 || bytes.Contains(b, []byte("start\x00")) {
		t.Error("symbols nobody needs were kept")
	}

	base = recipe{symbols: true, longName: true, tail: "to be dropped"}.build(t)
	_, b = assemble(t, base, section(".config", strings.Repeat("x", 1000)))
	at := u32(b, coffAt+8)
	if u32(b, coffAt+12) != 2 || !bytes.HasPrefix(b[at:], []byte("start\x00")) || !bytes.HasSuffix(b, []byte(".debug_info\x00")) {
		t.Errorf("the string table that names sections is not at the end of the file:\n%q", b[len(b)-100:])
	}
	if got := tool(t, "objdump", "-h", writeFile(t, "image.efi", b)); !strings.Contains(got, ".debug_info") {
		t.Errorf("objdump doesn't find .debug_info:\n%s", got)
	}
}

// TestAppendToSigned: a signature goes away whole, and what is made is the same as
// from the image before it was signed.
func TestAppendToSigned(t *testing.T) {
	t.Parallel()
	base := recipe{debug: true, symbols: true}.build(t)
	f := memFile{bytes.Clone(base)}
	size, err := pe.AttachSignature(&f, int64(len(base)), []byte("as good as a signature"))
	if err != nil || size != int64(len(f.b)) {
		t.Fatalf("%d bytes, said %d: %v", len(f.b), size, err)
	}
	_, want := assemble(t, base, section(".config", "x"))
	_, got := assemble(t, f.b, section(".config", "x"))
	if diff := cmp.Diff(dump(want), dump(got)); diff != "" {
		t.Error(diff)
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	base := recipe{debug: true}.build(t)
	buildid, _ := parse(t, base).Section(".buildid")
	debugEntry := int(buildid.Offset)
	named := recipe{symbols: true, longName: true}.build(t) // its string table has 16 bytes
	ok := []pe.NewSection{section(".config", "x")}
	zeros := func(name string, size int64) pe.NewSection {
		return pe.NewSection{Name: name, Data: endless{}, Size: size}
	}
	many := make([]pe.NewSection, 96)
	for i := range many {
		many[i] = section("."+string(rune('0'+i/10))+string(rune('0'+i%10)), "")
	}
	for name, c := range map[string]struct {
		base []byte
		add  []pe.NewSection
		want string
	}{
		"name that exists":        {base, []pe.NewSection{section(".rodata", "x")}, `there is a section ".rodata" already`},
		"name twice":              {base, []pe.NewSection{section(".a", "x"), section(".a", "y")}, `there is a section ".a" already`},
		"no name":                 {base, []pe.NewSection{section("", "x")}, "1 to 8 bytes"},
		"long name":               {base, []pe.NewSection{section(".ramdisks", "x")}, `".ramdisks": it has to be 1 to 8`},
		"name with NUL":           {base, []pe.NewSection{section(".a\x00", "x")}, "byte 0x00"},
		"name like a long one":    {base, []pe.NewSection{section("/4", "x")}, "byte 0x2f"},
		"no data":                 {base, []pe.NewSection{{Name: ".a", Size: 1}}, "no data"},
		"negative size":           {base, []pe.NewSection{zeros(".a", -1)}, "its size is -1"},
		"2 GiB":                   {base, []pe.NewSection{zeros(".a", 1<<31)}, "2 GiB"},
		"2 GiB in two":            {base, []pe.NewSection{zeros(".a", 1<<30), zeros(".b", 1<<30)}, `section ".b": the image would reach 2 GiB`},
		"huge":                    {base, []pe.NewSection{zeros(".a", 1<<62)}, "2 GiB"},
		"many":                    {base, many, "103 sections"},
		"FileAlignment 0":         {put32(base, optAt+36, 0), ok, "alignment"},
		"FileAlignment 48":        {put32(base, optAt+36, 48), ok, "alignment"},
		"FileAlignment 1 MiB":     {put32(base, optAt+36, 1<<20), ok, "alignment"},
		"SectionAlignment 2G":     {put32(base, optAt+32, 1<<31), ok, "alignment"},
		"address at the top":      {put32(base, tableAt+12, 0xffffffff), ok, "2 GiB"},
		"relocations":             {put16(base, tableAt+32, 1), ok, "relocations"},
		"headers reach in":        {put32(base, optAt+60, 0x10000), ok, "overlap"},
		"content in headers":      {put32(base, tableAt+20, 0x40), ok, "overlap"},
		"section in headers":      {put32(base, tableAt+12, 0x10), ok, `no room for headers of 736 bytes in memory: section ".text" lies right behind the old ones`},
		"empty section at 0":      {put32(put32(put32(base, tableAt+12, 0x10), tableAt+6*40+8, 0), tableAt+6*40+12, 0), ok, `section ".text" lies`},
		"no room used":            {put32(recipe{room: 80}.build(t), tableAt+7*40, 1), ok, "in use"},
		"no sections":             {put16(base, coffAt+2, 0), ok, "no section with content"},
		"initialised data":        {put32(base, optAt+8, 0xffffffff), ok, "overflow"},
		"debug nowhere":           {put32(base, optAt+112+6*8, 0x7000000), ok, "debug directory"},
		"debug without end":       {put32(base, optAt+112+6*8+4, 0x7000000), ok, "debug directory"},
		"debug data nowhere":      {put32(base, debugEntry+24, 0x7000000), ok, "debug data"},
		"table not at the end":    {put32(put32(base, securityAt, 0x300), securityAt+4, 8), ok, "certificate table"},
		"table over sections":     {put32(put32(base, securityAt, uint32(len(base)-64)), securityAt+4, 64), ok, "overlap the certificate table"},
		"string table of 0 bytes": {put32(named, len(named)-16, 0), ok, "string table"},
		"string table too long":   {put32(named, len(named)-16, 17), ok, "string table"},
		"symbols nowhere":         {put32(named, coffAt+8, 0x7fffffff), ok, "symbol table"},
		"symbols without end":     {put32(named, coffAt+12, 0xffffffff), ok, "symbol table"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, c.base).Append(c.add...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	_, err := parse(t, base).Append(section(".rodata", "x"))
	if exists, ok := errors.AsType[*pe.SectionExistsError](err); !ok || exists.Name != ".rodata" {
		t.Errorf("got %v, want a SectionExistsError", err)
	}
}

func TestWriteToShortInput(t *testing.T) {
	t.Parallel()
	a, err := parse(t, recipe{}.build(t)).Append(pe.NewSection{Name: ".kernel", Data: strings.NewReader("short"), Size: 6})
	if err != nil {
		t.Fatal(err)
	}
	err = a.WriteTo(&memFile{})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), ".kernel") {
		t.Errorf("got %v, want an unexpected end of .kernel", err)
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	for _, r := range []recipe{{}, {symbols: true, longName: true}} {
		a, b := assemble(t, r.build(t), section(".config", "x"))
		for at := range b {
			other := bytes.Clone(b)
			other[at] ^= 0x40
			if same, err := a.Equal(bytes.NewReader(other), int64(len(other))); same || err != nil {
				t.Fatalf("byte %#x changed: %v, %v", at, same, err)
			}
		}
		for _, n := range []int{0, 1, len(b) - 1, len(b) + 1} {
			other := append(bytes.Clone(b), 0)[:n]
			if same, err := a.Equal(bytes.NewReader(other), int64(n)); same || err != nil {
				t.Errorf("%d bytes of it: %v, %v", n, same, err)
			}
		}
	}
}

func TestEqualSigned(t *testing.T) {
	t.Parallel()
	// A kept symbol table makes a file whose length is not a multiple of 8.
	base := recipe{symbols: true, longName: true}.build(t)
	a, b := assemble(t, base, section(".config", "x"))
	if len(b)%8 == 0 {
		t.Fatal("this test needs an image that has to be padded")
	}
	f := memFile{bytes.Clone(b)}
	if _, err := pe.AttachSignature(&f, int64(len(b)), []byte("a signature")); err != nil {
		t.Fatal(err)
	}
	table := int(u32(f.b, securityAt))
	for at := range f.b {
		other := bytes.Clone(f.b)
		other[at] ^= 0x40
		want := at >= table || at >= checkSumAt && at < checkSumAt+4
		if same, err := a.EqualSigned(bytes.NewReader(other), int64(len(other))); same != want || err != nil {
			t.Fatalf("byte %#x changed: %v, %v, want %v", at, same, err, want)
		}
	}
	for name, other := range map[string][]byte{"unsigned": b, "cut": f.b[:len(f.b)-8], "longer": append(bytes.Clone(f.b), 0), "empty": nil} {
		if same, err := a.EqualSigned(bytes.NewReader(other), int64(len(other))); same || err != nil {
			t.Errorf("%s: %v, %v", name, same, err)
		}
	}
	if same, err := a.Equal(bytes.NewReader(f.b), int64(len(f.b))); same || err != nil {
		t.Errorf("the signed one as unsigned: %v, %v", same, err)
	}
}

// endless reads as any number of bytes.
type endless struct{}

func (endless) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		p[i] = byte(off + int64(i))
	}
	return len(p), nil
}

// nowhere is a file that forgets what is written.
type nowhere struct{ n int64 }

func (w *nowhere) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	return len(p), nil
}
func (w *nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// TestMemoryStaysFlat streams a ramdisk of 160 MB. It runs alone, to count only its own
// allocations.
func TestMemoryStaysFlat(t *testing.T) {
	const size = 160 << 20
	base := recipe{}.build(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, err := parse(t, base).Append(pe.NewSection{Name: ".ramdisk", Data: endless{}, Size: size})
	if err != nil {
		t.Fatal(err)
	}
	w := &nowhere{}
	if err := a.WriteTo(w); err != nil || w.n != a.Size() {
		t.Fatalf("%d bytes written: %v", w.n, err)
	}
	if same, err := a.Equal(endless{}, a.Size()); same || err != nil {
		t.Errorf("Equal to something else: %v, %v", same, err)
	}
	runtime.ReadMemStats(&after)
	got := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d bytes allocated in all", got)
	if got > 1<<20 {
		t.Errorf("%d bytes were allocated for a section of %d", got, size)
	}
}
