package compare

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	hashA = "0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r"
	hashB = "zy1xw2vs3rq4pn5ml6kj7ih8gf9d0cba"
)

func base() Generation {
	return Generation{
		Title:       "NixOS",
		Version:     "Generation 41",
		Layout:      "shared",
		Xen:         "/nix/store/" + hashA + "-xen-4.19.3-boot/boot/xen-4.19.3.efi",
		XenVersion:  "4.19.3",
		Linux:       "/nix/store/" + hashA + "-linux-6.12.41/bzImage",
		Initrds:     []string{"/nix/store/" + hashA + "-initrd-linux-6.12.41/initrd"},
		XenParams:   []string{"dom0_mem=4096M,max:4096M", "loglvl=all"},
		LinuxParams: []string{"root=fstab", "nvme_core.default_ps_max_latency_us=0", "loglevel=4"},
	}
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*Generation)
		want   []Difference
	}{
		{"nothing", func(*Generation) {}, nil},
		{"texts", func(g *Generation) { g.Title, g.Version, g.Layout = "NixOS (debug)", "Generation 42", "unified" }, []Difference{
			{Field: Title, Before: "NixOS", After: "NixOS (debug)"},
			{Field: Version, Before: "Generation 41", After: "Generation 42"},
			{Field: Layout, Before: "shared", After: "unified"},
		}},
		{"versions", func(g *Generation) {
			g.Xen, g.XenVersion = "/nix/store/"+hashB+"-xen-4.20.2-boot/boot/xen-4.20.2.efi", "4.20.2"
			g.Linux = "/nix/store/" + hashB + "-linux-6.12.58/bzImage"
			g.Initrds = []string{"/nix/store/" + hashB + "-initrd-linux-6.12.58/initrd"}
		}, []Difference{
			{Field: Xen, Before: "4.19.3", After: "4.20.2"},
			{Field: Linux, Before: "6.12.41", After: "6.12.58"},
			{Field: Initrd, Before: "6.12.41", After: "6.12.58"},
		}},
		{"another package", func(g *Generation) { g.Linux = "/nix/store/" + hashB + "-linux-hardened-6.12.41/bzImage" }, []Difference{
			{Field: Linux, Before: "linux 6.12.41", After: "linux-hardened 6.12.41"},
		}},
		{"another build of the same", func(g *Generation) { g.Linux = "/nix/store/" + hashB + "-linux-6.12.41/bzImage" }, []Difference{
			{Field: Linux, Before: "6.12.41 (0a1b2c)", After: "6.12.41 (zy1xw2)", Rebuilt: true},
		}},
		{"another file of the same package", func(g *Generation) { g.Linux = "/nix/store/" + hashA + "-linux-6.12.41/Image" }, []Difference{
			{Field: Linux, Before: "/nix/store/" + hashA + "-linux-6.12.41/bzImage", After: "/nix/store/" + hashA + "-linux-6.12.41/Image"},
		}},
		{"a version that only the path has", func(g *Generation) {
			g.Xen, g.XenVersion = "/nix/store/"+hashB+"-xen-4.20.2-boot/boot/xen-4.20.2.efi", ""
		}, []Difference{{Field: Xen, Before: "4.19.3", After: "4.20.2"}}},
		{"Xen out of the store", func(g *Generation) { g.Xen, g.XenVersion = "/etc/xen/xen.efi", "4.21-unstable" }, []Difference{
			{Field: Xen, Before: "xen 4.19.3", After: "4.21-unstable (/etc/xen/xen.efi)"},
		}},
		{"the kernel out of the store", func(g *Generation) { g.Linux = "/boot/vmlinuz" }, []Difference{
			{Field: Linux, Before: "linux 6.12.41", After: "/boot/vmlinuz"},
		}},
		{"initrds come and go", func(g *Generation) {
			g.Initrds = append(g.Initrds, "/nix/store/"+hashB+"-microcode-intel-20261111/intel-ucode.img")
		}, []Difference{{Field: Initrd, After: "microcode-intel 20261111"}}},
		{"no initrd", func(g *Generation) { g.Initrds = nil }, []Difference{{Field: Initrd, Before: "initrd-linux 6.12.41"}}},
		{"new kinds of file", func(g *Generation) {
			g.Devicetree, g.Ucode, g.XSM = "/nix/store/"+hashB+"-dtbs/a.dtb", "/etc/ucode.bin", "/etc/xsm"
		}, []Difference{
			{Field: Devicetree, After: "dtbs"},
			{Field: Ucode, After: "/etc/ucode.bin"},
			{Field: XSM, After: "/etc/xsm"},
		}},
		{"parameters", func(g *Generation) {
			g.XenParams = []string{"dom0_mem=8192M,max:8192M", "loglvl=all"}
			g.LinuxParams = []string{"root=fstab", "loglevel=4", "mitigations=auto"}
		}, []Difference{
			{Field: XenParams, Words: []Word{{Removed, "dom0_mem=4096M,max:4096M"}, {Added, "dom0_mem=8192M,max:8192M"}, {Same, "loglvl=all"}}},
			{Field: LinuxParams, Words: []Word{{Same, "root=fstab"}, {Removed, "nvme_core.default_ps_max_latency_us=0"}, {Same, "loglevel=4"}, {Added, "mitigations=auto"}}},
		}},
	} {
		before, after := base(), base()
		c.change(&after)
		if d := cmp.Diff(c.want, Generations(before, after)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
		// The other way round, all is the other way round.
		back := Generations(after, before)
		if len(back) != len(c.want) {
			t.Errorf("%s: backwards there are %d differences", c.name, len(back))
		}
		for i, d := range back {
			if d.Field != c.want[i].Field || d.Before != c.want[i].After || d.After != c.want[i].Before {
				t.Errorf("%s: backwards it is %+v", c.name, d)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal([]Difference{
		{Field: Xen, Before: "4.19.3", After: "4.20.2"},
		{Field: LinuxParams, Words: []Word{{Added, "quiet"}}},
	})
	const want = `[{"field":"xen","before":"4.19.3","after":"4.20.2"},{"field":"linuxParams","words":[{"op":"+","text":"quiet"}]}]`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}
