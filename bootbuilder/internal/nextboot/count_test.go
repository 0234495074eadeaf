package nextboot_test

import (
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// TestCountedFallsBack: an image that hangs is started as often as it has tries, then NixOS is; a
// rebuild in between gives it no new ones. Each boot is what systemd-boot does: it counts down and renames.
func TestCountedFallsBack(t *testing.T) {
	t.Parallel()
	const id = "xen-generation-6-bbbbbbbbbbbb.efi"
	for _, v := range []nextboot.Version{{Major: 252, Minor: 39}, {Major: 262, Minor: 1}} {
		m := newMachine("default nixos-*\n")
		m.Version = v
		m.add(5, "e", stub5)
		g := m.add(6, "f", strings.ReplaceAll(stub6, ".efi", "+2.efi"), nextboot.CountedName(id, &esp.Tries{Left: 2}, nil))
		var started []string
		for range 4 {
			m.apply(nextboot.Decide(m.Input)) // a rebuild, or the boot before it: the same
			s := nextboot.Starts(m.Conf, nextboot.Vars{}, m.After, v)
			started = append(started, s.Entry.ID())
			base, tries := esp.CutTries(s.Entry.File)
			if tries == nil || tries.Left == 0 {
				continue
			}
			next := strings.TrimSuffix(base, ".efi") + esp.Tries{Left: tries.Left - 1, Done: tries.Done + 1, HasDone: true}.String() + ".efi"
			m.change(s.Entry.File, func(e *nextboot.Entry) { e.File = next })
			if s.Entry.Kind == nextboot.XenImage {
				g.Xen = nextboot.CountedName(id, &esp.Tries{Left: 2}, []string{next})
				if g.Xen != next {
					t.Errorf("%s becomes %s", next, g.Xen)
				}
			}
		}
		want := id + " " + id + " " + stub6 + " " + stub6
		if got := strings.Join(started, " "); got != want {
			t.Errorf("systemd-boot %v starts %s", v, got)
		}
	}
}

// TestValueFor: a value names its entry with and without a counter, by the ids of 252 and of
// 262, and neither what has no tries left nor an entry with a similar name.
func TestValueFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file string
		yes  []string
		no   []string
	}{
		{"xen-generation-1+2.efi",
			[]string{"xen-generation-1.efi", "xen-generation-1+2.efi", "xen-generation-1+1-1.efi", "xen-generation-1+10.efi"},
			[]string{"xen-generation-1+0-2.efi", "xen-generation-1+0.efi", "xen-generation-10.efi", "xen-generation-1-specialisation-a.efi",
				"xen-generation-1.conf", "xen-generation-1+2.conf", "xen-generation-10+2.efi"}},
		{"nixos-" + hash1 + "+2-1.conf",
			[]string{"nixos-" + hash1 + ".conf", "nixos-" + hash1 + "+3.conf"},
			[]string{"nixos-" + hash1 + "+0-3.conf", "xen-" + hash1 + ".conf", "nixos-" + hash1 + "-a.efi"}},
		{"nixos-generation-1+0-3.conf", []string{"nixos-generation-1+0-3.conf", "nixos-generation-1.conf"}, []string{"nixos-generation-10.conf"}},
		{"xen-generation-1.conf", []string{"xen-generation-1.conf"}, []string{"xen-generation-1+2.conf", "xen-generation-10.conf"}},
	} {
		value := nextboot.ValueFor(nextboot.Entry{File: tt.file})
		for _, id := range tt.yes {
			if !esp.MatchPattern(value, id) {
				t.Errorf("%s does not name %s", value, id)
			}
		}
		for _, id := range tt.no {
			if esp.MatchPattern(value, id) {
				t.Errorf("%s names %s", value, id)
			}
		}
	}
}
