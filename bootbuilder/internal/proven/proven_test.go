package proven_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/proven"
)

// system is a toplevel as long as they are.
func system(c string) string {
	return "/nix/store/" + strings.Repeat(c, 32) + "-nixos-system-far-away-machine-26.05.20261101.0123456"
}

func proof(c string) proven.Proof {
	return proven.Proof{Toplevel: system(c), Date: "2026-11-20", Entry: "xen-generation-41-0123456789ab.efi"}
}

func encode(t *testing.T, r proven.Record) []byte {
	t.Helper()
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != proven.Size {
		t.Fatalf("%d bytes", len(b))
	}
	return b
}

func TestText(t *testing.T) {
	t.Parallel()
	r := proven.Record{}.Bless(proven.Proof{Toplevel: "/nix/store/a", Date: "2026-11-20", Entry: "xen-generation-41.conf"}).Try("/nix/store/b", "2026-11-24")
	want := `# xen-boot-builder: what has proven itself on Xen
trial 2026-11-24 /nix/store/b
proven 2026-11-20 /nix/store/a xen-generation-41.conf
`
	b := encode(t, r)
	if got := string(b[:len(want)]); got != want {
		t.Errorf("got %q", got)
	}
	if strings.Trim(string(b[len(want):]), "\n") != "" {
		t.Error("the rest is not newlines")
	}
	if got := proven.Decode(b); !reflect.DeepEqual(got, r) {
		t.Errorf("read back as %+v", got)
	}
}

// TestOldOnesGo: with long paths three proofs fit, or two and a trial.
func TestOldOnesGo(t *testing.T) {
	t.Parallel()
	var r proven.Record
	for _, c := range strings.Split("abcdefgh", "") {
		r = r.Bless(proof(c))
	}
	got := proven.Decode(encode(t, r))
	if len(got.Proofs) < 3 || got.Proofs[0].Toplevel != system("h") || got.Proofs[1].Toplevel != system("g") {
		t.Errorf("%+v", got)
	}
	got = proven.Decode(encode(t, r.Try(system("i"), "2026-11-24")))
	if len(got.Proofs) < 2 || got.Proofs[0].Toplevel != system("h") || got.Trial != system("i") {
		t.Errorf("%+v", got)
	}
}

func TestBless(t *testing.T) {
	t.Parallel()
	r := proven.Record{}.Bless(proof("a")).Bless(proof("b")).Try(system("a"), "2026-11-24").Bless(proof("a"))
	if len(r.Proofs) != 2 || r.Proofs[0].Toplevel != system("a") || r.Trial != "" || !r.Has(system("b")) || r.Has(system("c")) {
		t.Errorf("%+v", r)
	}
	again := r.Bless(proof("a"))
	if !reflect.DeepEqual(r, again) {
		t.Errorf("blessed again: %+v", again)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, r := range []proven.Record{
		{Proofs: []proven.Proof{{Toplevel: "relative", Date: "2026-11-20"}}},
		{Proofs: []proven.Proof{{Toplevel: "/a b", Date: "2026-11-20"}}},
		{Proofs: []proven.Proof{{Toplevel: "/a\nproven 2026-11-20 /b", Date: "2026-11-20"}}},
		{Proofs: []proven.Proof{{Toplevel: "/a", Date: "yesterday"}}},
		{Proofs: []proven.Proof{{Toplevel: "/a", Date: "2026-11-20", Entry: "a b"}}},
		{Proofs: []proven.Proof{{Toplevel: "/" + strings.Repeat("a", 600), Date: "2026-11-20"}}},
		{Trial: "/a"},
	} {
		if b, err := r.Encode(); err == nil {
			t.Errorf("%+v: %q", r, b)
		}
	}
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	r := proven.Record{}.Bless(proof("a")).Bless(proof("b"))
	b := encode(t, r)
	for n := range b {
		if got := proven.Decode(b[:n]); len(got.Proofs) > 2 {
			t.Errorf("%d bytes: %+v", n, got)
		}
	}
	if got := proven.Decode([]byte("proven 2026-11-20 /nix/store/a\n")); len(got.Proofs) != 0 {
		t.Errorf("without its first line: %+v", got)
	}
}

func FuzzDecode(f *testing.F) {
	r := proven.Record{}.Bless(proof("a")).Try("/nix/store/b", "2026-11-24")
	b, err := r.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("# xen-boot-builder: what has proven itself on Xen\nproven 2026-11-20 /a xen\r\nproven x\ntrial 2026-11-20 /b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := proven.Decode(b)
		text, err := r.Encode()
		if err != nil {
			t.Fatalf("%+v can be read but not written: %v", r, err)
		}
		if again := proven.Decode(text); fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", r) {
			t.Fatalf("%+v is read back as %+v", r, again)
		}
	})
}

// TestBlessOddID: an id that can't be a word of the record does not keep what it starts from being blessed.
func TestBlessOddID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"xen-generation-1-specialisation-büro.conf", "xen-a b-generation-1.conf", "xen\n"} {
		p := proof("a")
		p.Entry = id
		got := proven.Decode(encode(t, proven.Record{}.Bless(p)))
		if len(got.Proofs) != 1 || got.Proofs[0].Toplevel != p.Toplevel || got.Proofs[0].Entry != "" {
			t.Errorf("%q: %+v", id, got)
		}
	}
}

// TestLongToplevels: names may have 211 characters (Nix). Two of those fit, with a trial only one: the proof stays.
func TestLongToplevels(t *testing.T) {
	t.Parallel()
	long := func(c string) string { return "/nix/store/" + strings.Repeat(c, 32) + "-" + strings.Repeat(c, 211) }
	r := proven.Record{}
	for _, c := range []string{"a", "b", "c"} {
		r = r.Bless(proven.Proof{Toplevel: long(c), Date: "2026-11-20", Entry: "xen-generation-1.conf"})
	}
	got := proven.Decode(encode(t, r))
	if len(got.Proofs) != 1 || got.Proofs[0].Toplevel != long("c") {
		t.Errorf("three proofs: %+v", got)
	}
	got = proven.Decode(encode(t, r.Try(long("d"), "2026-11-24")))
	if len(got.Proofs) != 1 || got.Proofs[0].Toplevel != long("c") || got.Trial != "" {
		t.Errorf("with a trial: %+v", got)
	}
	got = proven.Decode(encode(t, proven.Record{}.Try(long("d"), "2026-11-24")))
	if got.Trial != long("d") {
		t.Errorf("a trial alone: %+v", got)
	}
}
