package bootbuilder_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestListBroken breaks an installed entry in one place. List names that place, and the
// next run of install mends it.
func TestListBroken(t *testing.T) {
	t.Parallel()
	const (
		id    = "xen-generation-1"
		entry = "loader/entries/xen-generation-1.conf"
		cfg   = "EFI/xen/xen-generation-1-*.cfg"
		own   = "EFI/nixos/xen-generation-1.efi"
	)
	replace := func(pattern, old, new string) func(*machine) {
		return func(r *machine) {
			name := r.one(pattern)
			r.rewrite(name, func(s string) string {
				if !strings.Contains(s, old) {
					r.t.Fatalf("%s does not hold %q:\n%s", name, old, s)
				}
				return strings.ReplaceAll(s, old, new)
			})
		}
	}
	remove := func(pattern string) func(*machine) {
		return func(r *machine) {
			names, err := filepath.Glob(filepath.Join(r.boot(), pattern))
			if len(names) != 1 {
				r.t.Fatalf("%s is %q: %v", pattern, names, err)
			}
			r.must(os.Remove(names[0]))
		}
	}
	cut := func(pattern string, size int64) func(*machine) {
		return func(r *machine) {
			names, err := filepath.Glob(filepath.Join(r.boot(), pattern))
			if len(names) != 1 {
				r.t.Fatalf("%s is %q: %v", pattern, names, err)
			}
			r.must(errors.Join(err, os.Truncate(names[0], size)))
		}
	}
	for name, c := range map[string]struct {
		layout bootbuilder.Layout
		spoil  func(*machine)
		want   string
	}{
		"no options":             {bootbuilder.LayoutShared, replace(entry, "options xen.efi", "# xen.efi"), `xen-generation-1\.conf: options name no xen\.cfg$`},
		"other options":          {bootbuilder.LayoutShared, replace(entry, "-cfg=", "-basevideo -cfg="), `options name no xen\.cfg$`},
		"options with a path":    {bootbuilder.LayoutShared, replace(entry, "-cfg=", `-cfg=..\`), `options name no xen\.cfg$`},
		"no xen.cfg":             {bootbuilder.LayoutShared, remove(cfg), `xen-generation-1-[0-9a-f]{16}\.cfg: no such file`},
		"xen.cfg is empty":       {bootbuilder.LayoutShared, cut(cfg, 0), `xen\.cfg`},
		"xen.cfg without kernel": {bootbuilder.LayoutShared, replace(cfg, "kernel=", "colonel="), `kernel`},
		"xen.cfg is too large":   {bootbuilder.LayoutShared, replace(cfg, "[xen]\n", "[xen]\n"+strings.Repeat("#\n", 40_000)), `xen-generation-1-[0-9a-f]{16}\.cfg: file is too large`},
		"kernel ..":              {bootbuilder.LayoutShared, replace(cfg, `kernel=\EFI\nixos`, `kernel=\EFI\..\..\nixos`), `\.\.\\\\nixos.*is not a file name`},
		"no kernel":              {bootbuilder.LayoutShared, remove("EFI/nixos/*bzImage.efi"), `bzImage\.efi: no such file`},
		"kernel is empty":        {bootbuilder.LayoutShared, cut("EFI/nixos/*bzImage.efi", 0), `bzImage\.efi: file is empty`},
		"no ramdisk":             {bootbuilder.LayoutShared, remove("EFI/nixos/*initrd.efi"), `initrd\.efi: no such file`},
		"no Xen":                 {bootbuilder.LayoutShared, remove("EFI/xen/xen-4*.efi"), `xen-4\.20\.2-[0-9a-f]{20}\.efi: no such file`},
		"Xen is empty":           {bootbuilder.LayoutShared, cut("EFI/xen/xen-4*.efi", 0), `xen-4\.20\.2-[0-9a-f]{20}\.efi: file is empty`},
		"embedded, no Xen":       {bootbuilder.LayoutEmbedded, remove(own), `xen-generation-1\.efi: no such file`},
		"embedded, cut off":      {bootbuilder.LayoutEmbedded, cut(own, 700), `xen-generation-1\.efi: `},
		"embedded, no image":     {bootbuilder.LayoutEmbedded, cut(own, 0), `xen-generation-1\.efi: `},
		"embedded, other image":  {bootbuilder.LayoutEmbedded, func(r *machine) { r.write(own, string(fixtures.XenImage(fixtures.XenOptions{}))) }, `xen-generation-1\.efi: no \.config section$`},
		"embedded, no kernel":    {bootbuilder.LayoutEmbedded, remove("EFI/nixos/*bzImage.efi"), `bzImage\.efi: no such file`},
		"unified, cut off":       {bootbuilder.LayoutUnified, cut("EFI/Linux/xen-generation-1-*.efi", 900), `xen-generation-1-[0-9a-f]{16}\.efi: `},
		"unified, no image":      {bootbuilder.LayoutUnified, cut("EFI/Linux/xen-generation-1-*.efi", 0), `xen-generation-1-[0-9a-f]{16}\.efi: `},
		"unified, other image": {bootbuilder.LayoutUnified, func(r *machine) {
			names, _ := filepath.Glob(filepath.Join(r.boot(), "EFI/Linux/xen-*.efi"))
			image := fixtures.XenImage(fixtures.XenOptions{Extra: []fixtures.Section{{Name: ".config", Data: []byte("[global]\ndefault=xen\n\n[xen]\nkernel=kernel init=/x\n"), Characteristics: fixtures.SectionData}}})
			r.must(os.WriteFile(names[0], image, 0o644))
		}, `no \.kernel section$`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newMachine(t)
			r.addXen(1)
			r.rebuild()
			r.options.Layout = c.layout
			r.install()
			right := r.files()
			if seen := r.list(); len(seen.Entries) != 1 || !seen.OK() {
				t.Fatalf("before: %+v", seen)
			}
			c.spoil(r)
			seen := r.list()
			if len(seen.Entries) != 1 || len(seen.Entries[0].Problems) != 1 || !regexp.MustCompile(c.want).MatchString(seen.Entries[0].Problems[0]) {
				t.Errorf("list: %+v, want a problem that matches %q", seen.Entries, c.want)
			}
			r.rebuild() // copies kernel and initrd again where they are missing
			if strings.Contains(c.want, "bzImage") && strings.Contains(c.want, "empty") {
				return // NixOS' installer leaves an empty kernel as it is
			}
			r.install()
			for file, content := range right {
				if got := r.files()[file]; got != content {
					t.Errorf("%s is not mended: %d bytes, want %d", file, len(got), len(content))
				}
			}
		})
	}
}

// TestListOwns: an entry with a name of ours that starts no image of ours is not ours.
func TestListOwns(t *testing.T) {
	t.Parallel()
	r := newMachine(t)
	for name, efi := range map[string]string{
		"xen-generation-1.conf":   "/EFI/xen/xen.efi",
		"xen-generation-2.conf":   "/EFI/BOOT/BOOTX64.EFI",
		"xen-generation-3.conf":   `\EFI\..\EFI\xen\xen-generation-3.efi`,
		"xen-generation-4.conf":   "/EFI/nixos/deeper/xen-generation-4.efi",
		"xen-lab.conf":            "/EFI/xen/xen-lab-generation-1.efi",
		"nixos-generation-5.conf": "/EFI/nixos/xen-generation-5.efi",
	} {
		r.write("loader/entries/"+name, "title Mine\nefi "+efi+"\n")
	}
	r.write("EFI/Linux/xen-generation-6-0123456789abcdef.efi", string(fixtures.XenImage(fixtures.XenOptions{})))
	r.write("EFI/Linux/xen-generation-7.efi", "x")
	if seen := r.list(); len(seen.Entries) != 0 {
		t.Errorf("taken for ours: %+v", seen.Entries)
	}
	before := r.files()
	r.remove()
	after := r.files()
	for name, content := range before {
		if after[name] != content {
			t.Errorf("remove changed %s", name)
		}
	}
}

// TestHandWrittenEntryOfOurName: an entry somebody wrote by hand is not ours to replace, even
// where it has the name that a generation's would have.
func TestHandWrittenEntryOfOurName(t *testing.T) {
	t.Parallel()
	r := newMachine(t)
	r.addXen(1)
	r.rebuild()
	r.write("EFI/rescue/xen.efi", "somebody's Xen")
	r.write("loader/entries/xen-generation-1.conf", "title Mine\nefi /EFI/rescue/xen.efi\n")
	before := r.files()
	texts := warnings(r.tryInstall().Report)
	if len(texts) != 1 || !strings.Contains(texts[0], "xen-generation-1.conf: a hand-written entry has this name") {
		t.Errorf("warnings are %q", texts)
	}
	if got := r.files()["loader/entries/xen-generation-1.conf"]; got != before["loader/entries/xen-generation-1.conf"] {
		t.Errorf("the entry became:\n%s", got)
	}
}

// TestProfileWithBlank: Xen's load options have no quoting, so the xen.cfg of a profile with a
// blank in its name is called by a hash.
func TestProfileWithBlank(t *testing.T) {
	t.Parallel()
	for _, layout := range []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutEmbedded, bootbuilder.LayoutUnified} {
		for _, profile := range []string{"my profile", "ünï", "-cfg=x y"} {
			r := newMachine(t)
			r.options.Layout = layout
			r.add(fixtures.Generation{Profile: profile, Number: 2, System: fixtures.System{Xen: &fixtures.Xen{}}})
			r.addXen(1)
			r.rebuild()
			report := r.install()
			if len(report.Warnings) > 0 {
				t.Errorf("%s %q: %v", layout, profile, report.Warnings)
			}
			seen := r.verify()
			if !seen.OK() || len(seen.Entries) != 2 || len(seen.Notes) > 0 {
				t.Errorf("%s %q: %+v", layout, profile, seen)
			}
		}
	}
}
