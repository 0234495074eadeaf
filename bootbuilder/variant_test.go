package bootbuilder_test

import (
	"slices"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
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
