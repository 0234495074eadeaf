package esp

import "testing"

// TestShortNames are names that Linux' vfat gave, and others.
func TestShortNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, prefix, extension string
		short, of               bool
	}{
		{"XEN-GE~1.CON", "xen-", "conf", true, true},
		{"xen-ge~1.con", "xen-", "conf", true, true}, // mounted with shortname=lower
		{"XEN-GE~2.EFI", "xen-", "efi", true, true},
		{"XEN-GE~2.EFI", "xen-", "cfg", true, false},
		{"XE1F3A~1.CON", "xen-", "conf", true, true},
		{"XEXX3A~1.CON", "xen-", "conf", true, false},
		{"XEN-4_~1.EFI", "xen-", "efi", true, true},
		{"XENOPH~1.EFI", "xen-", "efi", true, false},
		{"NIXOS-~1.CON", "xen-", "conf", true, false},
		{"INITRD~1.IMG", "initrd-", "img", true, true},
		{"XEN-BO~1.TMP", ".xen-boot-builder-", "tmp", true, true},
		{"XEN-GE~1", "xen-", "", true, true},
		{"XEN-GE~123.CON", "xen-", "conf", false, false},
		{"xen-generation-1.conf", "xen-", "conf", false, false},
		{"XEN.CON", "xen-", "conf", false, false},
		{"A~B.CON", "a", "conf", false, false},
		{"~1.CON", "", "conf", false, false},
	} {
		if got := IsShortName(c.name); got != c.short {
			t.Errorf("%s is a short name: %v", c.name, got)
		}
		if got := IsShortNameOf(c.name, c.prefix, c.extension); got != c.of {
			t.Errorf("%s may be of %s*.%s: %v", c.name, c.prefix, c.extension, got)
		}
	}
}

func TestMountSource(t *testing.T) {
	t.Parallel()
	const table = `22 1 0:20 / /proc rw,nosuid shared:12 - proc proc rw
36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
40 35 259:1 / /boot rw,relatime shared:30 - vfat /dev/nvme0n1p1 rw,fmask=0077
41 35 0:44 / /tmp rw - tmpfs tmpfs rw
42 35 7:0 / /broken rw -
`
	for want, number := range map[string][2]uint32{"/dev/nvme0n1p1": {259, 1}, "/dev/root": {98, 0}, "": {0, 44}} {
		if got := mountSource(table, number[0], number[1]); got != want {
			t.Errorf("%v: %q, want %q", number, got, want)
		}
	}
	if got := mountSource(table, 7, 0); got != "" {
		t.Errorf("a line without a source gives %q", got)
	}
}
