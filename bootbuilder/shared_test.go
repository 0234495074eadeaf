package bootbuilder_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// TestSharedClusters: what half a rename left on the clusters of a live file stays, in each directory and under each name
// that it may have, and is named with what repairs it; any other leftover goes. (The machine's file system does
// not tell where a file starts, so equal content counts as shared.)
func TestSharedClusters(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.addXen(1, 2)
	m.rebuild()
	m.install()
	config := m.cfg("xen-generation-1")
	staged := esp.StagedName(0)
	shared := map[string]string{
		"loader/" + staged:               "loader/loader.conf",
		"loader/entries/" + staged:       "loader/entries/xen-generation-1.conf",
		"loader/entries/XEN-GE~1.CON":    "loader/entries/xen-generation-2.conf",
		"EFI/xen/" + staged:              config,
		"EFI/xen/XEN-GE~3.CFG":           config,
		"EFI/Linux/" + esp.StagedName(1): "",
	}
	for name, with := range shared {
		if with == "" {
			m.write(name, "half of something")
			continue
		}
		m.write(name, m.readAll(with))
	}
	r := m.install()
	for name, with := range shared {
		told := slices.ContainsFunc(warnings(r), func(w string) bool {
			return strings.Contains(w, m.path(name)) && strings.Contains(w, m.path(with)+",") && strings.Contains(w, "fsck.vfat -a")
		})
		if stays := with != ""; m.exists(name) != stays || told != stays {
			t.Errorf("%s on the clusters of %q: there %v, told %v\n%s", name, with, m.exists(name), told, strings.Join(warnings(r), "\n"))
		}
	}
	seen := m.verify()
	for name, with := range shared {
		if with != "" && !slices.ContainsFunc(seen.Notes, func(n string) bool { return strings.Contains(n, m.path(name)) && strings.Contains(n, "fsck.vfat") }) {
			t.Errorf("verify doesn't name %s: %q", name, seen.Notes)
		}
	}
}
