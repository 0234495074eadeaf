package xencfg_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
)

// decodeCases is one rule of Xen's parser each.
var decodeCases = map[string]struct {
	text    string
	section string
	want    xencfg.Config
}{
	"as we write it": {
		"[global]\ndefault=xen\n\n[xen]\noptions=a b\nkernel=k.efi c d\nramdisk=i.efi\nxsm=p\nucode=u\ndtb=d\n", "",
		xencfg.Config{Options: "a b", Kernel: "k.efi", CmdLine: "c d", Ramdisk: "i.efi", XSM: "p", Ucode: "u", DTB: "d"},
	},
	"no newline at the end":         {"[a]\nkernel=k x", "a", xencfg.Config{Kernel: "k", CmdLine: "x"}},
	"CR LF":                         {"[global]\r\ndefault=a\r\n[a]\r\nkernel=k x\r\n", "", xencfg.Config{Kernel: "k", CmdLine: "x"}},
	"section asked for":             {"[global]\ndefault=a\n[a]\nkernel=1\n[b]\nkernel=2\n", "b", xencfg.Config{Kernel: "2"}},
	"no default: first key":         {"[b]\nramdisk=r\n[a]\nkernel=1\n[c]\nkernel=2\nramdisk=s\n", "", xencfg.Config{Kernel: "1", Ramdisk: "r"}},
	"empty default: first key":      {"[global]\ndefault=\n[a]\nkernel=1\n", "", xencfg.Config{Kernel: "1"}},
	"sections in any order":         {"[a]\nkernel=1\n[global]\ndefault=a\n", "", xencfg.Config{Kernel: "1"}},
	"first match wins":              {"[a]\nkernel=1\nkernel=2\n", "a", xencfg.Config{Kernel: "1"}},
	"second section of the name":    {"[a]\nkernel=1\n[b]\n[a]\nramdisk=r\n", "a", xencfg.Config{Kernel: "1"}},
	"section name is a prefix":      {"[ab]\nkernel=1\n[a]\nkernel=2\n", "a", xencfg.Config{Kernel: "2"}},
	"text behind a section's name":  {"[a] x\nkernel=1\n", "a", xencfg.Config{Kernel: "1"}},
	"comment in a line":             {"[a]\nkernel=k x#y\nramdisk=#\n", "a", xencfg.Config{Kernel: "k", CmdLine: "x"}},
	"semicolon":                     {"[a]\n;kernel=1\n ;kernel=2\nkernel=k;3 ;4\n", "a", xencfg.Config{Kernel: "k;3", CmdLine: ";4"}},
	"blanks at the start":           {"  [a]\n \xa0 kernel= \xa0 k\n", "a", xencfg.Config{Kernel: "k"}},
	"blank before =":                {"[a]\nkernel =1\nkernel=2\n", "a", xencfg.Config{Kernel: "2"}},
	"blanks at the end":             {"[a]\nkernel=k  x  \nramdisk=r \n", "a", xencfg.Config{Kernel: "k", CmdLine: " x  ", Ramdisk: "r "}},
	"tab ends the line":             {"[a]\nkernel=k x\ty\noptions=1\t2\n", "a", xencfg.Config{Kernel: "k", CmdLine: "x", Options: "1"}},
	"key behind a tab":              {"[a]\nkernel=k\tramdisk=r\n", "a", xencfg.Config{Kernel: "k", Ramdisk: "r"}},
	"NUL ends the line":             {"[a]\nkernel=k x\x00ramdisk=r\n", "a", xencfg.Config{Kernel: "k", CmdLine: "x", Ramdisk: "r"}},
	"byte 0xA0 in a name":           {"[a]\nkernel=k\xa0x\n", "a", xencfg.Config{Kernel: "k", CmdLine: "x"}},
	"key in dom0's command line":    {"[a]\nkernel=k ramdisk=x y\nramdisk=r\n", "a", xencfg.Config{Kernel: "k", CmdLine: "ramdisk=x y", Ramdisk: "x y"}},
	"not at its start":              {"[a]\nkernel=k  ramdisk=x\nramdisk=r\n", "a", xencfg.Config{Kernel: "k", CmdLine: " ramdisk=x", Ramdisk: "r"}},
	"section in dom0's cmd line":    {"[a]\nkernel=k [b]\nramdisk=r\n", "a", xencfg.Config{Kernel: "k", CmdLine: "[b]"}},
	"options in dom0's cmd line":    {"[a]\nkernel=k options=x\noptions=y\n", "a", xencfg.Config{Kernel: "k", CmdLine: "options=x", Options: "x"}},
	"dtb in dom0's cmd line is not": {"[a]\nkernel=k dtb=x\n", "a", xencfg.Config{Kernel: "k", CmdLine: "dtb=x"}},
	"ucode from global":             {"[global]\nucode=u v\n[a]\nkernel=k\n", "a", xencfg.Config{Kernel: "k", Ucode: "u"}},
	"keys in capitals":              {"[a]\nKERNEL=1\nkernel=2\n", "a", xencfg.Config{Kernel: "2"}},
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for name, c := range decodeCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := xencfg.Decode([]byte(c.text), c.section)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeNoKernel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, section string }{
		"empty":                 {"", ""},
		"blank behind default":  {"[global]\ndefault=a \n[a]\nkernel=k\nramdisk=r\n", ""},
		"no such section":       {"[a]\nkernel=k\nramdisk=r\n", "b"},
		"empty kernel":          {"[a]\nkernel=\n", "a"},
		"kernel with no value":  {"[a]\nkernel\n", "a"},
		"key of another":        {"[a]\nramdisk=r\n[b]\nkernel=k\n", "b2"},
		"section without an ]":  {"[a\nkernel=k\n", "a"},
		"kernel before section": {"kernel=k\n[a]\nramdisk=r\n", "b"},
	} {
		if got, err := xencfg.Decode([]byte(c.text), c.section); !errors.Is(err, xencfg.ErrNoKernel) || got != (xencfg.Config{}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	got, err := xencfg.Decode([]byte("[a]\noptions=o\n"), "a")
	if !errors.Is(err, xencfg.ErrNoKernel) || got.Options != "o" {
		t.Errorf("got %+v, %v", got, err)
	}
}
