package bootname

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

const (
	h8  = "0123456789abcdef"
	h10 = "0123456789abcdef0123"
	h16 = "0123456789abcdef0123456789abcdef"
	h32 = h16 + h16
)

var ids = []string{
	"xen-generation-5",
	"xen-generation-5-specialisation-gaming",
	"xen-generation-5-specialisation-a-" + h8,
	"xen-generation-5-specialisation-+something+-+that+-+breaks-parsing+-+",
	"xen-custom-generation-12",
	"xen-büro-generation-1",
	"xen-" + h32,
}

// TestRoundTrip: what is made is recognised as what it was made as.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	names := []Name{
		{Kind: SharedImage, Hash: h10},
		{Kind: SharedImage, Version: "4.20.2", Hash: h10},
		{Kind: SharedImage, Version: "4.20.2_rc.1", Hash: h10},
		{Kind: Ramdisk, Hash: h16},
		{Kind: Copy, Store: "s8rigwp5m5z689d7b51k80r7qdnbbcwd-linux-6.12.58-bzImage"},
	}
	for _, id := range ids {
		names = append(names,
			Name{Kind: Config, ID: id, Hash: h8},
			Name{Kind: EmbeddedImage, ID: id, Hash: h8},
			Name{Kind: EmbeddedImage, ID: id, Script: true},
			Name{Kind: UnifiedImage, ID: id, Hash: h8},
			Name{Kind: UnifiedImage, ID: id, Hash: h8, Tries: &esp.Tries{Left: 3}},
			Name{Kind: UnifiedImage, ID: id, Hash: h8, Tries: &esp.Tries{Left: 0, Done: 3, HasDone: true}},
		)
	}
	for _, n := range names {
		got, ok := Parse(n.Path())
		if d := cmp.Diff(n, got); d != "" || !ok {
			t.Errorf("%s: %v (-made +recognised)\n%s", n.Path(), ok, d)
		}
		if _, ok := Parse(strings.ToUpper(n.Path())); !ok {
			t.Errorf("%s is not recognised in upper case", n.Path())
		}
		if err := esp.ValidFileName(n.Path()[strings.LastIndex(n.Path(), "/")+1:]); err != nil {
			t.Error(err)
		}
	}
}

func TestParseOthers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"EFI/xen/xen.efi",
		"EFI/xen/xen.cfg",
		"EFI/xen/xen-4.20.2.efi",
		"EFI/xen/xen-generation-007.cfg",
		"EFI/xen/xen-generation-007-" + h8 + ".cfg",
		"EFI/xen/nixos-generation-7-" + h8 + ".cfg",
		"EFI/xen/sub/xen-generation-7-" + h8 + ".cfg",
		"EFI/xen/initrd.img",
		"EFI/nixos/xen-generation-007.efi",
		"EFI/nixos/xen-rescue.efi",
		"EFI/nixos/s8rigwp5m5z689d7b51k80r7qdnbbcwd-linux-6.12.58-bzImage.efi",
		"EFI/Linux/xen-generation-007-" + h8 + ".efi",
		"EFI/Linux/xen-generation-7.efi",
		"EFI/Linux/nixos-generation-7-" + h8 + ".efi",
		"EFI/Linux/xen-rescue-" + h8 + ".efi",
		"loader/entries/xen-generation-7.conf",
	} {
		if n, ok := Parse(name); ok {
			t.Errorf("%s is taken for ours: %+v", name, n)
		}
	}
}

// TestParseEarlier: names of earlier versions and of nixpkgs' script.
func TestParseEarlier(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Name{
		"EFI/xen/xen-generation-7.cfg":       {Kind: Config, ID: "xen-generation-7"},
		"EFI/nixos/xen-generation-7+3-1.efi": {Kind: EmbeddedImage, ID: "xen-generation-7+3-1", Script: true},
	} {
		if got, ok := Parse(name); !ok || cmp.Diff(want, got) != "" {
			t.Errorf("%s: %v %s", name, ok, cmp.Diff(want, got))
		}
	}
}

func TestConfigID(t *testing.T) {
	t.Parallel()
	for _, id := range ids {
		word := ConfigID(id)
		if strings.ContainsAny(word, " /\\\t") || !strings.HasPrefix(word, "xen-") {
			t.Errorf("%q is not a word of Xen's load options", word)
		}
		if plain := !strings.Contains(id, "ü"); plain != (word == id) {
			t.Errorf("%q is called %q", id, word)
		}
	}
	if ConfigID("xen-a b-generation-1") == ConfigID("xen-a c-generation-1") {
		t.Error("two ids share a name")
	}
}

func TestFromStore(t *testing.T) {
	t.Parallel()
	const hash = "s8rigwp5m5z689d7b51k80r7qdnbbcwd"
	for path, want := range map[string]string{
		"/nix/store/" + hash + "-linux-6.12/bzImage":    hash + "-linux-6.12-bzImage",
		"/nix/store/" + hash + "-bzImage":               hash + "-bzImage",
		"/nix/store/" + hash + "-xen/boot/xen-4.20.efi": hash + "-xen-xen-4.20.efi",
		"/other/store/" + hash + "-linux/bzImage":       hash + "-linux-bzImage",
		"/etc/shadow": "",
	} {
		if got, err := FromStore(path); got != want || (err == nil) != (want != "") {
			t.Errorf("%s is called %q, %v; want %q", path, got, err, want)
		}
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256(nil)
	for _, n := range []Name{{Kind: SharedImage}, {Kind: Ramdisk}, {Kind: Config, ID: ids[0]}, {Kind: UnifiedImage, ID: ids[0]}} {
		n.Hash = Short(n.Kind, sum)
		if _, ok := Parse(n.Path()); !ok {
			t.Errorf("%s is not recognised", n.Path())
		}
	}
}
