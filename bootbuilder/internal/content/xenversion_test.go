package content_test

import (
	"os"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

func TestXenVersion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, c := range map[string]struct{ image, want string }{
		"a banner":      {string(fixtures.XenImage(fixtures.XenOptions{Version: "4.21.2-rc", Banner: true})), "4.21.2-rc"},
		"no banner":     {string(fixtures.XenImage(fixtures.XenOptions{})), ""},
		"no image":      {"MZ", ""},
		"an empty file": {"", ""},
	} {
		b.put(b.boot, "image.efi", c.image)
		if got := b.r.XenVersion("image.efi"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := b.r.XenVersion("missing.efi"); got != "" {
		t.Errorf("a file that is not there: %q", got)
	}
}

// TestXenVersionReal reads it out of the Xen of Debian 12 and 13, which have 4.17 and 4.20.
func TestXenVersionReal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for series, file := range map[string]string{"4.17.": firmware.NeedBoot(t).Xen, "4.20.": firmware.NeedNewer(t).Xen} {
		image, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b.put(b.boot, "xen.efi", string(image))
		if got := b.r.XenVersion("xen.efi"); !strings.HasPrefix(got, series) {
			t.Errorf("%s: %q, want one of %s", file, got, series)
		}
	}
}
