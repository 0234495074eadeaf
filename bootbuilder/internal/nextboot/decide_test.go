package nextboot_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
)

// machine makes inputs of a few lines.
type machine struct{ nextboot.Input }

func newMachine(conf string) *machine {
	m := &machine{}
	m.Version = nextboot.Version{Major: 262}
	m.CanArm = true
	if conf != "" {
		m.Conf = []byte(conf)
	}
	return m
}

// toplevel is a store path for a letter.
func toplevel(s string) string { return "/nix/store/" + s + "-nixos-system" }

// add adds a generation and the entries named, which belong to it. NixOS' are there before
// and after. Of ours, "-" in front is there before only, "+" after only.
func (m *machine) add(n uint64, top string, files ...string) *nextboot.Generation {
	g := nextboot.Generation{Toplevel: toplevel(top), Number: n}
	for _, file := range files {
		mark := ""
		if c := file[0]; c == '-' || c == '+' {
			mark, file = file[:1], file[1:]
		}
		e := m.entry(file, n)
		e.Toplevel = g.Toplevel
		if mark != "+" {
			m.Before = append(m.Before, e)
		}
		if mark != "-" {
			m.After = append(m.After, e)
		}
		switch {
		case e.Kind.NixOS():
			g.NixOS = append(g.NixOS, file)
		case mark != "-":
			g.Xen = file
		}
	}
	m.Generations = append(m.Generations, g)
	return &m.Generations[len(m.Generations)-1]
}

func (m *machine) entry(file string, n uint64) nextboot.Entry {
	e := nextboot.Entry{File: file, SortKey: "nixos", Version: fmt.Sprintf("Generation %d NixOS 26.05, built on 2026-11-01", n)}
	image := strings.HasSuffix(file, ".efi")
	switch {
	case strings.HasPrefix(file, "nixos-") && image:
		e.Kind, e.SortKey, e.Version = nextboot.Stub, "lanza", fmt.Sprintf("Generation %d, 2026-11-01", n)
	case strings.HasPrefix(file, "nixos-"):
		e.Kind = nextboot.NixOS
	case image:
		e.Kind = nextboot.XenImage
	default:
		e.Kind = nextboot.XenEntry
	}
	return e
}

// other adds an entry of somebody else's.
func (m *machine) other(file string) {
	e := nextboot.Entry{File: file, Kind: nextboot.Other}
	m.Before, m.After = append(m.Before, e), append(m.After, e)
}

// windows is there, and systemd-boot makes an entry for it.
func (m *machine) windows() *machine {
	e := nextboot.Entry{File: nextboot.Windows, Kind: nextboot.Auto}
	m.Before, m.After = append(m.Before, e), append(m.After, e)
	return m
}

// change changes an entry before and after.
func (m *machine) change(file string, f func(*nextboot.Entry)) {
	for _, menu := range [][]nextboot.Entry{m.Before, m.After} {
		for i := range menu {
			if menu[i].File == file {
				f(&menu[i])
			}
		}
	}
}

const stub5 = "nixos-generation-5-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.efi"
const stub6 = "nixos-generation-6-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.efi"
const stub6s = "nixos-generation-6-specialisation-s-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.efi"

// TestDecide is the table of what must start by default.
func TestDecide(t *testing.T) {
	t.Parallel()
	const (
		n5, x5 = "nixos-generation-5.conf", "xen-generation-5.conf"
		n6, x6 = "nixos-generation-6.conf", "xen-generation-6.conf"
		n7, x7 = "nixos-generation-7.conf", "xen-generation-7.conf"
	)
	two := func(conf string) *machine {
		m := newMachine(conf)
		m.add(5, "e", n5, x5)
		m.add(6, "f", n6, x6)
		return m
	}
	tests := []struct {
		name string
		m    func() *machine
		conf string // what loader.conf says after; "=" for what it said
		then string // what starts by default, by id
		next string // what starts next, where that is something else
		warn string // the codes of the warnings
	}{
		{name: "the Xen sibling of an exact NixOS entry", m: func() *machine { return two("default " + n6 + "\n") },
			conf: "default " + x6 + "\n", then: x6},
		{name: "of an older one", m: func() *machine { return two("timeout 3\ndefault " + n5 + "\neditor no\n") },
			conf: "timeout 3\ndefault " + x5 + "\neditor no\n", then: x5},
		{name: "is left alone", m: func() *machine { return two("default " + x5 + "\n") }, conf: "=", then: x5},

		// Lanzaboote's nixos-*, and what the nixpkgs script made of it.
		{name: "nixos-* means the newest, exactly", m: func() *machine {
			m := newMachine("default nixos-*\n")
			m.add(5, "e", stub5, "+xen-generation-5-aaaaaaaaaaaa.efi")
			m.add(6, "f", stub6, "+xen-generation-6-bbbbbbbbbbbb.efi")
			return m
		}, conf: "default xen-generation-6-bbbbbbbbbbbb.efi\n", then: "xen-generation-6-bbbbbbbbbbbb.efi"},
		{name: "Xen switched off in the newest", m: func() *machine {
			m := newMachine("default nixos-*\n")
			m.add(5, "e", stub5, x5)
			m.add(6, "f", stub6)
			return m
		}, conf: "=", then: stub6},
		{name: "Xen switched off in the newest, xen-* there", m: func() *machine {
			m := newMachine("default xen-*\n")
			m.add(5, "e", stub5, x5)
			m.add(6, "f", stub6)
			return m
		}, conf: "default " + stub6 + "\n", then: stub6},
		{name: "Xen only in a specialisation", m: func() *machine {
			m := newMachine("default nixos-*\n")
			m.add(6, "f", stub6)
			m.add(6, "s", stub6s, "xen-generation-6-specialisation-s.conf").Specialisation = "s"
			m.change(stub6s, func(e *nextboot.Entry) { e.Version = "Generation 6-s, 2026-11-01" })
			return m
		}, conf: "=", then: stub6},
		{name: "the newest can't be built", m: func() *machine {
			m := newMachine("default nixos-*\n")
			m.add(5, "e", stub5, x5)
			m.add(6, "f", stub6).Failed = true
			return m
		}, conf: "=", then: stub6, warn: "default-failed"},
		{name: "the newest can't be built, an older image is left", m: func() *machine {
			m := newMachine("default xen-*\n")
			m.add(5, "e", stub5, x5)
			m.add(6, "f", stub6, x6).Failed = true
			return m
		}, conf: "default " + stub6 + "\n", then: stub6, warn: "default-failed"},
		{name: "nixos-* means the newest whatever the link says", m: func() *machine {
			m := newMachine("default nixos-*\n")
			m.add(5, "e", stub5, x5).Current = true
			m.add(6, "f", stub6, x6)
			return m
		}, conf: "default " + x6 + "\n", then: x6},

		// Stubs left behind, and entries left behind.
		{name: "a stub whose kernel is gone", m: func() *machine {
			m := newMachine("default nixos-*\n")
			m.add(6, "f", n6, stub6, x6)
			m.change(stub6, func(e *nextboot.Entry) { e.Dead = true })
			return m
		}, conf: "default " + x6 + "\n", then: x6},
		{name: "a stub whose kernel is gone, removal", m: func() *machine {
			m := newMachine("default " + x6 + "\n")
			m.add(6, "f", n6, stub6, "-"+x6)
			m.change(stub6, func(e *nextboot.Entry) { e.Dead = true })
			m.Remove = true
			return m
		}, conf: "default " + n6 + "\n", then: n6},
		{name: "an entry whose kernel is gone", m: func() *machine {
			m := newMachine("default nixos-*\n")
			m.add(6, "f", n6, stub6, x6)
			m.change(n6, func(e *nextboot.Entry) { e.Hidden = true })
			m.Policy = nextboot.PreferNixOS
			return m
		}, conf: "=", then: stub6},
		{name: "dead stub first, nixos wanted", m: func() *machine {
			m := newMachine("default nixos-*\n")
			m.add(5, "e", n5, x5)
			m.add(6, "f", stub6, x6)
			m.change(stub6, func(e *nextboot.Entry) { e.Dead = true })
			m.Policy = nextboot.PreferNixOS
			return m
		}, conf: "default " + n5 + "\n", then: n5}, // the sort-key lanza stands before nixos

		// A number that was given out again.
		{name: "a number given out again", m: func() *machine {
			m := newMachine("default " + x5 + "\n")
			m.add(5, "new", n5, "+"+x5)
			old := m.entry(x5, 5)
			old.Toplevel = toplevel("old")
			m.Before = append(m.Before, old)
			m.add(6, "f", n6, x6)
			return m
		}, conf: "default " + x6 + "\n", then: x6},

		// The profile's own link decides offline.
		{name: "profiles, hash-named default", m: func() *machine {
			m := newMachine("default nixos-" + hash1 + ".conf\n")
			m.add(5, "e", "+"+x5).Current = true
			m.add(6, "f", "+"+x6)
			m.FromProfiles = true
			return m
		}, conf: "default " + x5 + "\n", then: x5},
		{name: "profiles, nothing there", m: func() *machine {
			m := newMachine("")
			m.add(5, "e", "+"+x5).Current = true
			m.add(6, "f", "+"+x6)
			m.FromProfiles = true
			return m
		}, conf: "timeout 5\ndefault " + x5 + "\n", then: x5},

		{name: "profiles, NixOS' entries beside", m: func() *machine {
			m := newMachine("default nixos-" + hash1 + ".conf\n")
			m.add(5, "e", "nixos-"+hash1+".conf", "+"+x5).Current = true
			m.add(6, "f", "+"+x6)
			m.Generations[0].NixOS = nil // the profile's links don't name them
			m.FromProfiles, m.Policy = true, nextboot.PreferNixOS
			return m
		}, conf: "=", then: "nixos-" + hash1 + ".conf"},

		// Hand-written values.
		{name: "a user's own glob", m: func() *machine { m := two("default xen-rescue*\n"); m.other("xen-rescue-1.conf"); return m },
			conf: "=", then: "xen-rescue-1.conf", warn: "hand-written"},
		{name: "a user's own glob, keep", m: func() *machine {
			m := two("default xen-rescue*\n")
			m.other("xen-rescue-1.conf")
			m.Policy = nextboot.Keep
			return m
		}, conf: "=", then: "xen-rescue-1.conf"},
		{name: "a user's own glob, removal", m: func() *machine {
			m := newMachine("default xen-rescue*\n")
			m.add(6, "f", n6, "-"+x6)
			m.other("xen-rescue-1.conf")
			m.Remove = true
			return m
		}, conf: "=", then: "xen-rescue-1.conf"},
		{name: "Windows", m: func() *machine { return two("default auto-windows\n").windows() }, conf: "=", then: "auto-windows", warn: "hand-written"},
		{name: "Windows by a pattern", m: func() *machine { return two("default auto-*\n").windows() }, conf: "=", then: "auto-windows", warn: "hand-written"},
		{name: "Windows, and no entries of systemd-boot's own", m: func() *machine { return two("auto-entries no\ndefault auto-windows\n").windows() },
			conf: "auto-entries no\ndefault " + x6 + "\n", then: x6},
		{name: "Windows that is gone", m: func() *machine { return two("default auto-windows\n") }, conf: "=", then: x6},
		{name: "Windows that is gone, nixos", m: func() *machine {
			m := two("default auto-windows\n")
			m.Policy = nextboot.PreferNixOS
			return m
		}, conf: "default " + n6 + "\n", then: n6, warn: "nixos-written"},
		{name: "the firmware's setup", m: func() *machine { return two("default auto-reboot-to-firmware-setup\n") },
			conf: "=", then: "auto-reboot-to-firmware-setup", warn: "hand-written"},

		// The newest can't be built, and loader.conf names Xen's entries.
		{name: "our glob, the newest failed", m: func() *machine {
			m := newMachine("default xen-*\n")
			m.add(5, "e", n5, x5)
			m.add(6, "f", n6).Failed = true
			return m
		}, conf: "default " + n6 + "\n", then: n6, warn: "default-failed"},
		{name: "our exact id, failed", m: func() *machine {
			m := two("default " + x6 + "\n")
			m.Generations[1].Failed = true
			return m
		}, conf: "default " + n6 + "\n", then: n6, warn: "default-failed"},

		// No effective default.
		{name: "nixos, no default", m: func() *machine { m := two("timeout 3\n"); m.Policy = nextboot.PreferNixOS; return m },
			conf: "timeout 3\ndefault " + n6 + "\n", then: n6, warn: "nixos-written"},
		{name: "keep, no default", m: func() *machine { m := two("timeout 3\n"); m.Policy = nextboot.Keep; return m },
			conf: "timeout 3\ndefault " + n6 + "\n", then: n6, warn: "nixos-written"},
		{name: "keep, no loader.conf", m: func() *machine { m := two(""); m.Policy = nextboot.Keep; return m },
			conf: "default " + n6 + "\n", then: n6, warn: "nixos-written"},
		{name: "xen, no loader.conf", m: func() *machine { return two("") }, conf: "=", then: x6, warn: "loader-conf-missing"},
		{name: "nixos, @saved", m: func() *machine { m := two("default @saved\n"); m.Policy = nextboot.PreferNixOS; return m },
			conf: "default " + n6 + "\n", then: n6, warn: "nixos-written"},
		{name: "keep, @saved", m: func() *machine { m := two("default @saved\n"); m.Policy = nextboot.Keep; return m },
			conf: "default " + n6 + "\n", then: n6, warn: "nixos-written"},
		{name: "keep, @saved is Xen by somebody's choice", m: func() *machine {
			m := two("default @saved\n")
			m.Policy, m.Vars.LastBooted = nextboot.Keep, x5
			return m
		}, conf: "=", then: x5},
		{name: "xen, @saved", m: func() *machine { return two("default @saved\n") }, conf: "=", then: x6},
		{name: "xen, @saved is NixOS by somebody's choice", m: func() *machine {
			m := two("default @saved\n")
			m.Vars.LastBooted = n5
			return m
		}, conf: "=", then: n5},
		{name: "keep, id without suffix", m: func() *machine {
			m := two("default nixos-generation-5\n")
			m.Policy = nextboot.Keep
			return m
		}, conf: "default " + n5 + "\n", then: n5, warn: "nixos-written"},
		{name: "xen, id without suffix", m: func() *machine { return two("default nixos-generation-5\n") },
			conf: "default " + x5 + "\n", then: x5},
		{name: "nixos, missing entry", m: func() *machine {
			m := two("default nixos-generation-9.conf\n")
			m.Policy = nextboot.PreferNixOS
			return m
		}, conf: "default " + n6 + "\n", then: n6, warn: "nixos-written"},
		{name: "keep, missing entry of ours", m: func() *machine {
			m := two("default xen-generation-9.conf\n")
			m.Policy = nextboot.Keep
			return m
		}, conf: "default " + n6 + "\n", then: n6, warn: "nixos-written"},
		{name: "Secure Boot without a key", m: func() *machine { m := two("timeout 3\n"); m.Refused = true; return m },
			conf: "timeout 3\ndefault " + n6 + "\n", then: n6, warn: "secure-boot-refuses nixos-written"},
		{name: "Secure Boot without a key, Xen named", m: func() *machine {
			m := two("default " + x6 + "\n")
			m.Refused, m.Policy = true, nextboot.Keep
			return m
		}, conf: "default " + n6 + "\n", then: n6, warn: "secure-boot-refuses"},
		{name: "nixos, NixOS named", m: func() *machine { m := two("default nixos-*\n"); m.Policy = nextboot.PreferNixOS; return m },
			conf: "=", then: n6},
		{name: "nixos, Xen named", m: func() *machine { m := two("default " + x5 + "\n"); m.Policy = nextboot.PreferNixOS; return m },
			conf: "default " + n5 + "\n", then: n5},
		{name: "keep, NixOS named", m: func() *machine { m := two("default " + n5 + "\n"); m.Policy = nextboot.Keep; return m }, conf: "=", then: n5},
		{name: "keep, Xen named", m: func() *machine { m := two("default " + x5 + "\n"); m.Policy = nextboot.Keep; return m }, conf: "=", then: x5},
		{name: "keep, what is named goes away", m: func() *machine {
			m := newMachine("default " + x5 + "\n")
			m.add(5, "e", n5, "-"+x5)
			m.add(6, "f", n6, x6)
			m.Policy = nextboot.Keep
			return m
		}, conf: "default " + n5 + "\n", then: n5},
		{name: "keep, what is named gets another name", m: func() *machine {
			m := newMachine("default xen-generation-5-aaaaaaaaaaaa.efi\n")
			m.add(5, "e", n5, "-xen-generation-5-aaaaaaaaaaaa.efi", "+xen-generation-5-bbbbbbbbbbbb.efi")
			m.Policy = nextboot.Keep
			return m
		}, conf: "default xen-generation-5-bbbbbbbbbbbb.efi\n", then: "xen-generation-5-bbbbbbbbbbbb.efi"},

		// Boot counting.
		{name: "preferred, nothing bad", m: func() *machine {
			m := newMachine("preferred nixos-" + hash1 + ".conf\ndefault nixos-*\n")
			m.add(5, "e", n5)
			m.add(6, "f", "nixos-"+hash1+"+3.conf", "xen-"+hash1+".conf")
			return m
		}, conf: "preferred xen-" + hash1 + ".conf\ndefault nixos-*\n", then: "xen-" + hash1 + ".conf", warn: "not-counted"},
		{name: "preferred, given up", m: func() *machine {
			m := newMachine("preferred nixos-" + hash1 + ".conf\ndefault nixos-*\n")
			m.add(5, "e", n5, x5)
			m.add(6, "f", "nixos-"+hash1+"+0-3.conf", "xen-"+hash1+".conf")
			return m
		}, conf: "=", then: n5, warn: "default-bad"},
		{name: "preferred names Xen, given up", m: func() *machine {
			m := newMachine("preferred xen-" + hash1 + ".conf\ndefault nixos-*\n")
			m.add(5, "e", n5, x5)
			m.add(6, "f", "nixos-"+hash1+"+0-3.conf", "xen-"+hash1+".conf")
			return m
		}, conf: "preferred nixos-" + hash1 + "[+.][0-9c]*onf\ndefault nixos-*\n", then: n5, warn: "default-bad"},
		{name: "preferred is nothing to 257", m: func() *machine {
			m := newMachine("preferred nixos-" + hash1 + ".conf\ndefault nixos-*\n")
			m.Version = nextboot.Version{Major: 257, Minor: 13}
			m.add(5, "e", n5)
			m.add(6, "f", "nixos-"+hash1+"+3.conf", "xen-"+hash1+".conf")
			return m
		}, conf: "preferred xen-" + hash1 + ".conf\ndefault xen-" + hash1 + ".conf\n", then: "xen-" + hash1 + ".conf", warn: "not-counted"},
		{name: "a counted image, 252", m: func() *machine {
			m := newMachine("default nixos-*\n")
			m.Version = nextboot.Version{Major: 252, Minor: 39}
			m.add(6, "f", "nixos-generation-6+2.conf", "xen-generation-6-bbbbbbbbbbbb+2.efi")
			return m
		}, conf: "default xen-generation-6-bbbbbbbbbbbb[+.][1-9e]*fi\n", then: "xen-generation-6-bbbbbbbbbbbb+2.efi"},
		{name: "a counted image, 262", m: func() *machine {
			m := newMachine("default nixos-*\n")
			m.add(6, "f", "nixos-generation-6+2.conf", "xen-generation-6-bbbbbbbbbbbb+2.efi")
			return m
		}, conf: "default nixos-*\npreferred xen-generation-6-bbbbbbbbbbbb[+.][1-9e]*fi\n", then: "xen-generation-6-bbbbbbbbbbbb.efi"},
		{name: "a counted image, given up", m: func() *machine {
			m := newMachine("default nixos-*\npreferred xen-generation-6-bbbbbbbbbbbb[+.][1-9e]*fi\n")
			m.add(6, "f", "nixos-generation-6+2.conf", "xen-generation-6-bbbbbbbbbbbb+0-2.efi")
			return m
		}, conf: "default nixos-*\npreferred nixos-generation-6[+.][1-9c]*onf\n", then: n6, warn: "default-bad"},
		{name: "NixOS counted, 252 does not find it", m: func() *machine {
			m := newMachine("default nixos-" + hash1 + ".conf\n")
			m.Version, m.Policy = nextboot.Version{Major: 252}, nextboot.PreferNixOS
			m.add(6, "f", "nixos-"+hash1+"+3.conf", "xen-"+hash1+".conf")
			return m
		}, conf: "default nixos-" + hash1 + "[+.][1-9c]*onf\n", then: "nixos-" + hash1 + "+3.conf", warn: "nixos-written"},

		// What does not exist.
		{name: "a dangling stub", m: func() *machine {
			m := newMachine("default " + stub5 + "\n")
			m.add(6, "f", stub6)
			return m
		}, conf: "default " + stub6 + "\n", then: stub6, warn: "repaired"},
		{name: "a dangling preferred", m: func() *machine {
			m := two("preferred nixos-generation-9.conf\ndefault memtest.conf\n")
			m.other("memtest.conf")
			return m
		}, conf: "default memtest.conf\n", then: "memtest.conf", warn: "hand-written repaired"},
		{name: "a glob of somebody's that starts Xen once there is Xen", m: func() *machine {
			m := newMachine("default *\n")
			m.add(6, "f", n6, "+"+x6)
			m.Policy = nextboot.PreferNixOS
			return m
		}, conf: "default " + n6 + "\n", then: n6},
		{name: "unified and type #1 at once", m: func() *machine {
			m := newMachine("default xen-*\n")
			m.add(6, "f", n6, "xen-generation-6-bbbbbbbbbbbb.efi")
			m.add(6, "s", "nixos-generation-6-specialisation-s.conf", "xen-generation-6-specialisation-s-aaaaaaaaaaaa.efi").Specialisation = "s"
			return m
		}, conf: "default xen-generation-6-bbbbbbbbbbbb.efi\n", then: "xen-generation-6-bbbbbbbbbbbb.efi"},
		{name: "removal", m: func() *machine {
			m := newMachine("default xen-generation-5.conf\n")
			m.add(5, "e", n5, "-"+x5)
			m.add(6, "f", n6, "-"+x6)
			m.Remove = true
			return m
		}, conf: "default " + n5 + "\n", then: n5},
		{name: "removal without a root", m: func() *machine {
			m := newMachine("default xen-generation-5.conf\n")
			m.add(5, "e", n5, "-"+x5)
			m.add(6, "f", n6, "-"+x6)
			m.Generations, m.Remove = nil, true
			return m
		}, conf: "default " + n5 + "\n", then: n5},
		{name: "removal of what dangles", m: func() *machine {
			m := newMachine("default xen-generation-9.conf\n")
			m.add(5, "e", n5)
			m.add(6, "f", n6)
			m.Generations, m.Remove = nil, true
			return m
		}, conf: "default " + n6 + "\n", then: n6},
		{name: "removal with nothing left", m: func() *machine {
			m := newMachine("default xen-generation-9.conf\n")
			m.Remove = true
			return m
		}, conf: "default nixos-*\n", then: "", warn: "repaired"},
		{name: "nothing is known", m: func() *machine { m := newMachine("default " + x5 + "\n"); m.Undecided = true; return m }, conf: "="},

		// Variables.
		{name: "LoaderEntryDefault", m: func() *machine { m := two("default " + n6 + "\n"); m.Vars.Default = n5; return m },
			conf: "default " + x6 + "\n", then: n5, warn: "variable-outranks"},
		{name: "LoaderEntryOneShot", m: func() *machine { m := two("default " + n6 + "\n"); m.Vars.OneShot = n5; return m },
			conf: "default " + x6 + "\n", next: n5, then: x6, warn: "variable-outranks"},

		// On trial.
		{name: "try, nothing proven", m: func() *machine { m := two("default " + n6 + "\n"); m.Policy = nextboot.Trial; return m },
			conf: "=", next: x6, then: n6},
		{name: "try, an older one proven", m: func() *machine {
			m := two("default " + n6 + "\n")
			m.Policy, m.Proven = nextboot.Trial, []nextboot.Proof{{Toplevel: toplevel("e")}}
			return m
		}, conf: "default " + x5 + "\n", next: x6, then: x5},
		{name: "try, proven", m: func() *machine {
			m := two("default " + n6 + "\n")
			m.Policy, m.Proven = nextboot.Trial, []nextboot.Proof{{Toplevel: toplevel("f")}}
			return m
		}, conf: "default " + x6 + "\n", then: x6},
		{name: "try, what was proven is collected", m: func() *machine {
			m := two("default " + n6 + "\n")
			m.Policy, m.Proven = nextboot.Trial, []nextboot.Proof{{Toplevel: toplevel("gone")}, {Toplevel: toplevel("e")}}
			return m
		}, conf: "default " + x5 + "\n", next: x6, then: x5},
		{name: "try, Xen switched off", m: func() *machine {
			m := newMachine("default " + n6 + "\n")
			m.add(5, "e", n5, x5)
			m.add(6, "f", n6)
			m.Policy, m.Proven = nextboot.Trial, []nextboot.Proof{{Toplevel: toplevel("e")}}
			return m
		}, conf: "=", then: n6},
		{name: "try, tried before", m: func() *machine {
			m := two("default " + n6 + "\n")
			m.Policy, m.Tried = nextboot.Trial, toplevel("f")
			return m
		}, conf: "=", then: n6, warn: "already-tried"},
		{name: "try, on trial at this moment", m: func() *machine {
			m := two("default " + n6 + "\n")
			m.Policy, m.Tried, m.OnXen = nextboot.Trial, toplevel("f"), toplevel("f")
			return m
		}, conf: "=", then: n6},
		{name: "try, armed already", m: func() *machine {
			m := two("default " + n6 + "\n")
			m.Policy, m.Tried, m.Vars.OneShot = nextboot.Trial, toplevel("f"), x6
			return m
		}, conf: "=", next: x6, then: n6},
		{name: "try, second rebuild", m: func() *machine {
			m := two("default " + n7 + "\n")
			m.add(7, "g", n7, x7)
			m.Policy, m.Tried, m.Vars.OneShot = nextboot.Trial, toplevel("f"), x6
			return m
		}, conf: "=", next: x7, then: n7},
		{name: "try, the shot is taken", m: func() *machine {
			m := two("default " + n6 + "\n").windows()
			m.Policy, m.Vars.OneShot = nextboot.Trial, "auto-windows"
			return m
		}, conf: "=", next: "auto-windows", then: n6, warn: "one-shot-taken variable-outranks"},
		{name: "try, the shot is at what is gone", m: func() *machine {
			m := two("default " + n6 + "\n")
			m.Policy, m.Vars.OneShot = nextboot.Trial, "auto-windows"
			return m
		}, conf: "=", next: x6, then: n6},
		{name: "try, can't be armed", m: func() *machine {
			m := two("default " + n6 + "\n")
			m.Policy, m.CanArm = nextboot.Trial, false
			return m
		}, conf: "=", then: n6, warn: "cannot-arm"},
		{name: "try, failed", m: func() *machine {
			m := newMachine("default " + n6 + "\n")
			m.add(5, "e", n5, x5)
			m.add(6, "f", n6).Failed = true
			m.Policy, m.Proven = nextboot.Trial, []nextboot.Proof{{Toplevel: toplevel("e")}}
			return m
		}, conf: "default " + x5 + "\n", then: x5, warn: "default-failed"},
		{name: "try, rolled back to what was proven", m: func() *machine {
			m := two("default " + n5 + "\n")
			m.Policy, m.Proven = nextboot.Trial, []nextboot.Proof{{Toplevel: toplevel("f")}, {Toplevel: toplevel("e")}}
			return m
		}, conf: "default " + x5 + "\n", then: x5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := tt.m()
			d := nextboot.Decide(m.Input)
			got, want := string(d.Conf), tt.conf
			if want == "=" {
				if d.Conf != nil {
					t.Errorf("loader.conf becomes %q", got)
				}
			} else if got != want {
				t.Errorf("loader.conf becomes %q, want %q", got, want)
			}
			if d.Then.ID != tt.then {
				t.Errorf("by default %q starts, want %q: %s", d.Then.ID, tt.then, d.Then.Reason())
			}
			next := tt.next
			if next == "" {
				next = tt.then
			}
			if d.Next.ID != next {
				t.Errorf("next %q starts, want %q: %s", d.Next.ID, next, d.Next.Reason())
			}
			var codes []string
			for _, w := range d.Warnings {
				codes = append(codes, string(w.Code))
			}
			if got := strings.Join(codes, " "); got != tt.warn {
				t.Errorf("warnings %q, want %q: %+v", got, tt.warn, d.Warnings)
			}
			// The next run finds it as it should be.
			if d.Conf != nil {
				m.Conf = d.Conf
			}
			m.Before = m.After
			if again := nextboot.Decide(m.Input); again.Conf != nil {
				t.Errorf("a second run makes %q of %q", again.Conf, m.Conf)
			}
		})
	}
}
