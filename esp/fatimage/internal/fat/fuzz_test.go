package fat_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage/internal/fat"
)

// small is a FAT of 10 sectors with a directory and two files, made by hand so that the fuzzer
// needs no tools.
func small(width int) []byte {
	b := make([]byte, 10*512)
	copy(b, "\xeb\x3c\x90test    ")
	le := binary.LittleEndian
	le.PutUint16(b[11:], 512)
	b[13], b[16], b[21] = 1, 1, 0xf8
	le.PutUint16(b[14:], 1)
	le.PutUint16(b[19:], 10)
	root := b[2*512:]
	if width == 32 {
		le.PutUint32(b[36:], 1)
		le.PutUint32(b[44:], 2)
		le.PutUint32(b[512+2*4:], 0x0fffffff)
		le.PutUint32(b[512+3*4:], 4)
		le.PutUint32(b[512+4*4:], 0x0fffffff)
		le.PutUint32(b[512+5*4:], 0x0fffffff)
	} else {
		le.PutUint16(b[17:], 16)
		le.PutUint16(b[22:], 1)
		// Cluster 3 leads to 4; 4 and 5 are the last of their chains.
		copy(b[512:], "\xf8\xff\xff\x00\x40\x00\xff\xff\xff")
	}
	b[510], b[511] = 0x55, 0xaa
	entry := func(at []byte, name string, attr byte, cluster uint16, size uint32) {
		copy(at, name)
		at[11] = attr
		le.PutUint16(at[26:], cluster)
		le.PutUint32(at[28:], size)
	}
	entry(root, "FILE    TXT", 0x20, 3, 1000)
	entry(root[32:], "DIR        ", 0x10, 5, 0)
	entry(root[64:], "EMPTY      ", 0x20, 0, 0)
	return b
}

func FuzzFAT(f *testing.F) {
	f.Add(small(12))
	f.Add(small(32))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := fat.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, fat.ErrNotFAT) && !errors.Is(err, fat.ErrCorrupt) {
				t.Errorf("error of no kind: %v", err)
			}
			return
		}
		if free, err := v.Free(); err == nil && (free < 0 || free > v.Size() || free > int64(len(b))) {
			t.Errorf("%d of %d bytes free in %d", free, v.Size(), len(b))
		}
		walk(t, v, v.Root(), 3, int64(len(b)))
	})
}

// walk reads all there is, a few levels deep: directories may lie in themselves.
func walk(t *testing.T, v *fat.Volume, dir fat.Entry, depth int, size int64) {
	list, err := v.ReadDir(dir)
	if err != nil || depth == 0 {
		return
	}
	if int64(len(list)) > size/32 {
		t.Fatalf("%d entries in %d bytes", len(list), size)
	}
	for _, e := range list[:min(len(list), 8)] {
		if e.Name == "" || e.Name == "." || e.Name == ".." || bytes.ContainsAny([]byte(e.Name), "/\\\x00\n") {
			t.Errorf("name %q", e.Name)
		}
		if e.Dir {
			walk(t, v, e, depth-1, size)
			continue
		}
		r, err := v.Open(e)
		if err != nil {
			continue
		}
		n, err := io.Copy(io.Discard, r)
		if err == nil && n != e.Size || n > size || err != nil && !errors.Is(err, fat.ErrCorrupt) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: read %d of %d bytes in %d: %v", e.Name, n, e.Size, size, err)
		}
	}
}

// TestSmall keeps the seeds honest: they have to be read, or the fuzzer starts from nothing.
func TestSmall(t *testing.T) {
	t.Parallel()
	for _, width := range []int{12, 32} {
		v, err := fat.Open(bytes.NewReader(small(width)), 10*512)
		if err != nil || v.Width() != width {
			t.Fatalf("FAT%d: %v", width, err)
		}
		list, err := v.ReadDir(v.Root())
		if err != nil || len(list) != 3 || list[0].Name != "FILE.TXT" || !list[1].Dir {
			t.Fatalf("FAT%d: %+v, %v", width, list, err)
		}
		r, err := v.Open(list[0])
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); err != nil || n != 1000 {
			t.Errorf("FAT%d: read %d bytes: %v", width, n, err)
		}
	}
}

// TestDamaged: chains that loop, end early or lead outside are errors.
func TestDamaged(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]string{
		"loop of a directory": "\xf8\xff\xff\x00\x40\x00\xff\x5f\x00",
		"ends early":          "\xf8\xff\xff\x00\xf0\xff\xff\xff\xff",
		"leads outside":       "\xf8\xff\xff\x00\x00\x70\xff\x0f\x70",
		"leads to free":       "\xf8\xff\xff\x00\x00\x00\x00\x00\x00",
	} {
		b := small(12)
		copy(b[512:], table)
		v, err := fat.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		list, err := v.ReadDir(v.Root())
		if err != nil {
			t.Fatal(err)
		}
		r, err := v.Open(list[0])
		if err != nil {
			t.Fatal(err)
		}
		_, fileErr := io.Copy(io.Discard, r)
		_, dirErr := v.ReadDir(list[1])
		err = fileErr
		if name == "loop of a directory" {
			err = dirErr
		}
		if !errors.Is(err, fat.ErrCorrupt) {
			t.Errorf("%s: %v, %v", name, fileErr, dirErr)
		}
	}
}
