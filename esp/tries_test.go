package esp_test

import (
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

func TestCutTries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file, id, tries string
	}{
		{"nixos-2.conf", "nixos-2.conf", ""},
		{"nixos-2+3.conf", "nixos-2.conf", "+3"},
		{"xen-2+1-1.EFI", "xen-2.EFI", "+1-1"},
		{"xen-2+0-3.efi", "xen-2.efi", "+0-3"},
		{"a+b+3.conf", "a+b.conf", "+3"},
		{"a+3x.conf", "a+3x.conf", ""},
		{"a+3-.conf", "a+3-.conf", ""},
		{"a+2147483648.conf", "a+2147483648.conf", ""},
		{"nixos-2+3", "nixos-2+3", ""},
		{".conf", ".conf", ""},
	} {
		id, tries := esp.CutTries(tt.file)
		got := ""
		if tries != nil {
			got = tries.String()
		}
		if id != tt.id || got != tt.tries {
			t.Errorf("%s: %s, %s", tt.file, id, got)
		}
	}
}

func TestUnsetAndRaw(t *testing.T) {
	t.Parallel()
	c := esp.ParseLoaderConf([]byte("preferred a\r\n# preferred\r\n\tpreferred 'b'\r\ndefault @odd\r\ndefault 'c'\r\ndefault @odd\r\n"))
	for key, want := range map[string]string{"preferred": "'b'", "default": "'c'", "timeout": ""} {
		if got := c.Raw(key); got != want {
			t.Errorf("%s is %s", key, got)
		}
	}
	c.Unset("preferred")
	c.Unset("timeout")
	if got := string(c.Bytes()); got != "# preferred\r\ndefault @odd\r\ndefault 'c'\r\ndefault @odd\r\n" {
		t.Errorf("%q", got)
	}
}
