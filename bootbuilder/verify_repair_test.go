package bootbuilder_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// deletion is a hint that names a file to delete.
var deletion = regexp.MustCompile(`^delete (/[^ ]+), then (install as before|run nixos-rebuild boot)`)

// TestVerifyRepair does what verify says about each damage, and nothing else: all is well then.
func TestVerifyRepair(t *testing.T) {
	t.Parallel()
	for n, c := range slices.Concat(imageDamages(), configDamages(), payloadDamages(), entryDamages(), unifiedDamages()) {
		for i, layout := range c.layouts {
			if testing.Short() && (i != n%len(c.layouts) || n%3 != 0) {
				continue // a third of the damages, in one layout
			}
			t.Run(c.name+"/"+string(layout), func(t *testing.T) {
				t.Parallel()
				d := newDamaged(t, layout)
				c.inflict(d)
				bad := 0
				for _, e := range d.verify().Entries {
					if e.Health != bootbuilder.Broken && e.Health != bootbuilder.Forged {
						if e.Hint != "" {
							t.Errorf("%s is %s, and repaired by %q", e.ID, e.Health, e.Hint)
						}
						continue
					}
					bad++
					d.follow(e)
				}
				if c.name == "init gone" {
					d.wantStoreRepair()
					return
				}
				d.install()
				for _, e := range d.verify().Entries {
					if e.Health != bootbuilder.OK {
						t.Errorf("after the repair verify says %s of %s: %q (%d were bad)", e.Health, e.ID, e.Problems, bad)
					}
				}
			})
		}
	}
}

// wantStoreRepair: no installer repairs the store.
func (d *damaged) wantStoreRepair() {
	d.t.Helper()
	for _, e := range d.verify().Entries {
		if want := "run nix-store --repair-path " + d.tops[2].Path; e.Health == bootbuilder.Broken && !strings.HasPrefix(e.Hint, want) {
			d.t.Errorf("%s is repaired by %q, want %q", e.ID, e.Hint, want)
		}
	}
}

// follow does what a hint says before an install.
func (d *damaged) follow(e bootbuilder.EntryStatus) {
	d.t.Helper()
	if strings.HasPrefix(e.Hint, "an install ") || strings.HasPrefix(e.Hint, "run nix-store ") {
		return
	}
	m := deletion.FindStringSubmatch(e.Hint)
	if m == nil {
		d.t.Errorf("verify does not say what repairs %s: %q, hint %q", e.ID, e.Problems, e.Hint)
		return
	}
	if err := os.RemoveAll(m[1]); err != nil {
		d.t.Error(err)
	}
	if m[2] != "install as before" {
		d.rebuild()
		if d.tops[3].System.ExtraInitrds != nil {
			d.edit("loader/entries/nixos-generation-3.conf", "\noptions", "\ninitrd /EFI/nixos/.extra-files/microcode.img\noptions")
		}
	}
}
