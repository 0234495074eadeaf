package bootbuilder_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestHostileNames reads generations of profiles, whose names can be anything.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	xen := fixtures.System{Xen: &fixtures.Xen{}}
	special := func(names ...string) (list []fixtures.Specialisation) {
		for _, name := range names {
			list = append(list, fixtures.Specialisation{Name: name, System: xen})
		}
		return list
	}
	for name, c := range map[string]struct {
		generations []fixtures.Generation
		layout      bootbuilder.Layout
		want        []string
		warnings    []string
	}{
		"200 characters": {
			generations: []fixtures.Generation{{Number: 1, System: xen, Specialisations: special(strings.Repeat("s", 200))}},
			want:        []string{"xen-generation-1", "xen-generation-1-specialisation-" + strings.Repeat("s", 200)},
		},
		"200 characters, unified": {
			generations: []fixtures.Generation{{Number: 1, System: xen, Specialisations: special(strings.Repeat("s", 200))}},
			layout:      bootbuilder.LayoutUnified,
			want:        []string{"xen-generation-1", "xen-generation-1-specialisation-" + strings.Repeat("s", 200)},
		},
		"too long with the hash": {
			generations: []fixtures.Generation{{Number: 1, System: xen, Specialisations: special(strings.Repeat("s", 210))}},
			layout:      bootbuilder.LayoutUnified,
			want:        []string{"xen-generation-1"},
			warnings:    []string{`UTF-16 units, more than 255`},
		},
		"too long": {
			generations: []fixtures.Generation{{Number: 1, System: xen, Specialisations: special(strings.Repeat("s", 255))}},
			want:        []string{"xen-generation-1"},
			warnings:    []string{`UTF-16 units, more than 255`},
		},
		"Cyrillic": {
			generations: []fixtures.Generation{{Number: 1, System: xen}, {Profile: "лаб", Number: 1, System: xen}},
			want:        []string{"xen-generation-1", "xen-лаб-generation-1"},
		},
		"Cyrillic, unified": {
			generations: []fixtures.Generation{{Number: 1, System: xen}, {Profile: "лаб", Number: 1, System: xen}},
			layout:      bootbuilder.LayoutUnified,
			want:        []string{"xen-generation-1", "xen-лаб-generation-1"},
		},
		"a blank": {
			generations: []fixtures.Generation{{Number: 1, System: xen, Specialisations: special("a b", "a")}},
			want:        []string{"xen-generation-1", "xen-generation-1-specialisation-a", "xen-generation-1-specialisation-a b"},
		},
		"what FAT can't hold": {
			generations: []fixtures.Generation{{Number: 1, System: xen, Specialisations: special("a:b", `a\b`, "a*", "a.")}},
			want:        []string{"xen-generation-1", "xen-generation-1-specialisation-a."},
			warnings:    []string{`':' is not possible on FAT`, `'\\\\' is not possible on FAT`, `'\*' is not possible on FAT`},
		},
		"letter case": {
			generations: []fixtures.Generation{{Profile: "lab", Number: 1, System: xen}, {Profile: "LAB", Number: 1, System: xen}, {Profile: "LAB", Number: 2, System: xen}},
			want:        []string{"xen-LAB-generation-1", "xen-LAB-generation-2"},
			warnings:    []string{`its Xen entry xen-lab-generation-1 would be that of .*LAB-1-link too`},
		},
		"two readings of a name": {
			generations: []fixtures.Generation{
				{Profile: "a", Number: 1, System: xen, Specialisations: special("b-generation-2")},
				{Profile: "a-generation-1-specialisation-b", Number: 2, System: xen},
			},
			want:     []string{"xen-a-generation-1", "xen-a-generation-1-specialisation-b-generation-2"},
			warnings: []string{`its Xen entry xen-a-generation-1-specialisation-b-generation-2 would be that of .*a-1-link too`},
		},
		"like a counter": {
			generations: []fixtures.Generation{{Number: 1, System: xen, Specialisations: special("a", "a+3", "b+2-1")}},
			want:        []string{"xen-generation-1", "xen-generation-1-specialisation-a", "xen-generation-1-specialisation-b"},
			warnings:    []string{`its Xen entry xen-generation-1-specialisation-a would be that of`},
		},
		"like two counters": {
			generations: []fixtures.Generation{{Number: 1, System: xen, Specialisations: special("a+3+2")}},
			want:        []string{"xen-generation-1"},
			warnings:    []string{`a\+3\+2: systemd-boot would find two`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newMachine(t)
			for _, g := range c.generations {
				r.add(g)
			}
			r.options.From, r.options.Layout = bootbuilder.FromProfiles, c.layout
			report := r.install()
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, ids(report, installedNow...)); diff != "" {
				t.Errorf("installed (-want +got):\n%s", diff)
			}
			wantMatches(t, warnings(report), c.warnings...)
			again := r.install()
			if again.Changed {
				t.Error("a second run has changes to make")
			}
			seen := r.verify()
			if len(seen.Entries) != len(c.want) || !seen.OK() {
				t.Errorf("verify: %+v", seen)
			}
			r.remove()
			for _, name := range slices.Sorted(maps.Keys(r.files())) {
				if strings.Contains(name, "xen-") {
					t.Errorf("%s is left by remove", name)
				}
			}
		})
	}
}

// wantMatches wants a text for each pattern, in any order, and no other.
func wantMatches(t *testing.T, texts []string, patterns ...string) {
	t.Helper()
	if len(texts) != len(patterns) {
		t.Errorf("got %q, want matches of %q", texts, patterns)
		return
	}
	for _, p := range patterns {
		if !slices.ContainsFunc(texts, regexp.MustCompile(p).MatchString) {
			t.Errorf("got %q, of which none matches %q", texts, p)
		}
	}
}
