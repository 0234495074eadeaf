package bootbuilder_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestVariantOfAGenerationNotAskedFor: what an extra entry needs stays, as the entry itself does, while another generation is
// built.
func TestVariantOfAGenerationNotAskedFor(t *testing.T) {
	t.Parallel()
	for _, layout := range []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutEmbedded} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			m := newAfterInstall(t, afterInstall{nixos: "systemd-boot", layout: layout, variants: true, def: bootbuilder.DefaultXen})
			m.install()
			before := m.trees()
			m.options.Only = []string{"1"}
			report := m.install()
			m.wantTrees(before)
			if kept := ids(report, bootbuilder.Kept); !slices.Contains(kept, "xen-generation-3-variant-extra") {
				t.Errorf("kept are %q", kept)
			}
			m.wantHealthy()
		})
	}
}

// TestVariantOfAGenerationThatCannotBeRead: with the entry of a generation its variant stays, and no other one gets the newest's.
func TestVariantOfAGenerationThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		m := newMachine(t).withLayout(layout)
		m.addXen(1)
		newest := m.add(fixtures.Generation{Number: 2, System: xenSystem("4.20.2")})
		m.rebuild()
		m.options.Variants = []bootbuilder.Variant{{Name: "verbose", XenParams: []string{"loglvl=all"}}}
		m.install()
		m.must(os.WriteFile(filepath.Join(m.root.Dir(), newest.Path, "boot.json"), []byte("{"), 0o644))
		r := m.tryInstall().Report
		said := slices.DeleteFunc(slices.Clone(r.Warnings), func(w bootbuilder.Warning) bool { return w.Generation == "" })
		if len(said) != 1 {
			t.Errorf("%s: it is said %d times: %v", layout, len(said), said)
		}
		for id, state := range map[string]bootbuilder.State{
			"xen-generation-1": bootbuilder.Unchanged, "xen-generation-2": bootbuilder.Kept, "xen-generation-2-variant-verbose": bootbuilder.Kept,
		} {
			if g := reported(t, r, id); g.State != state {
				t.Errorf("%s: %s is %s", layout, id, g.State)
			}
		}
		for _, g := range r.Generations {
			if g.ID == "xen-generation-1-variant-verbose" || g.State == bootbuilder.Removed {
				t.Errorf("%s: %s is %s", layout, g.ID, g.State)
			}
		}
	}
}

// TestSpecialisationLikeVariant: a specialisation may have a name as an extra entry's id ends.
func TestSpecialisationLikeVariant(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		m := newMachine(t).withLayout(layout)
		m.add(fixtures.Generation{Number: 1, System: xenSystem("4.20.2"), Specialisations: []fixtures.Specialisation{{Name: "a-variant-b", System: xenSystem("4.20.2")}}})
		m.rebuild()
		m.options.Variants = []bootbuilder.Variant{{Name: "c"}}
		m.install()
		got := make(map[string]string)
		for _, e := range m.list().Entries {
			got[e.Generation] = e.Specialisation + "+" + e.Variant
		}
		want := map[string]string{
			"xen-generation-1": "+", "xen-generation-1-specialisation-a-variant-b": "a-variant-b+", "xen-generation-1-variant-c": "+c",
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", layout, got, want)
		}
		m.delete("loader/entries/nixos-generation-1-specialisation-a-variant-b.conf")
		if g := reported(t, m.install(), "xen-generation-1-specialisation-a-variant-b"); g.Specialisation != "a-variant-b" || g.Variant != "" {
			t.Errorf("%s: %q and %q is %s", layout, g.Specialisation, g.Variant, g.State)
		}
	}
}
