package bootbuilder_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// damage is one thing that goes wrong on a healthy partition, in one or more layouts.
type damage struct {
	name    string
	layouts []bootbuilder.Layout
	inflict func(d *damaged)
	// entry has the problem, by its name without suffix and hash; "": the partition as a whole.
	entry string
	// says is what the problem's text has to hold, besides the file that was damaged.
	says string
}

// damaged is a healthy partition with three generations, of which the second, the default, is to
// be damaged. Generation 3 has a ramdisk that was joined from two initrds.
type damaged struct {
	*machine
	layout bootbuilder.Layout
	tops   map[int]*fixtures.Toplevel
	// entry, image, config, kernel and ramdisk are files of generation 2 on $BOOT; "" where
	// the layout has none.
	entry, image, config, kernel, ramdisk string
	// names is the file that the problem has to name: set by inflict.
	names string
}

func newDamaged(t *testing.T, layout bootbuilder.Layout) *damaged {
	t.Helper()
	d := &damaged{machine: newMachine(t).withLayout(layout), layout: layout, tops: make(map[int]*fixtures.Toplevel)}
	first := xenSystem("4.19.3")
	first.KernelVersion = "6.12.41"
	d.tops[1] = d.add(fixtures.Generation{Number: 1, System: first})
	joined := first
	joined.ExtraInitrds = []string{"EFI/nixos/.extra-files/microcode.img"}
	d.options.SignUnverifiedInitrds = true
	d.tops[3] = d.add(fixtures.Generation{Number: 3, System: joined})
	d.tops[2] = d.add(fixtures.Generation{Number: 2, System: xenSystem("4.20.2"), Specialisations: []fixtures.Specialisation{
		{Name: fixtures.AwkwardSpecialisation, System: first},
	}})
	d.rebuild()
	d.write("EFI/nixos/.extra-files/microcode.img", "microcode")
	d.edit("loader/entries/nixos-generation-3.conf", "\noptions", "\ninitrd /EFI/nixos/.extra-files/microcode.img\noptions")
	d.install()

	d.kernel, d.ramdisk = d.one("EFI/nixos/*linux-6.12.58-bzImage.efi"), d.one("EFI/nixos/*initrd-linux-6.12.58-initrd.efi")
	d.entry = "loader/entries/xen-generation-2.conf"
	switch layout {
	case bootbuilder.LayoutShared:
		d.image, d.config = d.one("EFI/xen/xen-4.20.2-*.efi"), d.cfg(second)
	case bootbuilder.LayoutEmbedded:
		d.image = "EFI/nixos/xen-generation-2.efi"
	case bootbuilder.LayoutUnified:
		d.image, d.entry = d.unified(2), ""
	}
	return d
}

// unified is a generation's image in EFI/Linux.
func (d *damaged) unified(number int) string {
	d.t.Helper()
	return d.one("EFI/Linux/xen-generation-" + string(rune('0'+number)) + "-????????????????.efi")
}

// setConfig damages xen.cfg, wherever the layout has it.
func (d *damaged) setConfig(change func(text string) string) {
	d.t.Helper()
	if d.layout == bootbuilder.LayoutShared {
		d.names = d.config
		d.write(d.config, change(d.read(d.config)))
		return
	}
	d.names = d.image
	d.reassemble(d.image, d.signer, map[string]string{".config": change(d.section(d.image, ".config"))})
}

func (d *damaged) replaceConfig(old, new string) {
	d.t.Helper()
	d.setConfig(func(text string) string {
		if !strings.Contains(text, old) {
			d.t.Fatalf("xen.cfg holds no %q:\n%s", old, text)
		}
		return strings.Replace(text, old, new, 1)
	})
}

// TestVerifyHealthy wants no problem and no note on a partition that nothing was done to.
func TestVerifyHealthy(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			d := newDamaged(t, layout)
			d.wantHealthy()
			r := d.verify()
			if len(r.Entries) != 4 {
				t.Fatalf("%d entries, want 4: %+v", len(r.Entries), r.Entries)
			}
			for _, e := range r.Entries {
				if want := e.ID == path.Base(d.entry) || e.ID == path.Base(d.image); e.Default != want {
					t.Errorf("%s: default %v, want %v", e.ID, e.Default, want)
				}
				if e.Layout != layout || e.Title == "" || e.Version == "" || e.Size == 0 || e.Toplevel == "" {
					t.Errorf("not all is said of %s: %+v", e.ID, e)
				}
			}
			d.options.Root = "" // without the store
			d.open(func(target bootbuilder.Target) {
				if r, err := bootbuilder.Verify(ctx, target, bootbuilder.InspectOptions{}); err != nil || !r.OK() {
					t.Errorf("without a root: %v, %+v", err, r)
				}
			})
		})
	}
}

// TestVerifyDamage inflicts one damage after the other, each on a healthy partition.
func TestVerifyDamage(t *testing.T) {
	t.Parallel()
	for n, c := range slices.Concat(imageDamages(), configDamages(), payloadDamages(), entryDamages(), unifiedDamages()) {
		for i, layout := range c.layouts {
			if testing.Short() && (i != n%len(c.layouts) || n%3 != 1) {
				continue // a third of the damages, in one layout; TestVerifyRepair takes another
			}
			t.Run(c.name+"/"+string(layout), func(t *testing.T) {
				t.Parallel()
				d := newDamaged(t, layout)
				c.inflict(d)
				d.wantProblem(c)
			})
		}
	}
}

// wantProblem wants at least one problem where the damage is, and none elsewhere.
func (d *damaged) wantProblem(c damage) {
	d.t.Helper()
	if d.names == "" {
		d.t.Fatal("the damage does not say which file it is to")
	}
	r := d.verify()
	if r.OK() && !slices.ContainsFunc(r.Entries, func(e bootbuilder.EntryStatus) bool { return e.Health == bootbuilder.Outdated }) {
		d.t.Fatal("verify finds nothing")
	}
	problems := r.Problems
	for _, e := range r.Entries {
		if id, _, _ := strings.Cut(e.ID, "."); c.entry != "" && withoutHash(id) == c.entry {
			problems = append(problems, e.Problems...)
		} else if len(e.Problems) > 0 && (c.name != "toplevel gone" || !strings.HasPrefix(e.ID, c.entry+"-specialisation-")) {
			d.t.Errorf("verify finds fault with %s: %q", e.ID, e.Problems)
		}
	}
	for _, p := range r.Problems {
		if !strings.Contains(p, d.names) {
			d.t.Errorf("verify finds fault with the partition: %q", p)
		}
	}
	if len(problems) == 0 {
		d.t.Fatalf("verify finds no fault with %q: %+v", c.entry, r)
	}
	if !slices.ContainsFunc(problems, func(p string) bool {
		return strings.Contains(p, d.names) && strings.Contains(p, c.says)
	}) {
		d.t.Errorf("no problem names %s and says %q: %q", d.names, c.says, problems)
	}
}

func withoutHash(id string) string {
	if i := strings.LastIndexByte(id, '-'); i > 0 && len(id)-i == 17 {
		return id[:i]
	}
	return id
}

// TestVerifyNotes has what is not as it should be, but keeps nothing from booting.
func TestVerifyNotes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"EFI/xen/.xen-boot-builder-0.tmp",
		"EFI/Linux/.xen-boot-builder-1.tmp",
		"loader/entries/.xen-boot-builder-2.tmp",
		"EFI/xen/xen-4.18.0-0123456789abcdef0123.efi",
		"EFI/xen/xen-generation-9.cfg",
		"EFI/xen/initrd-0123456789abcdef0123456789abcdef.img",
		"EFI/nixos/xen-generation-9.efi",
	} {
		for _, layout := range allLayouts {
			t.Run(name+"/"+string(layout), func(t *testing.T) {
				t.Parallel()
				d := newDamaged(t, layout)
				d.write(name, "left over")
				r := d.verify()
				if !r.OK() || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], name) {
					t.Errorf("notes are %q and problems %q, want one note that names %s", r.Notes, r.Problems, name)
				}
			})
		}
	}
}

// TestVerifyUnreadable wants an error where there is nothing to look at, and no panic.
func TestVerifyUnreadable(t *testing.T) {
	t.Parallel()
	d := newDamaged(t, bootbuilder.LayoutShared)
	d.open(func(target bootbuilder.Target) {
		_, err := bootbuilder.Verify(ctx, target, bootbuilder.InspectOptions{Root: d.path("no/such/root")})
		if err == nil || !strings.Contains(err.Error(), "no/such/root") || bootbuilder.Hint(err) == "" {
			t.Errorf("a root that is missing: %v, hint %q", err, bootbuilder.Hint(err))
		}
	})
}
