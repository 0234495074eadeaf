package esp

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	sha     = "0ebfdb49e96bfbb04e8c07f5dbffadaaeef3a1dc5110f38736a5250fe1d93afd"
	stubSum = "zjejixqtunxaefiwqcrx2vlxvzeyagjz5ql3vl3uhd7nhtkpkqya" // 52 digits of base32
)

func TestParseName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		file string
		want Name
		id   string
	}{
		{"nixos-generation-1.conf", Name{Generation: 1}, "nixos-generation-1"},
		{"xen-generation-1.conf", Name{Kind: Xen, Generation: 1}, "xen-generation-1"},
		{"nixos-generation-5+3.conf", Name{Generation: 5, Tries: &Tries{Left: 3}}, "nixos-generation-5"},
		{
			"nixos-generation-4+2-1.conf",
			Name{Generation: 4, Tries: &Tries{Left: 2, Done: 1, HasDone: true}}, "nixos-generation-4",
		},
		{
			"xen-generation-4+0-3.conf",
			Name{Kind: Xen, Generation: 4, Tries: &Tries{Done: 3, HasDone: true}}, "xen-generation-4",
		},
		{"nixos-test-generation-2.conf", Name{Profile: "test", Generation: 2}, "nixos-test-generation-2"},
		{"nixos-lab-2-generation-1.conf", Name{Profile: "lab-2", Generation: 1}, "nixos-lab-2-generation-1"},
		{"nixos-Zeta-generation-2.conf", Name{Profile: "Zeta", Generation: 2}, "nixos-Zeta-generation-2"},
		{"nixos-xen-generation-2.conf", Name{Profile: "xen", Generation: 2}, "nixos-xen-generation-2"},
		{"nixos-nixos-generation-2.conf", Name{Profile: "nixos", Generation: 2}, "nixos-nixos-generation-2"},
		{"xen-xen-generation-2.conf", Name{Kind: Xen, Profile: "xen", Generation: 2}, "xen-xen-generation-2"},
		{"xen-nixos-generation-2.conf", Name{Kind: Xen, Profile: "nixos", Generation: 2}, "xen-nixos-generation-2"},
		{"nixos-my profile-generation-2.conf", Name{Profile: "my profile", Generation: 2}, "nixos-my profile-generation-2"},
		{"nixos-a&b_$x[1]-generation-2.conf", Name{Profile: "a&b_$x[1]", Generation: 2}, "nixos-a&b_$x[1]-generation-2"},
		{
			"nixos-generation-4-specialisation-gaming.conf",
			Name{Generation: 4, Specialisation: "gaming"}, "nixos-generation-4-specialisation-gaming",
		},
		{
			"nixos-generation-4-specialisation-a.conf.conf",
			Name{Generation: 4, Specialisation: "a.conf"}, "nixos-generation-4-specialisation-a.conf",
		},
		{
			"nixos-p-generation-4-specialisation-no-Xen+1.conf",
			Name{Profile: "p", Generation: 4, Specialisation: "no-Xen", Tries: &Tries{Left: 1}},
			"nixos-p-generation-4-specialisation-no-Xen",
		},
		{
			"nixos-generation-3-specialisation-+something+-+that+-+breaks-parsing+-+.conf",
			Name{Generation: 3, Specialisation: "+something+-+that+-+breaks-parsing+-+"},
			"nixos-generation-3-specialisation-+something+-+that+-+breaks-parsing+-+",
		},
		{
			"nixos-generation-3-specialisation-+something+-+that+-+breaks-parsing+-++3-0.conf",
			Name{
				Generation: 3, Specialisation: "+something+-+that+-+breaks-parsing+-+",
				Tries: &Tries{Left: 3, HasDone: true},
			},
			"nixos-generation-3-specialisation-+something+-+that+-+breaks-parsing+-+",
		},
		{ // No counter for systemd-boot: more than two numbers, more than an int, a number missing.
			"nixos-generation-3-specialisation-a+3-1-2.conf",
			Name{Generation: 3, Specialisation: "a+3-1-2"}, "nixos-generation-3-specialisation-a+3-1-2",
		},
		{
			"nixos-generation-3-specialisation-a+2147483648.conf",
			Name{Generation: 3, Specialisation: "a+2147483648"}, "nixos-generation-3-specialisation-a+2147483648",
		},
		{
			"nixos-generation-3-specialisation-a+3-.conf",
			Name{Generation: 3, Specialisation: "a+3-"}, "nixos-generation-3-specialisation-a+3-",
		},
		{
			"nixos-generation-3+2147483647.conf",
			Name{Generation: 3, Tries: &Tries{Left: 2147483647}}, "nixos-generation-3",
		},
		// The leftmost split that makes the whole name valid.
		{
			"nixos-generation-1-generation-2.conf",
			Name{Profile: "generation-1", Generation: 2}, "nixos-generation-1-generation-2",
		},
		{
			"nixos-x-generation-y-generation-2.conf",
			Name{Profile: "x-generation-y", Generation: 2}, "nixos-x-generation-y-generation-2",
		},
		{
			"nixos-generation-1-specialisation-x-generation-2.conf",
			Name{Generation: 1, Specialisation: "x-generation-2"},
			"nixos-generation-1-specialisation-x-generation-2",
		},
		{"nixos-regeneration-2-generation-3.conf", Name{Profile: "regeneration-2", Generation: 3}, "nixos-regeneration-2-generation-3"},
		{"nixos-generation-18446744073709551615.conf", Name{Generation: 1<<64 - 1}, "nixos-generation-18446744073709551615"},
		{"nixos-" + sha + ".conf", Name{Hash: sha}, "nixos-" + sha},
		{"nixos-" + sha + "+3.conf", Name{Hash: sha, Tries: &Tries{Left: 3}}, "nixos-" + sha},
		{"xen-" + sha + ".conf", Name{Kind: Xen, Hash: sha}, "xen-" + sha},
		// FAT does not tell letter cases apart.
		{"xen-generation-3-variant-b.conf", Name{Kind: Xen, Generation: 3, Variant: "b"}, "xen-generation-3-variant-b"},
		{"xen-" + sha + "-variant-b.conf", Name{Kind: Xen, Hash: sha, Variant: "b"}, "xen-" + sha + "-variant-b"},
		{ // Only a generation itself has variants.
			"xen-generation-3-specialisation-a-variant-b.conf",
			Name{Kind: Xen, Generation: 3, Specialisation: "a-variant-b"}, "xen-generation-3-specialisation-a-variant-b",
		},
		{"NIXOS-GENERATION-2.CONF", Name{Generation: 2}, "nixos-generation-2"},
		{"NIXOS-LAB-GENERATION-2-SPECIALISATION-A+1.CONF", Name{Profile: "lab", Generation: 2, Specialisation: "a", Tries: &Tries{Left: 1}}, "nixos-lab-generation-2-specialisation-a"},
		{"nixos-generation-2.CONF", Name{Generation: 2}, "nixos-generation-2"},
		{"NixOS-Lab-Generation-2-Specialisation-A.Conf", Name{Profile: "Lab", Generation: 2, Specialisation: "A"}, "nixos-Lab-generation-2-specialisation-A"},
		{"nixos-" + strings.ToUpper(sha) + ".conf", Name{Hash: sha}, "nixos-" + sha},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			got, ok := ParseName(tt.file)
			if !ok {
				t.Fatal("not understood")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if got.ID() != tt.id {
				t.Errorf("ID() = %q, want %q", got.ID(), tt.id)
			}
			if s := got.String(); !strings.EqualFold(s, tt.file) {
				t.Errorf("String() = %q", s)
			}
		})
	}
}

func TestParseNameRefuses(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"",
		".conf",
		"nixos.conf",
		"nixos-.conf",
		"nixos-rescue.conf",
		"memtest86.conf",
		"nixos-generation-1",
		"nixos-generation-1.conf.bak",
		"nixos-generation-1.efi",
		"nixos-generation-.conf",
		"nixos-generation-x.conf",
		"nixos-generation-1x.conf",
		"nixos-generation-+1.conf",
		"nixos-generation--1.conf",
		"nixos-generation-01.conf",
		"nixos-generation-1_0.conf",
		"nixos-generation-18446744073709551616.conf",
		"nixos--generation-1.conf",
		"nixos-xgeneration-1.conf",
		"nixosgeneration-1.conf",
		"xnixos-generation-1.conf",
		"nixos-generation-1-specialisation-.conf",
		"nixos-generation-1-specialisation.conf",
		"nixos-generation-1-x.conf",
		"nixos-generation-1-specialisation-x+3+2.conf", // its id would have a counter
		"nixos-generation-1+.conf",
		"nixos-" + sha[1:] + ".conf",
		"nixos-" + sha[1:] + "g.conf",
		"xen-rescue.conf",
		"nixos-a/b-generation-1.conf",
		"nixos-a\nb-generation-1.conf",
		"nixos-a\xff-generation-1.conf",
		"nixo\u017f-generation-1.conf", // a long s folds to s in Unicode, not on FAT's ASCII part
		"nixos-" + strings.Repeat("x", 240) + "-generation-1.conf",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			if n, ok := ParseName(file); ok {
				t.Errorf("understood as %+v", n)
			}
		})
	}
}

func TestParseStem(t *testing.T) {
	t.Parallel()
	got, ok := ParseStem("NixOS-generation-1")
	if !ok || got.ID() != "nixos-generation-1" {
		t.Errorf("got %+v, %v", got, ok)
	}
	if got, ok := ParseStem("nixos-generation-1.conf"); ok {
		t.Errorf("with a suffix: %+v", got)
	}
}

func TestNameAs(t *testing.T) {
	t.Parallel()
	n, ok := ParseName("nixos-generation-4-specialisation-a+2-1.conf")
	if !ok {
		t.Fatal("not understood")
	}
	if got, want := n.As(Xen).String(), "xen-generation-4-specialisation-a.conf"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := n.As(Xen).As(NixOS).String(), "nixos-generation-4-specialisation-a.conf"; got != want {
		t.Errorf("and back: %q, want %q", got, want)
	}
	if n.Tries == nil {
		t.Error("As changed what it was called on")
	}
}

func TestNameCompare(t *testing.T) {
	t.Parallel()
	want := []string{
		"nixos-" + sha + ".conf",
		"nixos-generation-2.conf",
		"nixos-generation-2-specialisation-a.conf",
		"nixos-generation-2-specialisation-b.conf",
		"nixos-generation-9.conf",
		"nixos-generation-10.conf",
		"nixos-lab-generation-1.conf",
		"nixos-lab-2-generation-1.conf",
	}
	var names []Name
	for _, file := range slices.Backward(want) {
		n, ok := ParseName(file)
		if !ok {
			t.Fatal(file)
		}
		names = append(names, n)
	}
	slices.SortFunc(names, Name.Compare)
	var got []string
	for _, n := range names {
		got = append(got, n.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if a, b := names[1], names[1].As(Xen); a.Compare(b) != 0 {
		t.Error("siblings of both kinds are not equal")
	}
	if a, b := (Name{Hash: "a"}), (Name{Hash: "b"}); a.Compare(b) >= 0 || b.Compare(a) <= 0 {
		t.Error("hashes are not ordered")
	}
}

func TestParseStubName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		file string
		want Name
		id   string
	}{
		{"nixos-generation-5-" + stubSum + ".efi", Name{Generation: 5, Hash: stubSum}, "nixos-generation-5-" + stubSum},
		{
			"nixos-generation-5-specialisation-no-xen-" + stubSum + "+2-1.efi",
			Name{Generation: 5, Specialisation: "no-xen", Hash: stubSum, Tries: &Tries{Left: 2, Done: 1, HasDone: true}},
			"nixos-generation-5-specialisation-no-xen-" + stubSum,
		},
		{
			"nixos-generation-5-specialisation-a+3-" + stubSum + ".EFI",
			Name{Generation: 5, Specialisation: "a+3", Hash: stubSum},
			"nixos-generation-5-specialisation-a+3-" + stubSum,
		},
		{"NIXOS-GENERATION-5-" + strings.ToUpper(stubSum) + ".EFI", Name{Generation: 5, Hash: stubSum}, "nixos-generation-5-" + stubSum},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			got, ok := ParseStubName(tt.file)
			if !ok {
				t.Fatal("not understood")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if got.ID() != tt.id {
				t.Errorf("ID() = %q, want %q", got.ID(), tt.id)
			}
		})
	}
	for _, file := range []string{
		"",
		stubSum + ".efi",
		"-" + stubSum + ".efi",
		"nixos-generation-5.efi",
		"nixos-generation-5-" + stubSum,
		"nixos-generation-5-" + stubSum + ".conf",
		"nixos-generation-5-" + stubSum[1:] + ".efi",
		"nixos-generation-5-" + stubSum[1:] + "1.efi", // 0, 1, 8 and 9 are no digits
		"nixos-generation-5-specialisation-" + stubSum + ".efi",
		"nixos-lab-generation-5-" + stubSum + ".efi",
		"xen-generation-5-" + stubSum + ".efi",
		"nixos-" + sha + "-" + stubSum + ".efi",
		"nixos-generation-5-specialisation-a:b-" + stubSum + ".efi",
	} {
		t.Run("not "+file, func(t *testing.T) {
			t.Parallel()
			if n, ok := ParseStubName(file); ok {
				t.Errorf("understood as %+v", n)
			}
		})
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{
		"nixos-generation-1.conf", "nixos-lab-generation-10+3-0.conf", "NIXOS-GENERATION-2.CONF",
		"xen-a-generation-1-generation-2-specialisation-+x+-+.conf", "nixos-" + sha + "+3.conf",
		"nixos-generation-5-specialisation-a+1-" + stubSum + "+2-1.efi", "nixos-generation-1-specialisation-x+3+2.conf",
	} {
		f.Add(s, "lab-generation-1", "a-specialisation-b+3-", uint64(2))
	}
	f.Fuzz(func(t *testing.T, file, profile, specialisation string, generation uint64) {
		checkName(t, file)
		built := Name{Profile: profile, Generation: generation, Specialisation: specialisation}
		checkName(t, built.String())
		built.Tries = &Tries{Left: 3, Done: 1, HasDone: true}
		checkName(t, built.String())
		built.Profile, built.Hash, built.Tries = "", stubSum, nil
		checkName(t, built.ID()+".efi")
	})
}

// checkName holds what is true of every name that is understood.
func checkName(t *testing.T, file string) {
	t.Helper()
	if n, ok := ParseStubName(file); ok {
		s := n.ID()
		if n.Tries != nil {
			s += n.Tries.String()
		}
		again, ok := ParseStubName(s + ".efi")
		if diff := cmp.Diff(n, again); !ok || diff != "" {
			t.Fatalf("%q is not read back: %s", s, diff)
		}
	}
	n, ok := ParseName(file)
	if !ok {
		return
	}
	again, ok := ParseName(n.String())
	if diff := cmp.Diff(n, again); !ok || diff != "" {
		t.Fatalf("%q is not read back: %s", n, diff)
	}
	if err := ValidFileName(n.String()); err != nil {
		t.Fatal(err)
	}
	if _, tries := splitTries(n.ID()); tries != nil {
		t.Fatalf("id %q has a counter", n.ID())
	}
	if sibling, ok := ParseName(n.As(Xen).String()); !ok || sibling.Compare(n) != 0 || sibling.Kind != Xen {
		t.Fatalf("sibling of %q: %+v", n, sibling)
	}
}
