package bootbuilder_test

import (
	"debug/pe"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestGolden holds the embedded layout against recorded runs of nixpkgs' script: where the
// recording says so the ESP ends the same, file for file; where the script is wrong,
// goldenInstead says what has to hold in its place.
func TestGolden(t *testing.T) {
	t.Parallel()
	cases, err := fixtures.GoldenCases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if slices.Contains(c.Tags, "argv") {
				return // the command line's: TestScripts in cmd/xen-boot-builder
			}
			g := layOutGolden(t, c)
			check, instead := goldenInstead[c.Name]
			if c.Expect.AsRecorded == instead {
				t.Fatalf("expectation is %+v, but a check of its own is defined: %v", c.Expect, instead)
			}
			g.run = g.tryInstall()
			if instead {
				check(t, g)
			} else {
				g.asRecorded(t)
			}
			g.idempotent(t)
		})
	}
}

type golden struct {
	*machine
	fixtures.GoldenCase
	before map[string]string
	run    run
}

func layOutGolden(t *testing.T, c fixtures.GoldenCase) *golden {
	t.Helper()
	g := &golden{machine: newMachine(t), GoldenCase: c}
	var err error
	g.esp, err = c.LayOut(g.root.Dir())
	g.must(err)
	g.options.Layout = bootbuilder.LayoutEmbedded
	g.before = g.trees()
	return g
}

// asRecorded checks entries, xen.cfg and loader.conf byte for byte, and images by section.
func (g *golden) asRecorded(t *testing.T) {
	t.Helper()
	g.wantOK(t)
	want := maps.Clone(g.before)
	for _, name := range g.Recorded.Removed {
		delete(want, name)
	}
	for name, w := range g.Recorded.Written {
		want[name] = "(image)"
		if w.Text != nil {
			want[name] = withoutBlanks(*w.Text)
		}
	}
	after := g.trees()
	for name, w := range g.Recorded.Written {
		switch {
		case after[name] == "":
		case w.PE != nil:
			g.sameImage(t, name, after[name], w)
			after[name] = "(image)"
		default:
			after[name] = withoutBlanks(after[name])
			want[name] = g.meet(want[name], after[name])
		}
	}
	if d := cmp.Diff(want, after); d != "" {
		t.Errorf("the ESP differs from the recording (-recorded +ours):\n%s", d)
	}
}

// meet is the recorded text of a loader.conf with the id that it ends up at in the place of a glob:
// a glob is met where the same entry starts.
func (g *golden) meet(want, got string) string {
	glob, _ := esp.ParseLoaderConf([]byte(want)).Get("default")
	id, _ := esp.ParseLoaderConf([]byte(got)).Get("default")
	entries, err := filepath.Glob(filepath.Join(g.esp, "loader/entries", glob))
	if !strings.Contains(glob, "*") || err != nil || len(entries) != 1 || filepath.Base(entries[0]) != id {
		return want
	}
	return strings.Replace(want, "default "+glob, "default "+id, 1)
}

// withoutBlanks is a text without padding, and without blanks at a line's end: no reader sees those.
func withoutBlanks(text string) string {
	return unpadded(regexp.MustCompile(`(?m)[ \t]+$`).ReplaceAllString(text, ""))
}

// sameImage compares names, order, sizes and flags of sections, and the content of .config.
// Addresses are the recorded ones but for .config's, where the script is off by a page.
func (g *golden) sameImage(t *testing.T, name, data string, want fixtures.Written) {
	t.Helper()
	f, err := pe.NewFile(strings.NewReader(data))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	var sections []fixtures.RecordedSection
	for _, s := range f.Sections {
		r := fixtures.RecordedSection{Name: s.Name, VirtualAddress: s.VirtualAddress, VirtualSize: s.VirtualSize, RawSize: s.Size, Characteristics: s.Characteristics}
		if s.Name == ".config" {
			if config := sectionData(t, s); config != *want.Config {
				t.Errorf("%s: .config differs:\n%s", name, cmp.Diff(*want.Config, config))
			}
			r.VirtualAddress = want.PE.Sections[len(want.PE.Sections)-1].VirtualAddress
		}
		sections = append(sections, r)
	}
	if d := cmp.Diff(want.PE.Sections, sections); d != "" {
		t.Errorf("%s: sections differ (-recorded +ours):\n%s", name, d)
	}
	opt := f.OptionalHeader.(*pe.OptionalHeader64)
	if opt.ImageBase != uint64(want.PE.ImageBase) || opt.SizeOfHeaders != want.PE.SizeOfHeaders {
		t.Errorf("%s: ImageBase %#x SizeOfHeaders %#x, recorded %#x %#x", name, opt.ImageBase, opt.SizeOfHeaders, want.PE.ImageBase, want.PE.SizeOfHeaders)
	}
}

func sectionData(t *testing.T, s *pe.Section) string {
	t.Helper()
	b, err := s.Data()
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:min(len(b), int(s.VirtualSize))])
}

// idempotent installs again: nothing may change.
func (g *golden) idempotent(t *testing.T) {
	t.Helper()
	before := g.trees()
	if again := g.tryInstall(); again.Report != nil && again.Report.Changed && g.run.Err == nil {
		t.Error("a second run has changes to make")
	}
	g.wantTrees(before)
}

// The rest is what the checks of goldenInstead are made of.

func (g *golden) config(t *testing.T, id string) string {
	t.Helper()
	entry := regexp.MustCompile(`(?m)^efi /(.*)$`).FindStringSubmatch(g.read("loader/entries/" + id + ".conf"))
	if entry == nil {
		t.Errorf("%s names no image", id)
		return ""
	}
	f, err := pe.NewFile(strings.NewReader(g.read(entry[1])))
	if err != nil {
		t.Errorf("%s: %v", id, err)
		return ""
	}
	s := f.Section(".config")
	if s == nil {
		t.Errorf("%s: no .config", id)
		return ""
	}
	return sectionData(t, s)
}

// key is the value of a line of a xen.cfg.
func (g *golden) key(t *testing.T, id, key string) string {
	t.Helper()
	for line := range strings.Lines(g.config(t, id)) {
		if v, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), key+"="); ok {
			return v
		}
	}
	return ""
}

// entries are the ids of the Xen entries on the ESP.
func (g *golden) entries(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(g.esp, "loader/entries/xen-*.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range names {
		names[i] = strings.TrimSuffix(filepath.Base(n), ".conf")
	}
	return names
}

func (g *golden) wantEntries(t *testing.T, want ...string) {
	t.Helper()
	if got := g.entries(t); !slices.Equal(got, want) {
		t.Errorf("Xen entries are %q, want %q", got, want)
	}
	for _, id := range g.entries(t) {
		g.config(t, id)
	}
}

func (g *golden) wantOK(t *testing.T) {
	t.Helper()
	if g.run.Err != nil {
		t.Errorf("install: %v", g.run.Err)
	}
}

// wantWarning wants exactly one warning of a failure that matches.
func (g *golden) wantWarning(t *testing.T, pattern string) {
	t.Helper()
	if g.run.Report == nil {
		t.Fatalf("no plan: %v", g.run.Err)
	}
	texts := warnings(g.run.Report)
	if len(texts) != 1 || !regexp.MustCompile(pattern).MatchString(texts[0]) {
		t.Errorf("warnings are %q, want one that matches %q", texts, pattern)
	}
}

// entryText is the entry that the plain case has, with another title or version.
func entryText(title, version, id string) string {
	return fmt.Sprintf("title %s (with Xen Hypervisor)\nversion %s\nefi /EFI/nixos/%s.efi\nmachine-id 5e4b2c9d1f7a4e0c8b3d6a9f0e1c2d3b\nsort-key nixos\n", title, version, id)
}
