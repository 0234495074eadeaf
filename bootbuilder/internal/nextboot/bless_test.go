package nextboot_test

import (
	"errors"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// onTrial is a dom0 of generation 6, started on trial; loader.conf starts generation 6 without Xen.
func onTrial() nextboot.BlessInput {
	m := newMachine("default nixos-generation-6.conf\n")
	m.add(5, "e", "nixos-generation-5.conf", "xen-generation-5.conf")
	m.add(6, "f", "nixos-generation-6.conf", "xen-generation-6.conf")
	m.other("xen-mine.conf")
	m.Policy = nextboot.Trial
	return nextboot.BlessInput{Input: m.Input, UnderXen: true, Selected: "xen-generation-6.conf", Booted: toplevel("f"), Today: "2026-11-24"}
}

func TestBless(t *testing.T) {
	t.Parallel()
	in := onTrial()
	b, err := nextboot.Bless(in)
	if err != nil {
		t.Fatal(err)
	}
	want := nextboot.Proof{Toplevel: toplevel("f"), Date: "2026-11-24", Entry: "xen-generation-6.conf"}
	if b.Proof != want || b.Generation != 1 || string(b.Decision.Conf) != "default xen-generation-6.conf\n" || b.Decision.OneShot != "" {
		t.Errorf("%+v, loader.conf %q", b, b.Decision.Conf)
	}
	in.Conf, in.Proven = b.Decision.Conf, []nextboot.Proof{b.Proof}
	if b, err := nextboot.Bless(in); err != nil || b.Decision.Conf != nil || b.Proof != want {
		t.Errorf("the second time: %+v, %v", b, err)
	}
	// The next rebuild writes NixOS' default again, and finds the proof.
	in.Conf = []byte("default nixos-generation-6.conf\n")
	if d := nextboot.Decide(in.Input); string(d.Conf) != "default xen-generation-6.conf\n" || d.OneShot != "" {
		t.Errorf("after a rebuild: %q, armed %q", d.Conf, d.OneShot)
	}
}

// TestBlessBehind: a newer generation was built while this one was on trial.
func TestBlessBehind(t *testing.T) {
	t.Parallel()
	in := onTrial()
	in.Selected, in.Booted, in.Vars.OneShot = "xen-generation-5.conf", toplevel("e"), "xen-generation-6.conf"
	b, err := nextboot.Bless(in)
	if err != nil || string(b.Decision.Conf) != "default xen-generation-5.conf\n" || b.Decision.OneShot != "" {
		t.Fatalf("%+v, %q, %v", b, b.Decision.Conf, err)
	}
	if d := b.Decision; d.Next.ID != "xen-generation-6.conf" || d.Then.ID != "xen-generation-5.conf" {
		t.Errorf("next %s, then %s", d.Next.ID, d.Then.ID)
	}
}

func TestBlessNames(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*nextboot.BlessInput){
		"upper-case":           func(in *nextboot.BlessInput) { in.Selected = "XEN-generation-6.CONF" },
		"no booted-system":     func(in *nextboot.BlessInput) { in.Booted = "" },
		"counter, 252":         func(in *nextboot.BlessInput) { in.Selected = "xen-generation-6+1-1.conf" },
		"renamed since":        func(in *nextboot.BlessInput) { in.Selected = "xen-generation-6-0123456789ab.efi" },
		"unknown systemd-boot": func(in *nextboot.BlessInput) { in.Version = nextboot.Version{} },
	} {
		in := onTrial()
		change(&in)
		if b, err := nextboot.Bless(in); err != nil || b.Generation != 1 {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

func TestBlessRefuses(t *testing.T) {
	t.Parallel()
	for want, change := range map[nextboot.Code]func(*nextboot.BlessInput){
		nextboot.NotXen:      func(in *nextboot.BlessInput) { in.UnderXen = false },
		nextboot.NotSelected: func(in *nextboot.BlessInput) { in.Selected = "" },
		nextboot.NotOurs:     func(in *nextboot.BlessInput) { in.Selected = "xen-mine.conf" },
		nextboot.OtherSystem: func(in *nextboot.BlessInput) { in.Booted = toplevel("e") },
		nextboot.NotThere: func(in *nextboot.BlessInput) {
			in.Selected, in.Booted = "xen-generation-9.conf", toplevel("gone")
		},
	} {
		in := onTrial()
		change(&in)
		_, err := nextboot.Bless(in)
		var r *nextboot.Refusal
		if !errors.As(err, &r) || r.Code != want || r.Message == "" {
			t.Errorf("%s: %v", want, err)
		}
	}
	in := onTrial()
	in.Selected = "nixos-generation-6.conf"
	if _, err := nextboot.Bless(in); err == nil {
		t.Error("a NixOS entry is blessed")
	}
}

// TestTrialOfALife goes through what a machine out of reach lives through.
func TestTrialOfALife(t *testing.T) {
	t.Parallel()
	m := newMachine("")
	m.Policy = nextboot.Trial
	rebuild := func(n uint64, top string) nextboot.Decision {
		t.Helper()
		nixos, xen := "nixos-generation-"+string('0'+rune(n))+".conf", "xen-generation-"+string('0'+rune(n))+".conf"
		m.add(n, top, nixos, xen)
		m.Conf = []byte("default " + nixos + "\n") // as systemd-boot-builder leaves it
		d := nextboot.Decide(m.Input)
		m.apply(d)
		return d
	}
	// reboot is what systemd-boot does: the shot is spent.
	reboot := func() string {
		s := nextboot.Starts(m.Conf, m.Vars, m.After, m.Version)
		m.Vars.OneShot = ""
		return s.ID
	}
	bless := func(selected, top string) {
		t.Helper()
		b, err := nextboot.Bless(nextboot.BlessInput{Input: m.Input, UnderXen: true, Selected: selected, Booted: toplevel(top), Today: "2026-11-24"})
		if err != nil {
			t.Fatal(err)
		}
		m.Proven = append([]nextboot.Proof{b.Proof}, m.Proven...)
		m.apply(b.Decision)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s starts, want %s", what, got, want)
		}
	}
	rebuild(1, "a")
	want("the first trial", reboot(), "xen-generation-1.conf")
	want("which hangs; power cycle", reboot(), "nixos-generation-1.conf")
	d := nextboot.Decide(m.Input)
	if d.OneShot != "" || len(d.Warnings) != 1 || d.Warnings[0].Code != nextboot.AlreadyTried {
		t.Errorf("what hung is tried again: %q %+v", d.OneShot, d.Warnings)
	}
	rebuild(2, "b")
	rebuild(3, "c")
	want("two rebuilds before the reboot", reboot(), "xen-generation-3.conf")
	bless("xen-generation-3.conf", "c")
	want("blessed", reboot(), "xen-generation-3.conf")
	rebuild(4, "d")
	want("the next trial", reboot(), "xen-generation-4.conf")
	want("which panics", reboot(), "xen-generation-3.conf")
	rebuild(5, "e")
	m.Conf = []byte("default nixos-generation-3.conf\n") // nixos-rebuild --rollback
	m.apply(nextboot.Decide(m.Input))
	want("a rollback to what is proven, though 5 was armed", reboot(), "xen-generation-3.conf")
	// The proven generation is collected.
	for i, g := range m.Generations {
		if g.Number == 3 {
			m.Generations = append(m.Generations[:i], m.Generations[i+1:]...)
			break
		}
	}
	gone := func(list []nextboot.Entry) (kept []nextboot.Entry) {
		for _, e := range list {
			if e.Toplevel != toplevel("c") {
				kept = append(kept, e)
			}
		}
		return kept
	}
	m.Before, m.After = gone(m.Before), gone(m.After)
	rebuild(6, "f")
	want("after garbage collection", reboot(), "xen-generation-6.conf")
	want("nothing is proven: NixOS", reboot(), "nixos-generation-6.conf")
}

// apply is what a run writes.
func (m *machine) apply(d nextboot.Decision) {
	if d.Conf != nil {
		m.Conf = d.Conf
	}
	if d.Disarm {
		m.Vars.OneShot = ""
	}
	if d.OneShot != "" {
		m.Vars.OneShot, m.Tried = d.OneShot, m.Generations[d.Trial].Toplevel
	}
}

func TestTry(t *testing.T) {
	t.Parallel()
	menu := variedMenu()
	for _, tt := range []struct {
		name    string
		version nextboot.Version
		file    string
		value   string
	}{
		{"xen-generation-7.conf", nextboot.Version{}, "xen-generation-7.conf", "xen-generation-7.conf"},
		{"XEN-generation-7", nextboot.Version{}, "xen-generation-7.conf", "xen-generation-7.conf"},
		{"xen-generation-14-aaaa", nextboot.Version{Major: 252}, "xen-generation-14-aaaa+2.efi", "xen-generation-14-aaaa+2.efi"},
		{"xen-generation-14-aaaa+2.efi", nextboot.Version{Major: 262}, "xen-generation-14-aaaa+2.efi", "xen-generation-14-aaaa.efi"},
		{"xen-generation-14-aaaa.efi", nextboot.Version{}, "xen-generation-14-aaaa+2.efi", "xen-generation-14-aaaa[+.][1-9e]*fi"},
		{"xen-generation-13-aaaa.efi", nextboot.Version{Major: 257, Minor: 13}, "xen-generation-13-AAAA+0-2.efi", "xen-generation-13-????[+.][0-9e]*fi"},
	} {
		e, value, err := nextboot.Try(tt.name, menu, tt.version)
		if err != nil || e.File != tt.file || value != tt.value {
			t.Errorf("%s, %v: %s, %q, %v", tt.name, tt.version, e.File, value, err)
		}
		if s := nextboot.Starts(nil, nextboot.Vars{OneShot: value}, menu, tt.version); s.Entry.File != tt.file || len(s.Doubt) > 0 {
			t.Errorf("%s starts %s, %q", value, s.Entry.File, s.Doubt)
		}
	}
	for _, bad := range []string{"", "xen-generation-99.conf", "xen-generation-11.conf", "xen-*"} {
		if e, _, err := nextboot.Try(bad, menu, nextboot.Version{}); err == nil {
			t.Errorf("%q: %s", bad, e.File)
		}
	}
}

func TestCountedName(t *testing.T) {
	t.Parallel()
	const id = "xen-generation-5-0123456789ab.efi"
	for _, tt := range []struct {
		nixos   *esp.Tries
		present []string
		want    string
	}{
		{nil, nil, id},
		{&esp.Tries{Left: 2}, nil, "xen-generation-5-0123456789ab+2.efi"},
		{&esp.Tries{Left: 1, Done: 1, HasDone: true}, []string{"xen-generation-5-other.efi"}, "xen-generation-5-0123456789ab+1.efi"},
		{&esp.Tries{Left: 3}, []string{"xen-generation-5-0123456789ab+1-1.efi"}, "xen-generation-5-0123456789ab+1-1.efi"},
		{&esp.Tries{Left: 3}, []string{"XEN-generation-5-0123456789ab+0-2.EFI"}, "XEN-generation-5-0123456789ab+0-2.EFI"},
		{&esp.Tries{Left: 3}, []string{id}, id},
		{nil, []string{"xen-generation-5-0123456789ab+1-1.efi"}, "xen-generation-5-0123456789ab+1-1.efi"},
	} {
		if got := nextboot.CountedName(id, tt.nixos, tt.present); got != tt.want {
			t.Errorf("%v %q: %s, want %s", tt.nixos, tt.present, got, tt.want)
		}
	}
}

// TestBlessAfterAnother: loader.conf starts what proved itself before, by its Xen entry.
func TestBlessAfterAnother(t *testing.T) {
	t.Parallel()
	in := onTrial()
	in.Conf = []byte("default xen-generation-5.conf\n")
	in.Proven = []nextboot.Proof{{Toplevel: toplevel("e"), Date: "2026-11-20"}}
	in.Tried = toplevel("f")
	b, err := nextboot.Bless(in)
	if err != nil || string(b.Decision.Conf) != "default xen-generation-6.conf\n" || b.Decision.Then.ID != "xen-generation-6.conf" {
		t.Errorf("%+v, %q, %v", b, b.Decision.Conf, err)
	}
	in.Conf, in.Proven, in.Tried = b.Decision.Conf, append([]nextboot.Proof{b.Proof}, in.Proven...), ""
	if b, err := nextboot.Bless(in); err != nil || b.Decision.Conf != nil {
		t.Errorf("the second time: %q, %v", b.Decision.Conf, err)
	}
}

// TestTrialTwice: a second run, with no installer of NixOS in between, goes on with the trial.
func TestTrialTwice(t *testing.T) {
	t.Parallel()
	in := onTrial().Input
	in.Proven = []nextboot.Proof{{Toplevel: toplevel("e"), Date: "2026-11-20"}}
	first := nextboot.Decide(in)
	if first.OneShot != "xen-generation-6.conf" || string(first.Conf) != "default xen-generation-5.conf\n" {
		t.Fatalf("armed %q, %q", first.OneShot, first.Conf)
	}
	in.Conf, in.Vars.OneShot, in.Tried = first.Conf, first.OneShot, toplevel("f")
	if d := nextboot.Decide(in); d.Disarm || d.Conf != nil || d.OneShot != first.OneShot {
		t.Errorf("the second run: %q, armed %q, disarmed %v", d.Conf, d.OneShot, d.Disarm)
	}
	// The trial ended without a blessing.
	in.Vars.OneShot = ""
	d := nextboot.Decide(in)
	if d.Conf != nil || d.OneShot != "" || len(d.Warnings) != 1 || d.Warnings[0].Code != nextboot.AlreadyTried {
		t.Errorf("after it failed: %q, armed %q, %+v", d.Conf, d.OneShot, d.Warnings)
	}
}
