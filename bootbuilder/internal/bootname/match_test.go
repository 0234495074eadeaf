package bootname

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestMatchers holds the matchers against regular expressions of the same forms, on names that are nearly right.
func TestMatchers(t *testing.T) {
	t.Parallel()
	shared := regexp.MustCompile(`(?i)^xen(?:-([0-9A-Za-z._]+))?-([0-9a-f]{20})\.efi$`)
	ramdisk := regexp.MustCompile(`(?i)^initrd-([0-9a-f]{32})\.img$`)
	storeCopy := regexp.MustCompile(`(?i)^([0-9a-df-np-sv-z]{32}-.+)\.efi$`)
	hashed := regexp.MustCompile(`(?i)^(.+)-([0-9a-f]{16})$`)
	storeName := regexp.MustCompile(`^[0-9a-df-np-sv-z]{32}-.`)
	const hex, base32 = "0123456789abcdef0123456789abcdef", "0123456789abcdfghijklmnpqrsvwxyz"
	names := []string{
		"", "-", "xen", "xen-", ".efi", "xen.efi", "xen-.efi", "xen--" + hex[:20] + ".efi", "xen-" + hex[:20] + ".efi", "xen-4.20.2-" + hex[:20] + ".efi",
		"XEN-4.20-" + strings.ToUpper(hex[:20]) + ".EFI", "xen-4~20-" + hex[:20] + ".efi", "xen" + hex[:20] + ".efi", "xen-" + hex[:19] + ".efi",
		"initrd-" + hex + ".img", "initrd" + hex + ".img", "INITRD-" + hex + ".IMG", base32 + "-linux-6.12.efi", base32 + "-.efi", base32 + "-", base32 + "-x",
		strings.ToUpper(base32) + "-X.EFI", base32 + "-a\nb.efi", base32 + "-\n.efi", "xen-generation-1-" + hex[:16], "-" + hex[:16], "a-" + hex[:16], "a\n-" + hex[:16],
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range names[:len(names):len(names)] {
		for range 300 {
			b := []byte(name)
			for range 1 + random.IntN(2) {
				const letters = "0fFgeotuxXEN-._.efi\n "
				switch at := random.IntN(len(b) + 1); {
				case random.IntN(2) == 0 && at < len(b):
					b = append(b[:at], b[at+1:]...)
				default:
					b = append(b[:at], append([]byte{letters[random.IntN(len(letters))]}, b[at:]...)...)
				}
			}
			names = append(names, string(b))
		}
	}
	for _, name := range names {
		m := shared.FindStringSubmatch(name)
		version, hash, ok := matchShared(name)
		if ok != (m != nil) || ok && (version != m[1] || hash != strings.ToLower(m[2])) {
			t.Errorf("matchShared(%q) = %q, %q, %v; want %q", name, version, hash, ok, m)
		}
		m = ramdisk.FindStringSubmatch(name)
		if hash, ok := matchRamdisk(name); ok != (m != nil) || ok && hash != strings.ToLower(m[1]) {
			t.Errorf("matchRamdisk(%q) = %q, %v; want %q", name, hash, ok, m)
		}
		m = storeCopy.FindStringSubmatch(name)
		if store, ok := matchCopy(name); ok != (m != nil) || ok && store != m[1] {
			t.Errorf("matchCopy(%q) = %q, %v; want %q", name, store, ok, m)
		}
		m = hashed.FindStringSubmatch(name)
		if id, hash, ok := cutHash(name); ok != (m != nil) || ok && (id != m[1] || hash != strings.ToLower(m[2])) {
			t.Errorf("cutHash(%q) = %q, %q, %v; want %q", name, id, hash, ok, m)
		}
		if got := IsStoreName(name); got != storeName.MatchString(name) {
			t.Errorf("IsStoreName(%q) = %v", name, got)
		}
	}
}
