package xencfg_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	const init = "init=/nix/store/52vap7iihxnqh1nn9x4nb0fscm9f7qyp-nixos-system-dom0/init"
	for name, c := range map[string]struct {
		config xencfg.Config
		want   string
	}{
		"as nixpkgs writes it": {
			xencfg.Config{
				Options: "dom0_mem=4096M,max:4096M dom0_max_vcpus=4",
				Kernel:  "s8rigwp5m5z689d7b51k80r7qdnbbcwd-linux-6.12.58-bzImage.efi",
				CmdLine: init + " root=fstab loglevel=4 lsm=landlock,yama,bpf",
				Ramdisk: "zg6kw36c9wrfyvc7rad8n6daf6q3nakf-initrd-linux-6.12.58-initrd.efi",
			},
			"[global]\ndefault=xen\n\n[xen]\n" +
				"options=dom0_mem=4096M,max:4096M dom0_max_vcpus=4\n" +
				"kernel=s8rigwp5m5z689d7b51k80r7qdnbbcwd-linux-6.12.58-bzImage.efi " + init + " root=fstab loglevel=4 lsm=landlock,yama,bpf\n" +
				"ramdisk=zg6kw36c9wrfyvc7rad8n6daf6q3nakf-initrd-linux-6.12.58-initrd.efi\n",
		},
		"no Xen parameters": {
			xencfg.Config{Kernel: "k.efi", CmdLine: init, Ramdisk: "i.efi"},
			"[global]\ndefault=xen\n\n[xen]\noptions=\nkernel=k.efi " + init + "\nramdisk=i.efi\n",
		},
		"no kernel parameters": {
			xencfg.Config{Options: "loglvl=all", Kernel: "k.efi", CmdLine: init + " ", Ramdisk: "i.efi"},
			"[global]\ndefault=xen\n\n[xen]\noptions=loglvl=all\nkernel=k.efi " + init + "\nramdisk=i.efi\n",
		},
		"no ramdisk": {
			xencfg.Config{Kernel: "k.efi", CmdLine: init},
			"[global]\ndefault=xen\n\n[xen]\noptions=\nkernel=k.efi " + init + "\n",
		},
		"kernel alone": {
			xencfg.Config{Kernel: "k.efi"},
			"[global]\ndefault=xen\n\n[xen]\noptions=\nkernel=k.efi\n",
		},
		"everything": {
			xencfg.Config{Options: "a", Kernel: `\EFI\nixos\k.efi`, CmdLine: "b", Ramdisk: `\EFI\nixos\i.efi`, XSM: "policy", Ucode: "ucode.bin", DTB: `\EFI\nixos\board.dtb`},
			"[global]\ndefault=xen\n\n[xen]\noptions=a\nkernel=\\EFI\\nixos\\k.efi b\nramdisk=\\EFI\\nixos\\i.efi\nxsm=policy\nucode=ucode.bin\ndtb=\\EFI\\nixos\\board.dtb\n",
		},
		"odd but harmless": {
			xencfg.Config{Options: ` dom0="a b"; $HOME 100% é✓ à`, Kernel: "k;k.efi", CmdLine: `  x=[xen] dyndbg="file drivers/usb/* +p"  kernel=x \n ramdisk=`},
			"[global]\ndefault=xen\n\n[xen]\noptions=dom0=\"a b\"; $HOME 100% é✓ à\nkernel=k;k.efi x=[xen] dyndbg=\"file drivers/usb/* +p\"  kernel=x \\n ramdisk=\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.config.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	ok := xencfg.Config{Options: "a", Kernel: "k", CmdLine: "init=/init", Ramdisk: "i"}
	with := func(set func(*xencfg.Config)) xencfg.Config {
		c := ok
		set(&c)
		return c
	}
	for name, c := range map[string]struct {
		config xencfg.Config
		field  string
		offset int
		want   string
	}{
		"comment":           {with(func(c *xencfg.Config) { c.Options = "foo#bar" }), "options", 3, "options: byte 0x23 at offset 3: "},
		"newline":           {with(func(c *xencfg.Config) { c.Options = "a\nkernel=evil" }), "options", 1, "byte 0x0a"},
		"tab":               {with(func(c *xencfg.Config) { c.CmdLine = "a\tb" }), "dom0's command line", 1, "byte 0x09"},
		"NUL":               {with(func(c *xencfg.Config) { c.CmdLine = "a\x00" }), "dom0's command line", 1, "byte 0x00"},
		"DEL":               {with(func(c *xencfg.Config) { c.CmdLine = "\x7f" }), "dom0's command line", 0, "byte 0x7f"},
		"escape":            {with(func(c *xencfg.Config) { c.Options = "é\x1b[31m" }), "options", 2, "byte 0x1b"},
		"Latin-1":           {with(func(c *xencfg.Config) { c.Options = "a\xe9b" }), "options", 1, "not UTF-8"},
		"byte 0xA0":         {with(func(c *xencfg.Config) { c.Options = "\xa0a" }), "options", 0, "not UTF-8"},
		"no kernel":         {with(func(c *xencfg.Config) { c.Kernel = "" }), "kernel", -1, "has to be named"},
		"blank in kernel":   {with(func(c *xencfg.Config) { c.Kernel = "a b" }), "kernel", 1, "byte 0x20"},
		"slash":             {with(func(c *xencfg.Config) { c.Ramdisk = "EFI/nixos" }), "ramdisk", 3, "byte 0x2f"},
		"comment in name":   {with(func(c *xencfg.Config) { c.Ramdisk = "a#" }), "ramdisk", 1, "byte 0x23"},
		"non-ASCII name":    {with(func(c *xencfg.Config) { c.DTB = "é.dtb" }), "dtb", 0, "byte 0xc3"},
		"newline in name":   {with(func(c *xencfg.Config) { c.XSM = "a\n" }), "xsm", 1, "byte 0x0a"},
		"trailing blank":    {with(func(c *xencfg.Config) { c.Ucode = "a " }), "ucode", 1, "byte 0x20"},
		"ramdisk as cmd":    {with(func(c *xencfg.Config) { c.CmdLine = "ramdisk=x" }), "dom0's command line", -1, `"ramdisk="`},
		"section as cmd":    {with(func(c *xencfg.Config) { c.CmdLine = " [x] y" }), "dom0's command line", -1, `"["`},
		"video mode as cmd": {with(func(c *xencfg.Config) { c.CmdLine = "video=gfx-1x1" }), "dom0's command line", -1, `"video=gfx-"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := c.config.Encode()
			invalid, ok := errors.AsType[*xencfg.InvalidError](err)
			if !ok || b != nil {
				t.Fatalf("got %q, %v, want an InvalidError", b, err)
			}
			if invalid.Field != c.field || invalid.Offset != c.offset || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v (%+v), want %q", err, invalid, c.want)
			}
		})
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		params []string
		want   string
		err    string
	}{
		"none":    {nil, "", ""},
		"some":    {[]string{"root=fstab", "loglevel=4"}, "root=fstab loglevel=4", ""},
		"empty":   {[]string{"", "a", "  ", "b", ""}, "a b", ""},
		"blanks":  {[]string{`dyndbg="a  b"`, "c"}, `dyndbg="a  b" c`, ""},
		"UTF-8":   {[]string{"é=✓"}, "é=✓", ""},
		"comment": {[]string{"ok", "foo#bar"}, "", `kernel parameter "foo#bar": byte 0x23 at offset 3: `},
		"newline": {[]string{"a=1 b\nramdisk=evil"}, "", `kernel parameter "a=1 b\nramdisk=evil": byte 0x0a at offset 5: `},
	} {
		got, err := xencfg.Join("kernel parameter", c.params)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
			t.Errorf("%s: got %q, %v, want %q, %q", name, got, err, c.want, c.err)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 127)
	// "k " and 1021 bytes are as much as arrives.
	fits := "init=/init " + strings.Repeat("y", 1021-len("init=/init "))
	for name, c := range map[string]struct {
		config xencfg.Config
		want   []string
	}{
		"none":        {xencfg.Config{Options: "a " + long + " b", Kernel: "k", CmdLine: fits}, nil},
		"long option": {xencfg.Config{Options: "a " + long + "yz b", Kernel: "k"}, []string{`options: Xen reads 127 bytes of an option and cuts "yz" off "` + long + `yz"`}},
		"long line": {
			xencfg.Config{Kernel: "k", CmdLine: fits + " z=1"},
			[]string{`dom0's command line: with the kernel's file name in front it has 1027 bytes, of which 1023 arrive; Xen cuts off " z=1"`},
		},
		"passed on": {xencfg.Config{Options: "a --  b -- c ", Kernel: "k"}, []string{`options: what follows " -- " goes to dom0's command line: "b -- c"`}},
		"passed on, long": {
			xencfg.Config{Options: "a -- " + long + "2", Kernel: "k", CmdLine: fits},
			[]string{
				`options: what follows " -- " goes to dom0's command line: "` + long + `2"`,
				`dom0's command line: with the kernel's file name in front it has 1152 bytes, of which 1023 arrive; Xen cuts off " ` + long + `2"`,
			},
		},
		"two dashes in a word": {xencfg.Config{Options: "a=--b -- ", Kernel: "k"}, nil},
		"blank in a character": {
			xencfg.Config{Options: "à", Kernel: "k", CmdLine: "init=/init name=voilà quiet"},
			[]string{`dom0's command line: Linux takes byte 0xa0 for a blank, which is a part of a character in "name=voilà"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, w := range xencfg.Warnings(c.config, xencfg.X86) {
				got = append(got, w.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWarningsARM: the kernel's name does not count there, and nothing goes from Xen to dom0.
func TestWarningsARM(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 128)
	c := xencfg.Config{Options: long + " -- b -- c", Kernel: "k", CmdLine: "init=/init " + strings.Repeat("y", 1023-len("init=/init "))}
	var got []string
	for _, w := range xencfg.Warnings(c, xencfg.ARM) {
		got = append(got, w.String())
	}
	want := []string{
		`options: Xen reads 127 bytes of an option and cuts "x" off "` + long + `"`,
		`options: Xen on aarch64 takes what follows " -- " for options of its own: "b -- c"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
