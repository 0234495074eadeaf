package xencfg_test

import (
	"slices"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
)

// TestNamed: the files of all sections, those too that only Xen's way of cutting lines shows.
func TestNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2][]string{
		"": {},
		"[global]\ndefault=a\n[a]\nkernel=linux init=/x\nramdisk=initrd img\n": {{"linux", "initrd img"}},
		"[a]\nkernel=one\n[b]\n kernel= two x\n;kernel=no\nxsm=policy#no\n":    {{"one", "two", "policy"}},
		"kernel=linux ramdisk=hidden\nucode=cpu.bin x\ndtb=tree.dtb":           {{"linux", "hidden", "cpu.bin", "tree.dtb"}},
		"[global]\nchain=next.cfg\n[x]\nkernel=\nramdisk=\n":                   {nil, {"next.cfg"}},
		"options=kernel=no ramdisk=no\nvideo=gfx-1024\nkernel":                 {},
	} {
		files, chain := xencfg.Named([]byte(text))
		if !slices.Equal(files, want[0]) || !slices.Equal(chain, want[1]) {
			t.Errorf("%q: files %q, chain %q; want %q", text, files, chain, want)
		}
	}
}
