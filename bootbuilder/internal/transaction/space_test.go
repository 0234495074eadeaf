package transaction_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
)

// TestSpaceErrorText: the error names the three largest things.
func TestSpaceErrorText(t *testing.T) {
	t.Parallel()
	items := []transaction.SpaceItem{{"EFI/xen/a.efi", 30 << 20}, {"EFI/xen/b.img", 20 << 20}, {"EFI/xen/c.efi", 1 << 20}, {"d.cfg", 300}, {"e.conf", 200}}
	for n, tail := range []string{
		"", ": a.efi (30.0 MiB)", ": a.efi (30.0 MiB), b.img (20.0 MiB)", ": a.efi (30.0 MiB), b.img (20.0 MiB), c.efi (1.0 MiB)",
		": a.efi (30.0 MiB), b.img (20.0 MiB), c.efi (1.0 MiB), and 1 more", ": a.efi (30.0 MiB), b.img (20.0 MiB), c.efi (1.0 MiB), and 2 more",
	} {
		err := fmt.Errorf("install: %w", &transaction.SpaceError{Where: "/boot", Needed: 51 << 20, Free: 5 << 20, Items: items[:n]})
		if got, want := err.Error(), "install: no room on /boot: 51.0 MiB needed, 5.0 MiB free"+tail; got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EROFS) {
			t.Error("it is no ENOSPC")
		}
	}
}
