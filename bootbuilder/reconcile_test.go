package bootbuilder

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
)

const (
	xenA   = "EFI/xen/xen-4.19.3-aaaaaaaaaaaaaaaaaaaa.efi"
	xenB   = "EFI/xen/xen-4.20.2-bbbbbbbbbbbbbbbbbbbb.efi"
	kernel = "EFI/nixos/kernel.efi"
)

func cfgName(id string) string { return "EFI/xen/" + id + "-0123456789abcdef.cfg" }

// installedEntry is what an entry of the shared layout is on $BOOT.
func installedEntry(id, image, toplevel string) map[string]string {
	return map[string]string{
		"loader/entries/" + id + ".conf": fmt.Sprintf("title %s\nefi /%s\noptions xen.efi -cfg=%s\n", id, image, strings.TrimPrefix(cfgName(id), "EFI/xen/")),
		cfgName(id):                      fmt.Sprintf("[global]\ndefault=xen\n\n[xen]\nkernel=\\EFI\\nixos\\kernel.efi init=%s/init\n", toplevel),
		image:                            "an image",
		kernel:                           "a kernel",
	}
}

// plannedEntryOf is an outcome that has its files, in these states: image, xen.cfg, entry.
func plannedEntryOf(o outcome, image string, states ...fileState) outcome {
	names := []string{image, cfgName(o.ID), "loader/entries/" + o.ID + ".conf"}
	kinds := []FileKind{KindImage, KindConfig, KindEntry}
	o.files = &built{Files: layout.Files{Image: image, Needs: []string{kernel}}}
	for i, name := range names {
		o.files.files = append(o.files.files, plannedFile{File: layout.File{Name: name, Kind: kinds[i]}, state: states[i]})
	}
	return o
}

// TestReconcile decides on inventories of two entries at most: 1 of toplevel /nix/store/1 with Xen A, 2 of /nix/store/2 with Xen B.
func TestReconcile(t *testing.T) {
	t.Parallel()
	one, two := installedEntry("xen-generation-1", xenA, "/nix/store/1"), installedEntry("xen-generation-2", xenB, "/nix/store/2")
	both := maps.Clone(one)
	maps.Copy(both, two)
	with := func(base map[string]string, more ...string) map[string]string {
		all := maps.Clone(base)
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	skipped := func(words string) outcome {
		g := generationsOf(words)[0]
		return outcome{Generation: g, skip: g.Skip}
	}
	in := func(words, image string, states ...fileState) outcome {
		return plannedEntryOf(outcome{Generation: generationsOf(words)[0]}, image, states...)
	}
	gone := func(o outcome) outcome {
		o.Gone = true
		return o
	}
	entry1, entry2 := "loader/entries/xen-generation-1.conf", "loader/entries/xen-generation-2.conf"
	cfg1, cfg2 := cfgName("xen-generation-1"), cfgName("xen-generation-2")
	for name, c := range map[string]struct {
		there    map[string]string
		outcomes []outcome
		damaged  bool // the entries that were found lead nowhere
		removal  bool
		writes   []string
		kept     []string
		stale    []string // entries, then payload
		blank    []string
	}{
		"first install: payload before entries": {
			outcomes: []outcome{in("1", xenA, missing, missing, missing), in("2", xenA, missing, missing, missing)},
			writes:   []string{xenA, cfg1, cfg2, entry1, entry2}, // what both share, once
		},
		"all is right": {there: both, outcomes: []outcome{in("1", xenA, same, same, same), in("2", xenB, same, same, same)}},
		"one differs": {there: both,
			outcomes: []outcome{in("1", xenA, same, same, differs), in("2", xenB, same, same, same)}, writes: []string{entry1}},
		"a generation is deleted": {there: both,
			outcomes: []outcome{in("2", xenB, same, same, same)}, stale: []string{entry1, xenA, cfg1}},
		"Xen is off in it": {there: both,
			outcomes: []outcome{skipped("1!no-extension"), in("2", xenB, same, same, same)}, stale: []string{entry1, xenA, cfg1}},
		"over the limit": {there: both,
			outcomes: []outcome{skipped("1!over-limit"), in("2", xenB, same, same, same)}, stale: []string{entry1, xenA, cfg1}},
		"an entry selects nothing": {there: both,
			outcomes: []outcome{skipped("1!unknown-generation"), in("2", xenB, same, same, same)}, stale: []string{entry1, xenA, cfg1}},
		"boot.json is lost": {there: both,
			outcomes: []outcome{skipped("1!bootspec-missing"), in("2", xenB, same, same, same)}, kept: []string{entry1}},
		"the toplevel is gone": {there: both,
			outcomes: []outcome{gone(skipped("1!bootspec-missing")), in("2", xenB, same, same, same)}, stale: []string{entry1, xenA, cfg1}},
		"not asked for": {there: both,
			outcomes: []outcome{skipped("1!not-selected"), in("2", xenB, same, same, same)}, kept: []string{entry1}},
		"not asked for, and the number is another system's": {there: with(two, slices.Concat(flat(installedEntry("xen-generation-1", xenA, "/nix/store/old")))...),
			outcomes: []outcome{skipped("1!not-selected"), in("2", xenB, same, same, same)}, stale: []string{entry1, xenA, cfg1}},
		"can't be made, and what is there is broken": {there: with(both, xenA, ""),
			outcomes: []outcome{skipped("1!xen-missing"), in("2", xenB, same, same, same)}, stale: []string{entry1, xenA, cfg1}},
		"no generation was found: somebody else failed": {there: both},
		"only what leads to no generation was found": {there: both, damaged: true,
			outcomes: []outcome{skipped("3!entry-invalid"), skipped("4!unknown-generation")}},
		"removal":        {there: both, removal: true, stale: []string{entry1, entry2, xenA, xenB, cfg1, cfg2}},
		"unused payload": {there: with(two, xenA, "an image"), outcomes: []outcome{in("2", xenB, same, same, same)}, stale: []string{xenA}},
		"letter case":    {there: both, outcomes: []outcome{in("1", strings.ToUpper(xenA), same, same, same), in("2", xenB, same, same, same)}},
		"somebody needs it": {there: with(both, "loader/entries/mine.conf", "title Mine\nefi /"+xenA+"\noptions xen.efi -cfg="+strings.TrimPrefix(cfg1, "EFI/xen/")+"\n"),
			outcomes: []outcome{in("2", xenB, same, same, same)}, stale: []string{entry1}},
		"an entry moves to another Xen": {there: both,
			outcomes: []outcome{in("1", xenB, same, missing, differs), in("2", xenB, same, same, same)},
			writes:   []string{cfg1, entry1}, stale: []string{xenA}, blank: []string{entry1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := crashfs.NewMachine().Mount("/boot", crashfs.Geometry{})
			fsys.Fill(c.there)
			inv, err := installed.Read(fsys, fsys)
			if err != nil {
				t.Fatal(err)
			}
			v := reconcile(c.outcomes, inv, c.removal)
			got := map[string][]string{}
			for _, w := range v.writes {
				got["writes"] = append(got["writes"], w.Name)
			}
			for _, e := range v.kept {
				got["kept"] = append(got["kept"], e.File)
			}
			for _, e := range v.entries {
				got["stale"] = append(got["stale"], e.File)
			}
			payload := []string{}
			for _, p := range v.payload {
				payload = append(payload, p.Name)
			}
			slices.SortFunc(payload, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
			got["stale"] = append(got["stale"], payload...)
			for _, p := range v.blank {
				got["blank"] = append(got["blank"], p.Name)
			}
			want := map[string][]string{"writes": c.writes, "kept": c.kept, "stale": c.stale, "blank": c.blank}
			for part, names := range want {
				if d := cmp.Diff(strings.Join(names, "\n"), strings.Join(got[part], "\n")); d != "" {
					t.Errorf("%s (-want +got):\n%s", part, d)
				}
			}
			if decisive := c.removal || len(c.outcomes) > 0 && !c.damaged; v.decisive != decisive {
				t.Errorf("decisive: %v", v.decisive)
			}
		})
	}
}

var order = []string{xenA, xenB, cfgName("xen-generation-1"), cfgName("xen-generation-2")}

func flat(m map[string]string) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, name, m[name])
	}
	return list
}

// TestReconcileUnread removes nothing while something can't be read: it may need what would go.
func TestReconcileUnread(t *testing.T) {
	t.Parallel()
	m := crashfs.NewMachine()
	fsys := m.Mount("/boot", crashfs.Geometry{})
	fsys.Fill(installedEntry("xen-generation-1", xenA, "/nix/store/1"))
	fsys.Fill(map[string]string{"loader/entries/mine.conf": "title Mine\nefi /EFI/mine.efi\n"})
	m.FailAt(1, syscall.EIO) // the first entry that is opened
	inv, err := installed.Read(fsys, fsys)
	if err != nil {
		t.Fatal(err)
	}
	v := reconcile([]outcome{{Generation: generation.Generation{ID: "xen-generation-2"}}}, inv, false)
	if v.blocked == nil || v.removes() {
		t.Errorf("blocked for %v, removes %v %v", v.blocked, v.entries, v.payload)
	}
}
