package pe_test

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

func seeds(f *testing.F) [][]byte {
	f.Helper()
	signed := memFile{recipe{symbols: true}.build(f)}
	if _, err := pe.AttachSignature(&signed, int64(len(signed.b)), []byte("signature")); err != nil {
		f.Fatal(err)
	}
	return [][]byte{
		nil,
		[]byte("MZ"),
		recipe{}.build(f),
		recipe{room: 120}.build(f),
		recipe{debug: true, symbols: true, longName: true, tail: "tail"}.build(f),
		recipe{machine: 0xaa64, fileAlignment: 0x200, sectionAlignment: 0x1000}.build(f),
		signed.b,
	}
}

// FuzzParse: any bytes are an image or an error.
func FuzzParse(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		im, err := pe.Parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, s := range im.Sections() {
			n, err := io.Copy(io.Discard, im.Open(s))
			if err != nil || n != im.Open(s).Size() || n > int64(s.VirtualSize) {
				t.Errorf("section %+v: %d bytes, %v", s, n, err)
			}
		}
		if table, err := im.Certificates(); err == nil && im.Signed() && !bytes.HasSuffix(b, table) {
			t.Error("the certificate table is not the end of the file")
		}
		_, _ = pe.Authentihash(bytes.NewReader(b), int64(len(b)))
		file := memFile{bytes.Clone(b)}
		if size, err := pe.AttachSignature(&file, int64(len(b)), []byte("signature")); err == nil {
			checkAttached(t, b, file.b, size)
		}
	})
}

func checkAttached(t *testing.T, b, signed []byte, size int64) {
	t.Helper()
	if size != int64(len(signed)) || !parse(t, signed).Signed() {
		t.Errorf("%d bytes, said %d", len(signed), size)
	}
	before, err1 := pe.Authentihash(bytes.NewReader(b), int64(len(b)))
	after, err2 := pe.Authentihash(bytes.NewReader(signed), size)
	if err1 == nil && (err2 != nil || before != after) {
		t.Errorf("signing has changed the digest: %v", err2)
	}
}

// FuzzAppend: what comes out of any image parses again, has the new sections and the
// old ones as they were, and is the same as itself.
func FuzzAppend(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b, ".config", "[global]\n", ".kernel", "kernel")
	}
	f.Fuzz(func(t *testing.T, b []byte, name1, data1, name2, data2 string) {
		im, err := pe.Parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		a, err := im.Append(section(name1, data1), section(name2, data2))
		if err != nil {
			return
		}
		if a.Size() > int64(len(b)+len(data1)+len(data2))+4<<16+100 {
			t.Fatalf("%d bytes made of %d", a.Size(), len(b))
		}
		var out memFile
		if err := a.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		if same, err := a.Equal(bytes.NewReader(out.b), a.Size()); !same || err != nil {
			t.Errorf("Equal to itself: %v, %v", same, err)
		}
		checkAppended(t, im, parse(t, out.b), []string{data1, data2})
		_, _ = pe.Authentihash(bytes.NewReader(out.b), a.Size())
		if size, err := pe.AttachSignature(&out, a.Size(), []byte("signature")); err == nil {
			if same, err := a.EqualSigned(bytes.NewReader(out.b), size); !same || err != nil {
				t.Errorf("EqualSigned to itself, signed: %v, %v", same, err)
			}
		}
	})
}

func checkAppended(t *testing.T, old, im *pe.Image, added []string) {
	t.Helper()
	before, after := old.Sections(), im.Sections()
	if len(after) != len(before)+len(added) {
		t.Fatalf("%d sections made of %d", len(after), len(before))
	}
	for i, was := range before {
		is := after[i]
		if differ := differing(content(t, old, was), content(t, im, is)); differ > 64*4 {
			// The debug directory's file offsets may change; it has 64 entries at most.
			t.Errorf("section %d: %d bytes have changed", i, differ)
		}
		was.Offset, is.Offset = 0, 0
		if was != is {
			t.Errorf("section %d was %+v, is %+v", i, was, is)
		}
	}
	for i, want := range added {
		s := after[len(before)+i]
		if got := string(content(t, im, s)); got != want {
			t.Errorf("section %s holds %q, want %q", s.Name, got, want)
		}
		for _, other := range after[:len(before)+i] {
			if s.VirtualAddress < other.VirtualAddress+max(other.VirtualSize, other.Size) {
				t.Errorf("%+v overlaps %+v", s, other)
			}
		}
	}
}

func differing(a, b []byte) int {
	n := max(len(a), len(b)) - min(len(a), len(b))
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// TestObjdumpAgrees has binutils read what the seeds become. XBB_OBJDUMP names a directory
// of further images to try: a fuzzing run's corpus, say, as plain files.
func TestObjdumpAgrees(t *testing.T) {
	t.Parallel()
	images := corpus(t)
	if dir := os.Getenv("XBB_OBJDUMP"); dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			images[e.Name()] = readFile(t, dir+"/"+e.Name())
		}
	}
	for name, b := range images {
		t.Run(name, func(t *testing.T) {
			im, err := pe.Parse(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				return // not an image: nothing to agree on
			}
			a, err := im.Append(section(".new", "contents"))
			if err != nil {
				return // refused: nothing to agree on
			}
			var out memFile
			if err := a.WriteTo(&out); err != nil {
				t.Fatal(err)
			}
			listed := objdumpSections(t, writeFile(t, "image.efi", out.b))
			if !slices.ContainsFunc(listed, func(s string) bool { return strings.HasPrefix(s, ".new size=00000008 ") }) {
				t.Errorf("objdump doesn't see the new section: %q", listed)
			}
		})
	}
}
