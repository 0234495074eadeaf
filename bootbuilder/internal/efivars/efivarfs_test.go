//go:build peers

package efivars_test

import (
	"os"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/efivars"
)

// TestEfivarfs writes to a real efivarfs, whose mount point XBB_EFIVARFS names. The machine's next boot changes: run it
// in a virtual one.
func TestEfivarfs(t *testing.T) {
	dir := os.Getenv("XBB_EFIVARFS")
	if dir == "" {
		t.Skip("XBB_EFIVARFS names no efivarfs that may be written")
	}
	s := efivars.At(dir)
	for _, id := range []string{"xen-generation-7-specialisation-long.conf", "xen-generation-7.conf", "xen-generation-7.conf"} {
		if err := s.SetOneShot(id); err != nil {
			t.Fatal(err)
		}
		if l, err := s.Read(); err != nil || l.OneShot != id {
			t.Fatalf("%q, %v", l.OneShot, err)
		}
	}
	if err := s.ClearOneShot(); err != nil {
		t.Fatal(err)
	}
	if l, err := s.Read(); err != nil || l.OneShot != "" {
		t.Fatalf("%q, %v", l.OneShot, err)
	}
	l, err := s.Read()
	t.Logf("%+v, %v", l, err)
}
