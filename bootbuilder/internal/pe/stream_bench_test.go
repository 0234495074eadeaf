package pe_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
)

// discardAt is a destination that keeps nothing.
type discardAt struct{ io.Writer }

func (discardAt) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// BenchmarkWrite compares an image as it is with one whose digests are taken on the way.
func BenchmarkWrite(b *testing.B) {
	data := bytes.Repeat([]byte("a ramdisk, nearly\n"), 6<<20)
	im := parse(b, recipe{}.build(b))
	a, err := im.Append(pe.NewSection{Name: ".ramdisk", Data: bytes.NewReader(data), Size: int64(len(data))})
	if err != nil {
		b.Fatal(err)
	}
	for name, write := range map[string]func() error{
		"WriteTo": func() error { return a.WriteTo(discardAt{io.Discard}) },
		"Stream":  func() error { _, err := a.Stream(io.Discard); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(a.Size())
			b.ReportAllocs()
			for b.Loop() {
				if err := write(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
