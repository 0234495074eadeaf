package bootspec_test

import (
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

func BenchmarkParse(b *testing.B) {
	wide := `{"a":[` + strings.Repeat("0,", bootspec.MaxSize/2-10) + `0]}`
	deep := strings.Repeat(`{"`+strings.Repeat("k", 80)+`":`, 62) + `[` + strings.Repeat("0,", (bootspec.MaxSize-62*90)/2) + `0]` + strings.Repeat("}", 62)
	for name, doc := range map[string]string{
		"real":          string(samples(b, "valid")["specialisation"]),
		"largest, wide": wide,
		"largest, deep": deep,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if _, err := bootspec.Parse([]byte(doc)); err != nil && !strings.Contains(err.Error(), "is missing") {
					b.Fatal(err)
				}
			}
		})
	}
}
