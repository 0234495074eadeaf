package bootbuilder_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestHostilePartition puts the wrong kind of thing where directories and files of ours belong.
// The run fails as a whole, and says what is in the way; nothing changes.
func TestHostilePartition(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*victim)
		err   string
	}{
		"EFI/xen is a file":          {func(v *victim) { v.write("EFI/xen", "x") }, `/EFI/xen: `},
		"EFI/xen leads out":          {func(v *victim) { v.replace(filepath.Join(v.boot(), "EFI/xen"), link(v.root.Dir())) }, `/EFI/xen: .*escapes`},
		"EFI/nixos is a file":        {func(v *victim) { v.replace(filepath.Join(v.boot(), "EFI/nixos"), holding("x")) }, `/EFI/nixos: `},
		"EFI/Linux is a file":        {func(v *victim) { v.write("EFI/Linux", "x") }, `/EFI/Linux: `},
		"loader/entries is a file":   {func(v *victim) { v.replace(filepath.Join(v.boot(), "loader/entries"), holding("x")) }, `/loader/entries: `},
		"loader.conf is a directory": {func(v *victim) { v.replace(filepath.Join(v.boot(), "loader/loader.conf"), directory) }, `/loader/loader.conf: not a regular file`},
		"loader.conf is a FIFO":      {func(v *victim) { v.replace(filepath.Join(v.boot(), "loader/loader.conf"), fifo) }, `/loader/loader.conf: not a regular file`},
		"loader.conf is a link":      {func(v *victim) { v.replace(filepath.Join(v.boot(), "loader/loader.conf"), link("/etc/passwd")) }, `/loader/loader.conf: .*escapes`},
		"loader.conf of 10 MB":       {func(v *victim) { v.write("loader/loader.conf", strings.Repeat("#\n", 5<<20)) }, `/loader/loader.conf: file is too large`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			c.spoil(v)
			listing := v.listing()
			err := v.patient().Err
			if err == nil || !regexp.MustCompile(c.err).MatchString(err.Error()) {
				t.Errorf("error %v, want one that matches %q", err, c.err)
			}
			if diff := cmp.Diff(listing, v.listing()); diff != "" {
				t.Errorf("something changed:\n%s", diff)
			}
		})
	}
}

// listing names everything on $BOOT with its type and size. It opens nothing.
func (v *victim) listing() map[string]string {
	v.t.Helper()
	all := make(map[string]string)
	v.must(filepath.WalkDir(v.boot(), func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		all[name] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
		return err
	}))
	return all
}

// TestLoaderConfWithNUL: systemd-boot stops reading there.
func TestLoaderConfWithNUL(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.write("loader/loader.conf", "default nixos-generation-3.conf\n\x00default nixos-generation-1.conf\n")
	v.install()
	if got, want := v.read("loader/loader.conf"), "default xen-generation-3.conf\n\x00default nixos-generation-1.conf"; got != want {
		t.Errorf("loader.conf is %q, want %q", got, want)
	}
}

// TestDirectoryWithNameOfEntry: one generation can't have its entry, the others can.
func TestDirectoryWithNameOfEntry(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"loader/entries/xen-generation-2.conf", "EFI/xen/xen-generation-2-*.cfg"} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			v.install()
			name := v.one(pattern)
			v.remove()
			v.write(name+"/mine", "x")
			v.left(regexp.QuoteMeta(name) + `: not a regular file`)
			if v.read(name+"/mine") != "x" {
				t.Error("what the directory held changed")
			}
		})
	}
}

// TestKeptDefault: generation 2 can't be rebuilt. loader.conf, which the script made start its
// entry, goes on to do so where it is to be kept, and gives NixOS back otherwise.
func TestKeptDefault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		counter string // of NixOS' entry, which the script copies
		spoil   bool   // the script's entry, beside one of ours that is whole
		mode    bootbuilder.DefaultMode
		want    string
	}{
		"whole":                {"", false, bootbuilder.DefaultXen, "nixos-generation-2.conf"},
		"whole, keep":          {"", false, bootbuilder.DefaultKeep, "xen-generation-2.conf"},
		"whole, nixos":         {"", false, bootbuilder.DefaultNixOS, "nixos-generation-2.conf"},
		"with a counter":       {"2-1", false, bootbuilder.DefaultXen, "nixos-generation-2.conf"},
		"with a counter, keep": {"2-1", false, bootbuilder.DefaultKeep, "xen-generation-2.conf"},
		"goes":                 {"", true, bootbuilder.DefaultXen, "nixos-generation-2.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			v.must(v.root.SetDefault(v.top))
			v.rebuild()
			v.options.Layout = bootbuilder.LayoutUnified
			if c.spoil {
				v.install()
			}
			if c.counter != "" {
				file, err := fixtures.SetCounter(v.esp, "nixos-generation-2.conf", c.counter)
				v.must(err)
				v.entries[1].File = file
			}
			v.script()
			if c.spoil {
				v.write("EFI/nixos/xen-generation-2.efi", "")
			}
			v.write("loader/loader.conf", "default xen-generation-2.conf\n")
			v.must(os.Remove(v.store(v.top.Path + "/boot.json")))
			v.options.Default = c.mode
			if err := v.tryInstall().Err; err != nil {
				t.Error(err)
			}
			if got, want := v.loaderConf(), "default "+c.want; got != want {
				t.Errorf("loader.conf is %q, want %q", got, want)
			}
		})
	}
}

// TestLargeEntry: what is too large for an entry, under the name of one, costs one generation, and no other one.
func TestLargeEntry(t *testing.T) {
	t.Parallel()
	for _, layout := range []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutEmbedded} {
		m := newMachine(t).withLayout(layout)
		m.addXen(1, 2, 3)
		m.rebuild()
		large := "title NixOS\n" + strings.Repeat("# something else\n", 7000)
		m.write("loader/entries/xen-generation-1.conf", large)
		r := m.install()
		wantOut(t, r, "xen-generation-1", bootbuilder.Collision)
		for _, id := range []string{"xen-generation-2", "xen-generation-3"} {
			if g := reported(t, r, id); g.State != bootbuilder.Added {
				t.Errorf("%s: %s is %s: %s", layout, id, g.State, g.Detail)
			}
		}
		if m.readAll("loader/entries/xen-generation-1.conf") != large {
			t.Errorf("%s: it was changed", layout)
		}
	}
}
