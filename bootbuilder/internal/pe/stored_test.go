package pe_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

func wantCheckSum(t *testing.T, image []byte, set, right bool) {
	t.Helper()
	gotSet, gotRight, err := parse(t, image).CheckSum()
	if err != nil || gotSet != set || gotRight != right {
		t.Errorf("set %v, right %v (%v), want %v and %v", gotSet, gotRight, err, set, right)
	}
}

// TestCheckSum: what we write is right, none says nothing, and every damaged byte is seen.
func TestCheckSum(t *testing.T) {
	t.Parallel()
	for name, base := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, image := assemble(t, base, section(".config", "[global]\n"))
			wantCheckSum(t, image, true, true)
			wantCheckSum(t, put32(image, checkSumAt, 0), false, false)
			wantCheckSum(t, put32(image, checkSumAt, 1), true, false)
			// The length counts, so that a tail that is cut off or grew is seen too. That
			// goes for zero bytes, which add nothing else.
			wantCheckSum(t, append(bytes.Clone(image), 0), true, false)
			wantCheckSum(t, append(bytes.Clone(image), 0, 0), true, false)
			behind := 0 // the headers, which have to stay readable
			for _, s := range parse(t, image).Sections() {
				behind = max(behind, int(s.Offset))
			}
			for at := behind; at < len(image); at += 1 + (len(image)-behind)/50 {
				broken := bytes.Clone(image)
				broken[at] ^= 0x10
				wantCheckSum(t, broken, true, false)
			}
		})
	}
}

// TestCheckSumOfSigned reads what osslsigncode wrote, which adds up the CheckSum by code of its own.
func TestCheckSumOfSigned(t *testing.T) {
	t.Parallel()
	keys := t.TempDir()
	if err := fixtures.LayOutKeys(keys, "db"); err != nil {
		t.Fatal(err)
	}
	for name, base := range corpus(t) {
		if parse(t, base).Signed() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "signed.efi")
			tool(t, "osslsigncode", "sign",
				"-certs", filepath.Join(keys, "keys/db/db.pem"), "-key", filepath.Join(keys, "keys/db/db.key"),
				"-in", writeFile(t, "image.efi", base), "-out", out)
			signed := readFile(t, out)
			wantCheckSum(t, signed, true, true)
			signed[len(signed)-20] ^= 1
			wantCheckSum(t, signed, true, false)
		})
	}
}

// TestCheckSumReadError: a disk that fails is not a wrong sum.
func TestCheckSumReadError(t *testing.T) {
	t.Parallel()
	_, image := assemble(t, recipe{}.build(t), section(".config", "x"))
	r := &failsBehind{ReaderAt: bytes.NewReader(image)}
	im, err := pe.Parse(r, int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	r.after = int64(len(image) - 10)
	if _, right, err := im.CheckSum(); !errors.Is(err, errDisk) || right {
		t.Errorf("right %v, error %v, want %v", right, err, errDisk)
	}
}

var errDisk = errors.New("the disk fails")

// failsBehind fails to read what lies behind an offset; 0 for nowhere.
type failsBehind struct {
	io.ReaderAt
	after int64
}

func (f *failsBehind) ReadAt(p []byte, off int64) (int, error) {
	if f.after > 0 && off+int64(len(p)) > f.after {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(p, off)
}
