package bootbuilder

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/proven"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// generationsOf makes generations of a list of words such as "3", "3/gaming", "lab:3"; with "!" and a reason behind
// for one that is skipped: "4!no-extension".
func generationsOf(words string) (list []generation.Generation) {
	for _, word := range strings.Fields(words) {
		word, reason, skipped := strings.Cut(word, "!")
		name := esp.Name{Kind: esp.NixOS}
		rest := word
		if profile, after, ok := strings.Cut(rest, ":"); ok {
			name.Profile, rest = profile, after
		}
		number, special, _ := strings.Cut(rest, "/")
		name.Specialisation = special
		for _, digit := range number {
			name.Generation = name.Generation*10 + uint64(digit-'0')
		}
		g := generation.Generation{ID: name.As(esp.Xen).ID(), Name: name, Toplevel: "/nix/store/" + word, Link: "/link-of-" + word}
		if skipped {
			g.Skip = &generation.Skip{Reason: generation.Reason(reason), Err: errors.New("why")}
		}
		list = append(list, g)
	}
	return list
}

// TestChoose applies --limit and --generation. The result has a word for each generation: "in", or the reason why not.
func TestChoose(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		found string
		limit int
		only  []string
		meant int    // index; -1: none
		proof string // toplevels that proved themselves, without the store's path, the last one first
		want  string
	}{
		"no limit":                       {found: "1 2 3", meant: -1, want: "in in in"},
		"the newest":                     {found: "1 2 3", limit: 2, meant: -1, want: "over-limit in in"},
		"one without Xen counts":         {found: "1 2 3!no-extension", limit: 2, meant: -1, want: "over-limit in no-extension"},
		"one that is broken counts":      {found: "1 2 3!bootspec-invalid", limit: 1, meant: -1, want: "over-limit over-limit bootspec-invalid"},
		"limit before what is wrong":     {found: "1!bootspec-missing 2 3", limit: 2, meant: -1, want: "over-limit in in"},
		"a stranger doesn't count":       {found: "1 2 99!unknown-generation", limit: 2, meant: -1, want: "in in unknown-generation"},
		"a damaged one takes no place":   {found: "1 2 99!entry-invalid", limit: 2, meant: -1, want: "in in entry-invalid"},
		"a damaged one, and older":       {found: "1!entry-invalid 2 3", limit: 2, meant: -1, want: "over-limit in in"},
		"a damaged specialisation":       {found: "1 2 3 3/a!entry-invalid", limit: 2, meant: -1, want: "over-limit in in entry-invalid"},
		"one over the limit":             {found: "1 1/a!entry-invalid 2 3", limit: 2, meant: -1, want: "over-limit over-limit in in"},
		"specialisations with theirs":    {found: "1 1/a 2 2/a 2/b", limit: 1, meant: -1, want: "over-limit over-limit in in in"},
		"each profile by itself":         {found: "1 2 lab:7 lab:8", limit: 1, meant: -1, want: "over-limit in over-limit in"},
		"the default counts in":          {found: "1 2 3", limit: 1, meant: 0, want: "in over-limit in"},
		"the proven counts in":           {found: "1 2 3 4", limit: 1, meant: 3, proof: "2 1", want: "over-limit in over-limit in"},
		"a proven one that is broken":    {found: "1 2!xen-missing 3 4", limit: 1, meant: 3, proof: "2 1", want: "in xen-missing over-limit in"},
		"a proven one that is gone":      {found: "1 2 3", limit: 1, meant: 2, proof: "7 1", want: "in over-limit in"},
		"by number":                      {found: "1 2 lab:2", only: []string{"2"}, meant: -1, want: "not-selected in not-selected"},
		"by number, specialisations too": {found: "1 2 2/a", only: []string{"2"}, meant: -1, want: "not-selected in in"},
		"asked for is not limited":       {found: "1 2 3", limit: 1, only: []string{"1"}, meant: -1, want: "in not-selected not-selected"},
		"a stranger stays one":           {found: "1 99!unknown-generation", only: []string{"1"}, meant: -1, want: "in unknown-generation"},
		"what is wrong stays so":         {found: "1!bad-parameter 2", only: []string{"1"}, meant: -1, want: "bad-parameter not-selected"},
		"nothing":                        {found: "", limit: 1, meant: -1, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := generationsOf(c.found)
			before := generationsOf(c.found)
			options := Options{Limit: c.limit, Only: c.only}
			var record proven.Record
			for _, word := range strings.Fields(c.proof) {
				options.Default = DefaultTry
				record.Proofs = append(record.Proofs, proven.Proof{Toplevel: "/nix/store/" + word})
			}
			list, err := choose(found, options, nil, c.meant, provenOf(found, options, record))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, o := range list {
				word := "in"
				if o.skip != nil {
					word = string(o.skip.Reason)
				}
				got = append(got, word)
				if o.isDefault != (i == c.meant) {
					t.Errorf("%s: default %v", o.ID, o.isDefault)
				}
			}
			if d := cmp.Diff(c.want, strings.Join(got, " ")); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			for i := range before {
				if found[i].ID != before[i].ID || (found[i].Skip == nil) != (before[i].Skip == nil) {
					t.Errorf("the input changed: %+v", found[i])
				}
			}
		})
	}
	if _, err := choose(generationsOf("1 2"), Options{Only: []string{"3"}}, nil, -1, nil); err == nil || Hint(err) == "" {
		t.Errorf("an unknown number: %v", err)
	}
}

// TestWithoutOldest: --limit fit leaves out the oldest, but never the default, nor what a failed trial falls back to.
func TestWithoutOldest(t *testing.T) {
	t.Parallel()
	outcomes, err := choose(generationsOf("1 2 3 4"), Options{}, nil, 3, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	for i := range outcomes {
		outcomes[i].files = &built{}
	}
	var got []string
	for {
		fewer, ok := withoutOldest(outcomes)
		if !ok {
			break
		}
		for i, o := range fewer {
			if o.files == nil && outcomes[i].files != nil {
				got = append(got, o.ID)
			}
		}
		outcomes = fewer
	}
	if d := cmp.Diff([]string{"xen-generation-2", "xen-generation-3"}, got); d != "" {
		t.Errorf("left out, one after the other (-want +got):\n%s", d)
	}
}
