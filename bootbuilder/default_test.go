package bootbuilder_test

import (
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestSetDefault: any entry that is listed, ours or NixOS', in all layouts, counted and by both namings.
func TestSetDefault(t *testing.T) {
	t.Parallel()
	for _, nixos := range []fixtures.SystemdBoot{{}, {Tries: 3}, {Names: fixtures.ContentHashNames}, {Names: fixtures.ContentHashNames, Tries: 3}} {
		for _, layout := range allLayouts {
			m := newMachine(t).withLayout(layout)
			m.nixos = nixos
			m.addXen(1, 2, 3)
			m.rebuild()
			m.install()
			for _, e := range m.list().Entries {
				m.open(func(target bootbuilder.Target) { m.must(bootbuilder.SetDefault(ctx, target, e.ID)) })
				if starts := m.list().Starts; starts == nil || starts.Entry != e.ID || starts.Number != e.Number || !starts.Xen {
					t.Errorf("%s: %s was made the default, and %+v starts", layout, e.ID, starts)
				}
			}
			before := m.trees()
			m.open(func(target bootbuilder.Target) {
				if err := bootbuilder.SetDefault(ctx, target, "xen-generation-77.conf"); err == nil {
					t.Error("an entry that is not there was made the default")
				}
			})
			m.wantTrees(before)
		}
	}
}
