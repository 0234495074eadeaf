package layout_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// bench is a root with one generation, 7, and a $BOOT with its NixOS entry.
type bench struct {
	t    *testing.T
	top  *fixtures.Toplevel
	boot string
	r    *content.Reader
	sys  *generation.System
	fsys esp.FS
}

func newBench(t *testing.T, s fixtures.System, o fixtures.SystemdBoot) *bench {
	t.Helper()
	b := &bench{t: t, boot: t.TempDir()}
	root := fixtures.NewRoot(t.TempDir())
	s.Xen = &fixtures.Xen{Version: "4.20.2"}
	var err error
	b.top, err = root.Add(fixtures.Generation{Number: 7, System: s})
	b.must(err)
	_, err = root.InstallSystemdBoot(b.boot, o)
	b.must(err)
	opened, err := nixroot.Open(root.Dir())
	b.must(err)
	t.Cleanup(func() { opened.Close() })
	dir, err := esp.OpenDir(b.boot)
	b.must(err)
	t.Cleanup(func() { dir.Close() })
	b.fsys, b.r = dir, content.NewReader(opened, dir)
	b.sys, err = generation.ReadSystem(opened)
	b.must(err)
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// generation is 7, by its entry.
func (b *bench) generation() generation.Generation {
	b.t.Helper()
	items, err := menu.Read(b.fsys)
	b.must(err)
	selectors := generation.Selectors(items, generation.Auto, func(string) bool { return true }, nil)
	found := b.sys.FromSelectors(selectors)
	if len(found.Generations) != 1 || found.Generations[0].Skip != nil {
		b.t.Fatalf("%+v", found)
	}
	return found.Generations[0]
}

func (b *bench) build(g generation.Generation, o layout.Options) (layout.Files, error) {
	if o.Installed == nil {
		o.Installed = func(string, string) string { return "" }
	}
	if o.Busy == nil {
		o.Busy = func(string) bool { return false }
	}
	return layout.Build(context.Background(), b.r, g, o)
}

// shape is a file's kind and name without hashes.
func shape(f layout.Files) (list []string) {
	hash := regexp.MustCompile(`[0-9a-df-np-sv-z]{32}|[0-9a-f]{32}|[0-9a-f]{20}|[0-9a-f]{16}`)
	for _, file := range f.All() {
		list = append(list, string(file.Kind)+" "+hash.ReplaceAllString(file.Name, "H"))
	}
	for _, name := range f.Needs {
		list = append(list, "needs "+hash.ReplaceAllString(name, "H"))
	}
	return list
}

func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	pair, err := fixtures.Keys("db")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pair.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestBuild: which files there are in each layout, and where kernel and ramdisk come from.
func TestBuild(t *testing.T) {
	t.Parallel()
	const (
		kernel, initrd = "needs EFI/nixos/H-linux-6.12.58-bzImage.efi", "needs EFI/nixos/H-initrd-linux-6.12.58-initrd.efi"
		image, config  = "image EFI/xen/xen-4.20.2-H.efi", "config EFI/xen/xen-generation-7-H.cfg"
		entry          = "entry loader/entries/xen-generation-7.conf"
	)
	extra := []string{"EFI/extra.img"}
	for name, c := range map[string]struct {
		system fixtures.System
		nixos  fixtures.SystemdBoot
		spoil  func(b *bench)
		o      layout.Options
		want   []string
		reason generation.Reason
		advice string // what one of it says
	}{
		"shared":   {o: layout.Options{Layout: layout.Shared}, want: []string{image, config, entry, kernel, initrd}},
		"embedded": {o: layout.Options{Layout: layout.Embedded}, want: []string{"image EFI/nixos/xen-generation-7.efi", entry, kernel, initrd}},
		"embedded, the script's name is taken": {o: layout.Options{Layout: layout.Embedded, Busy: func(name string) bool { return strings.HasPrefix(name, "EFI/nixos/") }},
			want: []string{"image EFI/xen/xen-generation-7-H.efi", entry, kernel, initrd}},
		"unified":          {o: layout.Options{Layout: layout.Unified}, want: []string{"image EFI/Linux/xen-generation-7-H.efi"}},
		"unified, counted": {nixos: fixtures.SystemdBoot{Tries: 3}, o: layout.Options{Layout: layout.Unified}, want: []string{"image EFI/Linux/xen-generation-7-H+3.efi"}},
		"unified, counted and there": {nixos: fixtures.SystemdBoot{Tries: 3},
			o:    layout.Options{Layout: layout.Unified, Installed: func(id, hash string) string { return "EFI/Linux/" + id + "-" + hash + "+1-2.efi" }},
			want: []string{"image EFI/Linux/xen-generation-7-H+1-2.efi"}},
		"kernel of another size": {o: layout.Options{Layout: layout.Shared},
			spoil: func(b *bench) { b.must(os.WriteFile(b.one("*bzImage.efi"), []byte("another"), 0o644)) },
			want:  []string{"kernel EFI/xen/H-linux-6.12.58-bzImage.efi", image, config, entry, initrd}},
		"kernel missing": {o: layout.Options{Layout: layout.Shared}, spoil: func(b *bench) { b.must(os.Remove(b.one("*bzImage.efi"))) },
			want: []string{"kernel EFI/xen/H-linux-6.12.58-bzImage.efi", image, config, entry, initrd}},
		"no initrd": {system: fixtures.System{NoInitrd: true}, o: layout.Options{Layout: layout.Shared}, want: []string{image, config, entry, kernel}},
		"extra initrds are joined": {system: fixtures.System{ExtraInitrds: extra}, nixos: fixtures.SystemdBoot{Names: fixtures.ContentHashNames},
			o: layout.Options{Layout: layout.Shared}, want: []string{"ramdisk EFI/xen/initrd-H.img", image, "config EFI/xen/xen-HH-H.cfg", "entry loader/entries/xen-HH.conf", kernel}},
		"extra initrds, signed": {system: fixtures.System{ExtraInitrds: extra}, nixos: fixtures.SystemdBoot{Names: fixtures.ContentHashNames},
			o: layout.Options{Layout: layout.Unified, Certificate: certificate(t)}, reason: generation.UnverifiedInitrd},
		"an initrd line that boot.json doesn't list": {o: layout.Options{Layout: layout.Shared},
			spoil: func(b *bench) {
				b.must(os.WriteFile(filepath.Join(b.boot, "evil.img"), []byte("evil"), 0o644))
				file := filepath.Join(b.boot, "loader/entries/nixos-generation-7.conf")
				text, err := os.ReadFile(file)
				b.must(err)
				b.must(os.WriteFile(file, []byte(strings.Replace(string(text), "\noptions", "\ninitrd /evil.img\noptions", 1)), 0o644))
			}, want: []string{image, config, entry, kernel, initrd}, advice: "/evil.img"},
		"aarch64, a section": {system: fixtures.System{Platform: "aarch64-linux"}, o: layout.Options{Layout: layout.Embedded}, reason: generation.ImageInvalid},
		"a parameter that can't be said": {system: fixtures.System{Params: []string{"a=b", "c\x01"}}, o: layout.Options{Layout: layout.Shared},
			reason: generation.BadParameter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.system, c.nixos)
			if c.spoil != nil {
				c.spoil(b)
			}
			f, err := b.build(b.generation(), c.o)
			var skip *generation.Skip
			if errors.As(err, &skip); c.reason != "" {
				if skip == nil || skip.Reason != c.reason {
					t.Errorf("%v, %v; want it left out for %s", err, shape(f), c.reason)
				}
				return
			}
			b.must(err)
			if d := cmp.Diff(c.want, shape(f)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if got := strings.Join(f.Advice, "\n"); !strings.Contains(got, strings.TrimPrefix(c.advice, "/")) || (c.advice == "") != (got == "") {
				t.Errorf("advice %q", got)
			}
			if len(f.EntryText)%512 != 0 {
				t.Errorf("the entry has %d bytes", len(f.EntryText))
			}
			again, err := b.build(b.generation(), c.o)
			b.must(err)
			if d := cmp.Diff(shape(f), shape(again)); d != "" || string(f.Config) != string(again.Config) || f.Image != again.Image {
				t.Errorf("the second time:\n%s", d)
			}
		})
	}
}

func (b *bench) one(pattern string) string {
	b.t.Helper()
	names, err := filepath.Glob(filepath.Join(b.boot, "EFI/nixos", pattern))
	b.must(err)
	if len(names) != 1 {
		b.t.Fatalf("%s: %q", pattern, names)
	}
	return names[0]
}

// TestSigned takes nothing that is signed from $BOOT: whatever lies there, the image is the same.
func TestSigned(t *testing.T) {
	t.Parallel()
	b := newBench(t, fixtures.System{}, fixtures.SystemdBoot{})
	o := layout.Options{Layout: layout.Unified, Certificate: certificate(t)}
	before, err := b.build(b.generation(), o)
	b.must(err)
	for _, pattern := range []string{"*bzImage.efi", "*initrd.efi"} {
		file := b.one(pattern)
		info, err := os.Stat(file)
		b.must(err)
		b.must(os.WriteFile(file, make([]byte, info.Size()), 0o644)) // of the same size
	}
	entry := filepath.Join(b.boot, "loader/entries/nixos-generation-7.conf")
	text, err := os.ReadFile(entry)
	b.must(err)
	b.must(os.WriteFile(entry, []byte(strings.NewReplacer("title NixOS", "title Evil", "loglevel=4", "loglevel=9", "sort-key nixos", "sort-key aaa").Replace(string(text))), 0o644))
	dir, err := esp.OpenDir(b.boot)
	b.must(err)
	defer dir.Close()
	g := b.generation()
	g.Selectors[0].Title = "Evil"
	after, err := b.build(g, o)
	b.must(err)
	if before.Image != after.Image || string(before.Config) != string(after.Config) {
		t.Errorf("the image was %s, and is %s", before.Image, after.Image)
	}
}
