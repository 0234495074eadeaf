package compare

import "testing"

func TestSplitStorePath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, name, version string
		ok                  bool
	}{
		{"/nix/store/" + hashA + "-linux-6.12.58/bzImage", "linux", "6.12.58", true},
		{"/nix/store/" + hashA + "-linux-6.12.58", "linux", "6.12.58", true},
		{"/nix/store/" + hashA + "-linux-6.18-rc6/bzImage", "linux", "6.18-rc6", true},
		{"/nix/store/" + hashA + "-linux-6.12.58-modules/lib", "linux", "6.12.58", true},
		{"/nix/store/" + hashA + "-initrd-linux-6.12.58/initrd", "initrd-linux", "6.12.58", true},
		{"/nix/store/" + hashA + "-xen-4.20.2-boot/boot/xen.gz", "xen", "4.20.2", true},
		{"/nix/store/" + hashA + "-nixos-system-host-26.11pre1/init", "nixos-system-host", "26.11pre1", true},
		{"/nix/store/" + hashA + "-dtbs", "dtbs", "", true},
		{"/nix/store/" + hashA + "-a-/x", "a-", "", true},
		{"/nix/store/" + hashA + "--1/x", "-1", "", true}, // a name is never empty
		{"/nix/store/" + hashA + "/x", "", "", false},
		{"/nix/store/" + hashA + "-", "", "", false},
		{"/nix/store/" + "E" + hashA[1:] + "-linux-6/x", "", "", false},
		{"/nix/store/short-linux-6/x", "", "", false},
		{"/nix/store/", "", "", false},
		{"/boot/vmlinuz", "", "", false},
		{"", "", "", false},
	} {
		hash, name, version, ok := SplitStorePath(c.path)
		if name != c.name || version != c.version || ok != c.ok || ok && hash != hashA {
			t.Errorf("%q: %q, %q, %q, %v", c.path, hash, name, version, ok)
		}
	}
}
