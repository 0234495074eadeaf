package nextboot_test

import (
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

func TestReadEntry(t *testing.T) {
	t.Parallel()
	text, err := esp.ParseEntry([]byte("title x\nsort-key nixos\nversion Generation 5\nversion Generation 6\nmachine-id abc\nlinux /x\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := nextboot.ReadEntry("nixos-generation-6.conf", nextboot.NixOS, text)
	want := nextboot.Entry{File: "nixos-generation-6.conf", Kind: nextboot.NixOS, SortKey: "nixos", Version: "Generation 6", MachineID: "abc"}
	if got != want {
		t.Errorf("%+v", got)
	}
}

func TestReadImage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		osrel, sortKey, version string
		hidden                  bool
	}{
		{"ID=lanza\nPRETTY_NAME=NixOS Generation 5, 2026\nVERSION_ID=\"Generation 5, 2026\"\n", "lanza", "Generation 5, 2026", false},
		{"  ID='nixos'\r\nIMAGE_ID=img\nVERSION=1\nIMAGE_VERSION=2\nBUILD_ID=3", "img", "2", false},
		{"#ID=a\nNAME==x\nVERSION_ID=\n", "", "", false},
		{"VERSION_ID=1\nFOO=bar\nlonely\n", "", "1", true},
		{"NAME=a\x00ID=b\n", "", "", false},
		{"ID=\"\nNAME=\"\"\n", "", "", true},
		{"", "", "", true},
	} {
		e := nextboot.ReadImage("a.efi", nextboot.Stub, tt.osrel)
		if e.SortKey != tt.sortKey || e.Version != tt.version || e.Hidden != tt.hidden {
			t.Errorf("%q: %+v", tt.osrel, e)
		}
	}
}

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]nextboot.Version{
		"systemd-boot 252.39-1~deb12u2":     {Major: 252, Minor: 39},
		"257":                               {Major: 257},
		"260~rc1":                           {Major: 260},
		"":                                  {},
		"grub 2":                            {},
		"systemd-boot 99999999999999999999": {},
	} {
		if got := nextboot.ParseVersion(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// TestReasons: a person can read why.
func TestReasons(t *testing.T) {
	t.Parallel()
	menu := variedMenu()
	for _, tt := range []struct {
		conf   string
		vars   nextboot.Vars
		v      nextboot.Version
		id     string
		reason string
	}{
		{"default xen-generation-7.conf\n", nextboot.Vars{}, nextboot.Version{Major: 262}, "xen-generation-7.conf", "loader.conf: default xen-generation-7.conf"},
		{"default xen-generation-7\n", nextboot.Vars{}, nextboot.Version{Major: 262}, "nixos-generation-14-abcd.efi",
			"loader.conf names xen-generation-7, which is no entry's id, so the first of the menu starts"},
		{"", nextboot.Vars{Default: "memtest.conf"}, nextboot.Version{Major: 262}, "memtest.conf", "the EFI variable LoaderEntryDefault outranks loader.conf"},
		{"default nixos-" + hash1 + ".conf\n", nextboot.Vars{}, nextboot.Version{Major: 257, Minor: 10}, "nixos-" + hash1 + ".conf",
			"loader.conf: default nixos-" + hash1 + ".conf; other versions of systemd-boot start nixos-generation-14-abcd.efi"},
	} {
		s := nextboot.Starts([]byte(tt.conf), tt.vars, menu, tt.v)
		if s.ID != tt.id || s.Reason() != tt.reason {
			t.Errorf("%q: %s, %s", tt.conf, s.ID, s.Reason())
		}
	}
	if s := nextboot.Starts(nil, nextboot.Vars{}, nil, nextboot.Version{}); s.By != nextboot.Nothing || s.Reason() == "" {
		t.Errorf("%+v", s)
	}
}
