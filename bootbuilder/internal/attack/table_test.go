package attack_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

func attacks() []attack {
	return slices.Concat(
		[]attack{{id: "S0", name: "nothing", do: func(*machine) {}}},
		stubAttacks(), vouchingAttacks(), entryAttacks(), initAttacks(), entryFileAttacks(), programAttacks(),
		storeAttacks(), ownNameAttacks(),
	)
}

var onStubs = []peer{stubs}

const evilBoot = "/boot/evil"

// everything is what hand-written entries under our names keep out, in layouts that need those names.
var everything = []string{"1", "2", "2-gaming", "3", "test-1"}

// stubAttacks forge Lanzaboote's stubs, and what they name.
func stubAttacks() []attack {
	replace := func(name string) func(*machine) { // the stub of generation 1 names his files
		return func(m *machine) {
			m.must(os.Remove(filepath.Join(m.boot, m.stubs["1"].Path)))
			m.evilStub(name, m.tops["1"].Init)
		}
	}
	beside := func(name string) func(*machine) { return func(m *machine) { m.evilStub(name, m.tops["1"].Init) } }
	list := []attack{
		{id: "S1", name: "kernel replaced under a genuine stub", on: onStubs, may: []string{"1"}, do: func(m *machine) {
			m.write(m.stubs["1"].Kernel, evil(len(m.tops["1"].System.Kernel)))
		}, check: wantSignedEntry("1")},
		{id: "S1", name: "initrd replaced under a genuine stub", on: onStubs, may: []string{"1"}, do: func(m *machine) {
			m.write(m.stubs["1"].Initrd, evil(len(m.tops["1"].System.Initrd)))
		}, check: wantSignedEntry("1")},
		{id: "S1", name: "initrd longer under a genuine stub", on: onStubs, mayCopy: true, may: []string{"1", "3"}, do: func(m *machine) {
			for _, gen := range []string{"1", "3"} {
				m.write(m.stubs[gen].Initrd, append(m.read(m.stubs[gen].Initrd), evil(64)...))
			}
		}},
		{id: "S1", name: "kernels deleted", on: onStubs, do: func(m *machine) {
			for _, s := range m.stubs {
				_ = os.Remove(filepath.Join(m.boot, s.Kernel))
			}
		}},
		{id: "S2", name: "stub replaced", on: onStubs, do: func(m *machine) {
			m.write("evil/vmlinuz", evil(1024))
			m.write("evil/initrd", evil(512))
			m.write(m.stubs["1"].Path, forgeStub(m.tops["1"].Init, `\evil\vmlinuz`, evil(1024), `\evil\initrd`, evil(512)))
		}},
		{id: "S2", name: "stub replaced, the genuine paths overwritten", on: onStubs, do: func(m *machine) {
			s, top := m.stubs["1"], m.tops["1"]
			kernel, initrd := evil(len(top.System.Kernel)), evil(len(top.System.Initrd))
			m.write(s.Kernel, kernel)
			m.write(s.Initrd, initrd)
			m.write(s.Path, forgeStub(top.Init, "/"+s.Kernel, kernel, "/"+s.Initrd, initrd))
		}},
		{id: "S2", name: "all stubs replaced", on: onStubs, mayCopy: true, may: []string{"3"}, do: func(m *machine) {
			for gen, s := range m.stubs {
				m.write("evil/vmlinuz", evil(1024))
				m.write("evil/initrd", evil(512))
				m.write(s.Path, forgeStub(m.tops[gen].Init, `\evil\vmlinuz`, evil(1024), `\evil\initrd`, evil(512)))
			}
		}},
		{id: "S2", name: "stub swapped for that of another generation", on: onStubs, do: func(m *machine) {
			one, two := m.read(m.stubs["1"].Path), m.read(m.stubs["2"].Path)
			m.write(m.stubs["1"].Path, two)
			m.write(m.stubs["2"].Path, one)
		}},
		{id: "S2", name: "stub with sections twice", on: onStubs, do: func(m *machine) {
			m.write("EFI/Linux/"+stubName("1", "3"), fixtures.PE(
				fixtures.Section{Name: ".osrel", Data: []byte("ID=lanza\nPRETTY_NAME=NixOS\nVERSION_ID=1\n")},
				fixtures.Section{Name: ".cmdline", Data: []byte("init=" + m.tops["1"].Init)},
				fixtures.Section{Name: ".cmdline", Data: []byte("init=" + evilBoot + "/init")},
				fixtures.Section{Name: ".linux", Data: []byte(`\evil\vmlinuz`)},
				fixtures.Section{Name: ".linuxh", Data: make([]byte, 32)},
				fixtures.Section{Name: ".initrd", Data: []byte(`\evil\initrd`)},
				fixtures.Section{Name: ".initrdh", Data: make([]byte, 32)},
			))
			m.evilSystem(evilBoot)
		}},
		{id: "S2", name: "stub whose paths climb", on: onStubs, do: func(m *machine) {
			for i, name := range []string{`\..\etc\shadow`, `\..\..\etc\shadow`, `\EFI\..\..\etc\shadow`, `..\etc\shadow`, `/etc/shadow`} {
				m.write("EFI/Linux/"+stubName("1", string(rune('b'+i))), forgeStub(m.tops["1"].Init, name, nil, name, nil))
			}
		}},
		{id: "S16", name: "kernel deleted, one under systemd-boot's name", on: onStubs, do: func(m *machine) {
			for gen, s := range m.stubs {
				_ = os.Remove(filepath.Join(m.boot, s.Kernel))
				m.plantInstallerNames(gen)
			}
		}},
	}
	// One that sorts first, one that sorts last, other counters, letter cases, a short name.
	for _, name := range []string{
		stubName("1", "2"), stubName("1", "z"), "nixos-generation-1-" + strings.Repeat("2", 52) + "+3.efi",
		"nixos-generation-1-" + strings.Repeat("z", 52) + "+0-3.efi", "nixos-generation-1-" + strings.Repeat("2", 52) + "+99999999999999999999.efi",
		"nixos-generation-1-" + strings.Repeat("A", 52) + ".efi", "NIXOS-GENERATION-1-" + strings.Repeat("a", 52) + ".EFI", "NIXOS-~1.EFI",
		"nixos-generation-01-" + strings.Repeat("a", 52) + ".efi",
	} {
		list = append(list,
			attack{id: "S3", name: "second stub " + short(name), on: onStubs, do: beside(name)},
			attack{id: "S2", name: "only stub " + short(name), on: onStubs, may: mayVanish(name), do: replace(name)})
	}
	for name, init := range map[string]func(m *machine) string{
		"genuine toplevel": func(m *machine) string { return m.tops["1"].Init },
		"his toplevel":     func(m *machine) string { m.evilSystem(evilBoot); return evilBoot + "/init" },
		"a store path":     func(m *machine) string { return "/nix/store/" + strings.Repeat("a", 32) + "-evil/init" },
	} {
		for _, file := range []string{stubName("77", "a"), stubName("1-specialisation-evil", "a"), stubName("18446744073709551616", "a"),
			"nixos-test-generation-7-" + strings.Repeat("a", 52) + ".efi", "nixos-evil.efi"} {
			list = append(list, attack{id: "S3b", name: "invented " + short(file) + " of " + name, on: allPeers, do: func(m *machine) {
				m.evilStub(file, init(m))
			}})
		}
	}
	return list
}

// mayVanish is of names that Lanzaboote never gives: a generation whose only stub has one is not in the menu.
func mayVanish(name string) []string {
	if strings.Contains(name, "~") || strings.Contains(name, "-01-") || strings.Contains(name, "+9999") {
		return []string{"1!"}
	}
	return nil
}

func short(name string) string {
	if len(name) > 36 {
		return name[:28] + "…" + name[len(name)-8:]
	}
	return name
}

// plantInstallerNames puts files of the right size where systemd-boot-builder would have kernel and initrd.
func (m *machine) plantInstallerNames(gen string) {
	m.t.Helper()
	top := m.tops[gen]
	for _, f := range []struct {
		store string
		data  []byte
	}{{top.Kernel, top.System.Kernel}, {top.Initrd, top.System.Initrd}, {top.XenEFI, top.System.Xen.Image}} {
		storeName, _, _ := strings.Cut(strings.TrimPrefix(f.store, "/nix/store/"), "/")
		m.write("EFI/nixos/"+storeName+"-"+path.Base(f.store)+".efi", evil(len(f.data)))
	}
}

// wantSignedEntry wants a generation's entry where the run has a key.
func wantSignedEntry(gen string) func(*machine, *bootbuilder.Report) {
	return func(m *machine, r *bootbuilder.Report) {
		for _, g := range r.Generations {
			if m.signed && m.nameOf(g.Toplevel) == gen && g.State != bootbuilder.Added && g.State != bootbuilder.Unchanged {
				m.t.Errorf("generation %s is %s (%s), want it installed from the store", gen, g.State, g.Detail)
			}
		}
	}
}

// vouchingAttacks are about generation 3, whose initrd has secrets: what vouches for those on the ESP?
func vouchingAttacks() []attack {
	withSecrets := func(want bool) func(*machine, *bootbuilder.Report) {
		return func(m *machine, _ *bootbuilder.Report) {
			for _, e := range m.xenEntries() {
				if m.nameOf(e.toplevel) != "3" || !m.signed || !haveTool("sbsign") {
					continue
				}
				if has := strings.Contains(string(e.initrd), initrdSecret); has != want && m.options.From != bootbuilder.FromProfiles {
					m.t.Errorf("generation 3 has its secrets: %v, want %v", has, want)
				}
			}
		}
	}
	evilInitrd := func(m *machine) []byte {
		top := m.tops["3"]
		return append(slices.Clone(top.System.Initrd), evil(len(top.System.Secrets))...)
	}
	forged := func(m *machine) []byte {
		m.write("evil/initrd", evilInitrd(m))
		return forgeStub(m.tops["3"].Init, "/"+m.stubs["3"].Kernel, m.tops["3"].System.Kernel, `\evil\initrd`, evilInitrd(m))
	}
	return []attack{
		{id: "S10", name: "genuine stub vouches", on: onStubs, do: func(*machine) {}, check: withSecrets(true)},
		{id: "S10", name: "initrd with secrets changed", on: onStubs, may: []string{"3"}, do: func(m *machine) {
			m.write(m.stubs["3"].Initrd, evilInitrd(m))
		}, check: withSecrets(false)},
		{id: "S10", name: "unsigned stub for his initrd", on: onStubs, do: func(m *machine) {
			m.write(m.stubs["3"].Path, forged(m))
		}, mayCopy: true, check: withSecrets(false)},
		{id: "S10", name: "unsigned stub beside the genuine one", on: onStubs, do: func(m *machine) {
			m.write("EFI/Linux/"+stubName("3", "2"), forged(m))
		}, mayCopy: true, check: withSecrets(true)},
		{id: "S10", name: "stub signed by another key", on: onStubs, do: func(m *machine) {
			m.write(m.stubs["3"].Path, sbsign(m.t, "other", forged(m)))
		}, mayCopy: true, check: withSecrets(false)},
		{id: "S10", name: "stub with the genuine one's signature", on: onStubs, do: func(m *machine) {
			m.write(m.stubs["3"].Path, moveSignature(m, m.read(m.stubs["3"].Path), forged(m)))
		}, mayCopy: true, check: withSecrets(false)},
		{id: "S10", name: "genuine stub with its hash changed", on: onStubs, do: func(m *machine) {
			m.write(m.stubs["3"].Initrd, evilInitrd(m))
			m.write(m.stubs["3"].Path, patchHash(m, m.read(m.stubs["3"].Path), m.tops["3"], evilInitrd(m)))
		}, mayCopy: true, check: withSecrets(false)},
		{id: "S10", name: "genuine stub of another generation under this name", on: onStubs, do: func(m *machine) {
			m.write(m.stubs["3"].Path, m.read(m.stubs["2"].Path))
		}, may: []string{"3!"}, check: withSecrets(false)},
		{id: "S10", name: "genuine stub of another generation, its initrd his", on: onStubs, may: []string{"2", "3"}, do: func(m *machine) {
			m.write(m.stubs["2"].Initrd, evilInitrd(m))
			m.write(m.stubs["3"].Initrd, evilInitrd(m))
			m.write("EFI/Linux/"+stubName("3", "2"), m.read(m.stubs["2"].Path))
		}, check: withSecrets(false)},
		{id: "S10", name: "its program runs", on: allPeers, shell: true, do: func(m *machine) {
			if m.peer == stubs {
				m.must(os.Remove(filepath.Join(m.boot, m.stubs["3"].Initrd)))
			}
		}, check: withSecrets(true)},
		{id: "S10", name: "its program runs, his initrd beside", on: allPeers, shell: true, do: func(m *machine) {
			m.write(m.initrdOf("3"), evilInitrd(m))
		}, may: []string{"3"}, mayCopy: true, check: withSecrets(true)},
	}
}

// entryAttacks add or change type #1 entries of genuine generations.
func entryAttacks() []attack {
	oddName := func(m *machine, r *bootbuilder.Report) {
		for _, g := range r.Generations {
			if m.nameOf(g.Toplevel) == "1" && m.peer != hashes && m.peer != xbootldr && g.ID != "xen-generation-1" {
				m.t.Errorf("the entry of generation 1 is %s: its number is not that of the link", g.ID)
			}
		}
	}
	var list []attack
	for _, name := range []string{
		"nixos-generation-99.conf", "nixos-generation-1.conf", "nixos-generation-99+3.conf", "nixos-generation-1+0-3.conf", "NIXOS-GENERATION-99.CONF",
		"nixos-generation-99-specialisation-evil.conf", "nixos-evil-generation-1.conf", "nixos-generation-0.conf", "nixos-generation-00001.conf",
		hashName("0"), hashName("f"), "nixos-" + strings.Repeat("F", 64) + ".conf", "NIXOS-~1.CON", "nixos-generation-99999999999999999999.conf",
	} {
		on := allPeers
		if strings.EqualFold(strings.Split(name, "+")[0], "nixos-generation-1.conf") || name == "nixos-generation-1+0-3.conf" {
			on = []peer{stubs, hashes, xbootldr} // elsewhere that is the genuine entry's name
		}
		list = append(list, attack{id: "S4", name: "entry " + short(name), on: on, do: func(m *machine) {
			m.evilEntry(name, m.tops["1"].Init)
		}, check: oddName})
	}
	return append(list,
		attack{id: "S4", name: "entry by the profile link", do: func(m *machine) {
			m.evilEntry("nixos-generation-99.conf", m.tops["1"].Link+"/init")
		}},
		attack{id: "S4", name: "entry by the profile", do: func(m *machine) {
			m.evilEntry("nixos-generation-99.conf", "/nix/var/nix/profiles/system/init")
		}},
		attack{id: "S4", name: "entries of genuine toplevels, names swapped", on: []peer{names}, do: func(m *machine) {
			m.evilEntry("nixos-generation-1.conf", m.tops["2"].Init)
			m.evilEntry("nixos-generation-2.conf", m.tops["1"].Init)
		}},
		attack{id: "S4", name: "fifty entries of one toplevel", do: func(m *machine) {
			for n := range 50 {
				m.evilEntry(fmt.Sprintf("nixos-generation-%d.conf", 100+n), m.tops["1"].Init)
			}
		}},
		attack{id: "S4", name: "text of the attacker's", do: func(m *machine) {
			m.evilEntry("nixos-generation-99.conf", m.tops["1"].Init, "title NixOS\u0085efi /evil/x.efi", "version \u202e\u200b", "sort-key \x1b[2J", "machine-id zzz")
		}},
		attack{id: "S4", name: "texts of genuine entries replaced", on: entryPeers, do: func(m *machine) {
			for gen := range m.entries {
				m.replaceLine(gen, "title", "Not NixOS")
				m.replaceLine(gen, "version", "Generation 1 evil")
				m.replaceLine(gen, "sort-key", "aaa")
			}
		}},
		attack{id: "S4", name: "text of a genuine stub replaced", on: onStubs, do: func(m *machine) {
			s, top := m.stubs["1"], m.tops["1"]
			stub := forgeStub(top.Init, "/"+s.Kernel, top.System.Kernel, "/"+s.Initrd, top.System.Initrd)
			m.write(s.Path, []byte(strings.Replace(string(stub), "VERSION_ID=Generation", "VERSION_ID=Degeneratn", 1)))
		}},
		attack{id: "S7", name: "kernel overwritten", on: entryPeers, may: []string{"1"}, do: func(m *machine) {
			m.write(m.entries["1"].Kernel, evil(len(m.tops["1"].System.Kernel)))
		}, check: wantSignedEntry("1")},
		attack{id: "S7", name: "kernel overwritten by another size", on: entryPeers, do: func(m *machine) {
			m.write(m.entries["1"].Kernel, evil(3*len(m.tops["1"].System.Kernel)))
		}},
		attack{id: "S7", name: "all kernels and initrds overwritten", on: entryPeers, mayCopy: true, do: func(m *machine) {
			for gen, e := range m.entries {
				m.write(e.Kernel, evil(len(m.tops[gen].System.Kernel)))
				m.write(e.Initrd, evil(len(m.tops[gen].System.Initrd)+len(m.tops[gen].System.Secrets)))
			}
		}},
		attack{id: "S9", name: "kernels of equal size under the installer's names", mayCopy: true, do: func(m *machine) {
			for gen := range m.tops {
				m.plantInstallerNames(gen)
			}
		}},
		attack{id: "S10", name: "initrd with secrets replaced", on: entryPeers, mayCopy: true, do: func(m *machine) {
			m.write(m.entries["3"].Initrd, evil(len(m.tops["3"].System.Initrd)+len(m.tops["3"].System.Secrets)))
		}},
		attack{id: "S10", name: "initrd with appended bytes", on: entryPeers, mayCopy: true, do: func(m *machine) {
			for _, gen := range []string{"1", "2", "3"} {
				m.write(m.entries[gen].Initrd, append(m.read(m.entries[gen].Initrd), evil(128)...))
			}
		}},
	)
}

// initAttacks have init= lead somewhere else, where a complete system of the attacker's lies.
func initAttacks() []attack {
	user := "/home/user/evil"
	inStore := "/nix/store/" + strings.Repeat("e", 32) + "-evil"
	link := "/nix/store/" + strings.Repeat("l", 32) + "-link"
	var list []attack
	for _, c := range []struct {
		id, name string
		init     func(m *machine) string
	}{
		{"S5", "on the ESP", func(m *machine) string { m.evilSystem(evilBoot); return evilBoot + "/init" }},
		{"S15", "at a user's home", func(m *machine) string { m.evilSystem(user); return user + "/init" }},
		{"S5", "a store on the ESP", func(m *machine) string {
			dir := "/boot/nix/store/" + strings.Repeat("e", 32) + "-evil"
			m.evilSystem(dir)
			return dir + "/init"
		}},
		{"S5", "a path of the store that is no generation", func(m *machine) string { m.evilSystem(inStore); return inStore + "/init" }},
		{"S5", "a directory in the store leads to the ESP", func(m *machine) string {
			m.evilSystem(evilBoot)
			m.symlink(evilBoot, link)
			return link + "/init"
		}},
		{"S5", "init in a genuine toplevel's subdirectory", func(m *machine) string {
			m.evilSystem(m.tops["1"].Path + "/sub")
			return m.tops["1"].Path + "/sub/init"
		}},
		{"S5", "profile links of a user's", func(m *machine) string {
			m.evilSystem(inStore)
			m.symlink(inStore, "/nix/var/nix/profiles/per-user/user/system-99-link")
			return "/nix/var/nix/profiles/per-user/user/system-99-link/init"
		}},
		{"S5", "climbing out of the store", func(m *machine) string { m.evilSystem(evilBoot); return "/nix/store/../../boot/evil/init" }},
		{"S5", "climbing out of a generation", func(m *machine) string {
			m.evilSystem(evilBoot)
			return m.tops["1"].Path + "/../../../boot/evil/init"
		}},
		{"S5", "climbing out behind init", func(m *machine) string {
			m.evilSystem(evilBoot)
			return m.tops["1"].Init + "/../../../../boot/evil/init"
		}},
		{"S5", "double slashes", func(m *machine) string { m.evilSystem(evilBoot); return "//boot//evil//init" }},
		{"S5", "trailing component", func(m *machine) string { m.evilSystem(evilBoot); return evilBoot + "/init/." }},
		{"S5", "relative", func(m *machine) string { m.evilSystem(evilBoot); return "boot/evil/init" }},
		{"S5", "by /proc", func(m *machine) string { m.evilSystem(evilBoot); return "/proc/self/root/boot/evil/init" }},
		{"S5", "by the profile directory", func(m *machine) string {
			m.evilSystem(evilBoot)
			return "/nix/var/nix/profiles/../../../../boot/evil/init"
		}},
		{"S5", "twice, the genuine one first", func(m *machine) string {
			m.evilSystem(evilBoot)
			return m.tops["1"].Init + " init=" + evilBoot + "/init"
		}},
		{"S5", "twice, the genuine one last", func(m *machine) string { m.evilSystem(evilBoot); return evilBoot + "/init init=" + m.tops["1"].Init }},
		{"S5", "quoted", func(m *machine) string { m.evilSystem(evilBoot); return `"` + evilBoot + `/init"` }},
		{"S5", "with a NUL behind", func(m *machine) string { m.evilSystem(evilBoot); return evilBoot + "/init\x00" + m.tops["1"].Init }},
		{"S15", "a link at home to a generation", func(m *machine) string {
			m.symlink(m.tops["1"].Path, user)
			return user + "/init"
		}},
	} {
		for _, name := range []string{"nixos-generation-1-specialisation-x.conf", "nixos-generation-99.conf", hashName("0")} {
			list = append(list, attack{id: c.id, name: "init " + c.name + " in " + short(name), do: func(m *machine) {
				m.evilEntry(name, c.init(m))
			}})
		}
		list = append(list, attack{id: c.id, name: "init " + c.name + " in a stub", on: []peer{stubs, names}, do: func(m *machine) {
			m.evilStub(stubName("99", "a"), c.init(m))
		}})
	}
	return list
}

// entryFileAttacks add lines that name files of the attacker's to genuine entries.
func entryFileAttacks() []attack {
	add := func(lines ...string) func(*machine) {
		return func(m *machine) {
			m.write("evil/x", evil(512))
			m.write("evil/uki.efi", fixtures.PE(
				fixtures.Section{Name: ".linux", Data: evil(64)}, fixtures.Section{Name: ".cmdline", Data: []byte("init=" + m.tops["1"].Init)}))
			for _, line := range lines {
				m.addLine("1", line)
				m.addLine("3", line)
			}
		}
	}
	var list []attack
	for _, line := range []string{
		"initrd /evil/x", "initrd evil/x", `initrd \evil\x`, "initrd /../etc/shadow", "initrd /../../../../../etc/shadow", "initrd /etc/shadow",
		"devicetree /evil/x", "devicetree-overlay /evil/x", "linux /evil/x", "uki /evil/uki.efi", "efi /evil/uki.efi", "profile 1",
		"options systemd.debug-shell=1 " + marker, "architecture x64", "extra /evil/x",
	} {
		list = append(list, attack{id: "S8", name: "line " + line, on: entryPeers, do: add(line)})
	}
	return append(list,
		attack{id: "S8", name: "two initrd lines", on: entryPeers, do: add("initrd /evil/x", "initrd /evil/x")},
		attack{id: "S8", name: "initrd line first", on: entryPeers, may: []string{"1"}, do: func(m *machine) {
			m.write("evil/x", evil(512))
			m.replaceLine("1", "initrd", "/evil/x\ninitrd /"+m.entries["1"].Initrd)
		}},
		attack{id: "S8", name: "initrd line alone", on: entryPeers, may: []string{"1"}, do: func(m *machine) {
			m.write("evil/x", evil(len(m.tops["1"].System.Initrd)))
			m.replaceLine("1", "initrd", "/evil/x")
		}},
		attack{id: "S8", name: "linux line of equal size", on: entryPeers, do: func(m *machine) {
			m.write("evil/x", evil(len(m.tops["1"].System.Kernel)))
			m.replaceLine("1", "linux", "/evil/x")
		}},
		attack{id: "S8", name: "an unified image in place of an entry", on: entryPeers, do: func(m *machine) {
			m.write("evil/uki.efi", fixtures.PE(
				fixtures.Section{Name: ".linux", Data: evil(64)}, fixtures.Section{Name: ".initrd", Data: evil(64)},
				fixtures.Section{Name: ".cmdline", Data: []byte("init=" + m.tops["1"].Init)}))
			m.entry(m.entries["1"].File, "title NixOS", "uki /evil/uki.efi")
		}},
		attack{id: "S8", name: "an unified image of his system", do: func(m *machine) {
			m.evilSystem(evilBoot)
			m.write("evil/uki.efi", fixtures.PE(
				fixtures.Section{Name: ".linux", Data: evil(64)}, fixtures.Section{Name: ".cmdline", Data: []byte("init=" + evilBoot + "/init")}))
			m.entry("nixos-generation-99.conf", "title NixOS", "uki /evil/uki.efi")
		}},
		attack{
			id: "S11", name: "extra initrd replaced", lost: nil, mayCopy: true,
			more: []fixtures.Generation{{Number: 4, System: fixtures.System{Xen: &fixtures.Xen{}, ExtraInitrds: []string{"EFI/extra/second.img"}}}},
			do: func(m *machine) {
				m.write("EFI/extra/second.img", evil(256))
			},
			may: []string{"4!"}, check: wantUnverifiedOut("4"),
		},
		attack{
			id: "S11", name: "extra initrd that is the kernel of another", mayCopy: true,
			more: []fixtures.Generation{{Number: 4, System: fixtures.System{Xen: &fixtures.Xen{}, ExtraInitrds: []string{"evil/vmlinuz"}}}},
			do: func(m *machine) {
				m.evilEntry("nixos-generation-99.conf", m.tops["1"].Init)
			},
			may: []string{"4!"}, check: wantUnverifiedOut("4"),
		},
	)
}

// wantUnverifiedOut wants a generation left out where images are signed, with the reason.
func wantUnverifiedOut(gen string) func(*machine, *bootbuilder.Report) {
	return func(m *machine, r *bootbuilder.Report) {
		for _, g := range r.Generations {
			if m.nameOf(g.Toplevel) == gen && (g.Reason == bootbuilder.UnverifiedInitrd) != m.signed {
				m.t.Errorf("generation %s is %s for %q (%s)", gen, g.State, g.Reason, g.Detail)
			}
		}
	}
}

// programAttacks have a boot.json name a program.
func programAttacks() []attack {
	var list []attack
	for name, dir := range map[string]string{
		"the ESP": evilBoot, "a home": "/home/user/evil", "the store": "/nix/store/" + strings.Repeat("e", 32) + "-evil",
	} {
		list = append(list, attack{id: "S6", name: "program of a system on " + name, shell: true, on: []peer{stubs, names}, do: func(m *machine) {
			m.evilSystem(dir)
			m.evilEntry("nixos-generation-99.conf", dir+"/init")
			m.evilEntry("nixos-generation-1-specialisation-x.conf", dir+"/init")
			m.evilStub(stubName("99", "a"), dir+"/init")
		}})
	}
	return append(list,
		attack{id: "S6", name: "program in a generation's toplevel, beside its own", shell: true, on: []peer{names}, do: func(m *machine) {
			m.evilSystem(m.tops["3"].Path + "/sub")
			m.evilEntry("nixos-generation-99.conf", m.tops["3"].Path+"/sub/init")
		}},
		attack{id: "S6", name: "program of a generation leads out", shell: true, on: []peer{stubs, names}, lost: []string{"3"}, reason: bootbuilder.BootspecInvalid, do: func(m *machine) {
			m.evilSystem(evilBoot)
			m.symlink(evilBoot+"/append-initrd-secrets", m.tops["3"].InitrdSecrets)
		}},
	)
}

// storeAttacks have a real generation name what is not in the store.
func storeAttacks() []attack {
	hash := func(letter string) string { return "/nix/store/" + strings.Repeat(letter, 32) }
	// ways lead to /etc/shadow, or to the ESP.
	ways := map[string]func(m *machine) string{
		"/etc/shadow":     func(*machine) string { return "/etc/shadow" },
		"the ESP":         func(m *machine) string { m.place(evilBoot+"/file", evilXen()); return evilBoot + "/file" },
		"a climbing path": func(*machine) string { return "/nix/store/../../etc/shadow" },
		"an absolute link": func(m *machine) string {
			m.symlink("/etc/shadow", hash("a")+"-link")
			return hash("a") + "-link"
		},
		"a relative link": func(m *machine) string {
			m.symlink("../../etc/shadow", hash("b")+"-link")
			return hash("b") + "-link"
		},
		"a chain of links": func(m *machine) string {
			m.symlink(hash("d")+"-second/file", hash("c")+"-first")
			m.symlink("../"+strings.Repeat("f", 32)+"-third", hash("d")+"-second/file")
			m.symlink("/var/lib/sbctl/keys/db/db.key", hash("f")+"-third")
			return hash("c") + "-first"
		},
		"a directory that is a link": func(m *machine) string { m.symlink("/etc", hash("g")+"-dir"); return hash("g") + "-dir/shadow" },
		"a link to the ESP": func(m *machine) string {
			m.place(evilBoot+"/file", evilXen())
			m.symlink(evilBoot+"/file", hash("h")+"-link")
			return hash("h") + "-link"
		},
		"a dangling link": func(m *machine) string { m.symlink("/boot/later", hash("i")+"-link"); return hash("i") + "-link" },
		"a neighbour of the store": func(m *machine) string {
			m.place("/nix/store-evil/file", evilXen())
			return "/nix/store-evil/file"
		},
		"the root": func(*machine) string { return "/" },
	}
	fields := map[string]func(spec, doc map[string]any, value string){
		"kernel":        func(spec, _ map[string]any, v string) { spec["kernel"] = v },
		"initrd":        func(spec, _ map[string]any, v string) { spec["initrd"] = v },
		"initrdSecrets": func(spec, _ map[string]any, v string) { spec["initrdSecrets"] = v },
		"xen": func(_, doc map[string]any, v string) {
			doc["org.xenproject.bootspec.v2"].(map[string]any)["efiPath"] = v
		},
		"devicetree": func(_, doc map[string]any, v string) {
			doc["org.nixos.systemd-boot"] = map[string]any{"sortKey": "nixos", "devicetree": v}
		},
	}
	var list []attack
	for field, set := range fields {
		for way, lead := range ways {
			list = append(list, attack{
				id: "S13", name: field + " by " + way, on: []peer{stubs, names}, lost: []string{"1"}, reason: bootbuilder.BootspecInvalid,
				do: func(m *machine) {
					to := lead(m)
					m.editSpec(m.tops["1"], func(spec, doc map[string]any) { set(spec, doc, to) })
				},
			})
		}
	}
	special := func(way string, lead func(m *machine) string) attack {
		return attack{
			id: "S13", name: "toplevel of a specialisation by " + way, on: []peer{names}, lost: []string{"2", "2-gaming"}, reason: bootbuilder.BootspecInvalid,
			do: func(m *machine) {
				to := lead(m)
				m.editSpec(m.tops["2"], func(_, doc map[string]any) {
					child := doc["org.nixos.specialisation.v1"].(map[string]any)["gaming"].(map[string]any)
					child["org.nixos.bootspec.v1"].(map[string]any)["toplevel"] = to
				})
			},
		}
	}
	for way, lead := range ways {
		a := special(way, lead)
		if way == "a climbing path" {
			// Such a document is not read at all; the specialisation has one of its own.
			a.lost, a.may = []string{"2"}, []string{"2-gaming!"}
		}
		list = append(list, a)
	}
	return append(list,
		attack{id: "S13", name: "kernel of a specialisation", on: []peer{names}, lost: []string{"2", "2-gaming"}, reason: bootbuilder.BootspecInvalid, do: func(m *machine) {
			m.editSpec(m.tops["2"], func(_, doc map[string]any) {
				child := doc["org.nixos.specialisation.v1"].(map[string]any)["gaming"].(map[string]any)
				child["org.nixos.bootspec.v1"].(map[string]any)["kernel"] = "/etc/shadow"
			})
		}},
		attack{id: "S13", name: "specialisation link leaves the store", on: []peer{names}, do: func(m *machine) {
			m.evilSystem(evilBoot)
			m.symlink(evilBoot, m.tops["2"].Path+"/specialisation/evil")
			m.evilEntry("nixos-generation-2-specialisation-evil.conf", m.tops["2"].Path+"/specialisation/evil/init")
		}},
		attack{id: "S13", name: "boot.json is a link out of the store", on: []peer{stubs, names}, lost: []string{"1"}, reason: bootbuilder.BootspecInvalid, do: func(m *machine) {
			m.evilSystem(evilBoot)
			m.symlink(evilBoot+"/boot.json", m.tops["1"].Path+"/boot.json")
		}},
		attack{id: "S13", name: "boot.json is a chain out of the store", on: []peer{names}, lost: []string{"1"}, reason: bootbuilder.BootspecInvalid, do: func(m *machine) {
			m.evilSystem(evilBoot)
			m.symlink("../../../boot/evil/boot.json", hash("j")+"-link/x")
			m.symlink(hash("j")+"-link/x", m.tops["1"].Path+"/boot.json")
		}},
		attack{id: "S13", name: "profile link leads to the ESP", on: []peer{stubs, names}, lost: []string{"1"}, do: func(m *machine) {
			m.evilSystem(evilBoot)
			m.symlink(evilBoot, m.tops["1"].Link)
		}},
		attack{id: "S13", name: "profile link leads to a link to the ESP", on: []peer{names}, lost: []string{"1"}, do: func(m *machine) {
			m.evilSystem(evilBoot)
			m.symlink(evilBoot, hash("k")+"-link")
			m.symlink(hash("k")+"-link", m.tops["1"].Link)
			m.evilEntry("nixos-generation-98.conf", evilBoot+"/init")
		}},
		attack{id: "S13", name: "his boot.json names the host's files", do: func(m *machine) {
			m.evilSystem(evilBoot, func(spec, _ map[string]any) {
				spec["kernel"], spec["initrd"] = "/var/lib/sbctl/keys/db/db.key", "/etc/shadow"
			})
			m.evilEntry("nixos-generation-99.conf", evilBoot+"/init")
		}},
		attack{id: "S13", name: "his boot.json names the host's files, and the entry two initrds", do: func(m *machine) {
			m.evilSystem(evilBoot, func(spec, _ map[string]any) { spec["initrd"] = "/etc/shadow" })
			m.evilEntry("nixos-generation-99.conf", evilBoot+"/init", "initrd /evil/initrd")
		}},
	)
}

// ownNameAttacks put files of the attacker's where ours are.
func ownNameAttacks() []attack {
	// forge replaces each file of ours that a clean run makes, by name.
	forge := func(pattern string, change func(m *machine, name string, genuine []byte) []byte) func(*machine) {
		return func(m *machine) {
			if _, err := m.run(); err != nil {
				m.t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(m.boot, pattern))
			m.must(err)
			for _, file := range files {
				name := relative(m.boot, file)
				m.write(name, change(m, name, m.read(name)))
			}
		}
	}
	sameSize := func(_ *machine, _ string, genuine []byte) []byte { return evil(len(genuine)) }
	image := func(*machine, string, []byte) []byte { return evilXen() }
	list := []attack{
		{id: "S7", name: "payload of ours replaced", do: forge("EFI/xen/*", sameSize)},
		{id: "S7", name: "Xen images of ours replaced", do: forge("EFI/xen/*.efi", image)},
		{id: "S7", name: "xen.cfg of ours replaced", do: forge("EFI/xen/*.cfg", func(m *machine, _ string, genuine []byte) []byte {
			return []byte(strings.Replace(string(genuine), "kernel=", "kernel=\\evil\\vmlinuz "+marker+" ", 1))
		})},
		{id: "S7", name: "embedded images of ours replaced", do: forge("EFI/nixos/xen-*.efi", image)},
		{id: "S7", name: "entries of ours replaced", may: everything, do: forge("loader/entries/xen-*.conf", func(m *machine, _ string, genuine []byte) []byte {
			m.write("evil/xen.efi", evilXen())
			return []byte("title " + marker + "\nefi /evil/xen.efi\n")
		})},
		{id: "S7", name: "entries of ours with options", do: forge("loader/entries/xen-*.conf", func(_ *machine, _ string, genuine []byte) []byte {
			return append([]byte("options dom0=evil "+marker+"\n"), genuine...)
		})},
		{id: "S7", name: "entries of ours that start another image of ours", do: forge("loader/entries/xen-*.conf", func(m *machine, _ string, genuine []byte) []byte {
			name := "EFI/xen/xen-4.20.2-" + strings.Repeat("a", 20) + ".efi"
			m.write(name, evilXen())
			return []byte("title x\nefi /" + name + "\noptions xen.efi -cfg=evil.cfg\n")
		})},
		{id: "S7", name: "files that a cut-off run left", do: func(m *machine) {
			for _, dir := range []string{"EFI/xen", "EFI/Linux", "EFI/nixos", "loader/entries", "loader"} {
				m.write(dir+"/.xen-boot-builder-0.tmp", evil(100))
				m.write(dir+"/.xen-boot-builder-1.tmp", evilXen())
			}
		}},
		{id: "S7", name: "entry of ours for his system", do: func(m *machine) {
			m.evilSystem(evilBoot)
			m.write("EFI/xen/xen-4.20.2-"+strings.Repeat("a", 20)+".efi", evilXen())
			m.write("EFI/xen/xen-generation-99.cfg", []byte("[global]\ndefault=xen\n[xen]\nkernel=\\evil\\kernel init="+evilBoot+"/init\n"))
			m.entry("xen-generation-99.conf", "title x", "efi /EFI/xen/xen-4.20.2-"+strings.Repeat("a", 20)+".efi", "options xen.efi -cfg=xen-generation-99.cfg")
		}},
	}
	for name, conf := range map[string]string{
		"his entry":         "default evil.conf\n",
		"his generation":    "default nixos-generation-99.conf\n",
		"an image of ours":  "default xen-generation-1-0123456789abcdef.efi\n",
		"everything":        "default *\n",
		"preferred":         "preferred xen-generation-99.conf\ndefault nixos-*\n",
		"something strange": "default ../../evil\x00\ndefault\ndefault @saved\n" + strings.Repeat("x", 3000) + "\n",
	} {
		list = append(list, attack{id: "S4", name: "loader.conf starts " + name, do: func(m *machine) {
			m.evilEntry("evil.conf", evilBoot+"/init")
			m.evilEntry("nixos-generation-99.conf", m.tops["1"].Init)
			m.must(os.WriteFile(filepath.Join(m.esp, "loader/loader.conf"), []byte(conf), 0o644))
		}})
	}
	return list
}

// evilImage is a unified image of the attacker's for the generation that a genuine one starts.
func evilImage(m *machine, genuine []byte) []byte {
	s, _, err := sections(genuine)
	m.must(err)
	return fixtures.XenImage(fixtures.XenOptions{Version: marker, Extra: []fixtures.Section{
		{Name: ".config", Data: s[".config"]}, {Name: ".osrel", Data: s[".osrel"]}, {Name: ".cmdline", Data: []byte("xen.efi")},
		{Name: ".kernel", Data: evil(512)}, {Name: ".ramdisk", Data: evil(512)},
	}})
}
