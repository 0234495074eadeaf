package bootbuilder_test

import (
	"os"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// What can be wrong with a toplevel.
const (
	collected = "no boot.json"
	malformed = "malformed extension"
	imageless = "no Xen image"
	unsayable = "a parameter that xen.cfg can't hold"
)

// configure decides how NixOS installs.
func (p *property) configure() {
	if p.chance(30) {
		p.xboot = p.t.TempDir()
	}
	if p.chance(40) {
		p.nixos.Names = fixtures.ContentHashNames
		p.nixos.Tries = choose(p.rand, 0, 3) // the older form knows no counters
	}
	p.nixos.NoMachineID, p.nixos.NoEditor = p.chance(10), p.chance(30)
	p.note("systemd-boot: %+v", p.nixos)
}

func (p *property) randomOptions() {
	p.options.Layout = choose(p.rand, bootbuilder.LayoutShared, bootbuilder.LayoutEmbedded, bootbuilder.LayoutUnified)
	p.options.Default = choose(p.rand, bootbuilder.DefaultXen, bootbuilder.DefaultXen, bootbuilder.DefaultNixOS, bootbuilder.DefaultKeep)
	p.sign(nil)
	if p.options.Layout == bootbuilder.LayoutUnified && p.chance(40) {
		p.sign(p.key)
	}
	p.options.SignUnverifiedInitrds = p.chance(50)
}

// past is what happened to the partitions before.
func (p *property) past() {
	p.addSome(1 + p.rand.IntN(4))
	for range p.rand.IntN(3) {
		p.rebuild()
		p.count()
		if p.chance(30) {
			p.note("the script")
			p.script()
		}
		if p.chance(70) {
			p.randomOptions()
			p.note("earlier: layout %s, default %s", p.options.Layout, p.options.Default)
			if r := p.tryInstall(); r.Report == nil {
				p.t.Fatal(r.Err)
			}
		}
		p.change()
	}
}

// change is what the user did to the generations.
func (p *property) change() {
	for _, top := range slices.Clone(p.root.Toplevels()) {
		switch n := p.rand.IntN(100); {
		case n < 25 && len(p.root.Toplevels()) > 1:
			p.note("delete %d of %q", top.Number, top.Profile)
			p.must(p.root.Delete(top))
		case n < 35 && p.wrong[top] == "":
			p.note("collect %d of %q", top.Number, top.Profile)
			p.collect(top)
		}
	}
	p.addSome(p.rand.IntN(3))
	if all := p.root.Toplevels(); p.chance(50) {
		top := choose(p.rand, all...)
		if len(top.Specialisations) > 0 && p.chance(50) {
			top = choose(p.rand, top.Specialisations...)
		}
		p.note("default is %d of %q (%s)", top.Number, top.Profile, top.Specialisation)
		p.must(p.root.SetDefault(top))
	}
}

func (p *property) collect(top *fixtures.Toplevel) {
	p.must(os.Remove(p.root.Path(top.Path + "/boot.json")))
	p.wrong[top] = collected
}

func (p *property) addSome(n int) {
	for range n {
		g := fixtures.Generation{Profile: choose(p.rand, "", "", "", "lab", "lab-2", "Test"), Compact: p.chance(50)}
		p.last += 1 + p.rand.IntN(3) // no number comes twice
		g.Number = p.last
		var fault string
		g.System, fault = p.system()
		faults := []string{fault}
		names := []string{"gaming", "no-xen"}
		if p.nixos.Names == fixtures.ContentHashNames {
			names = append(names, fixtures.AwkwardSpecialisation) // the older form never sweeps its entry
		}
		for _, name := range names {
			if p.chance(20) {
				s := fixtures.Specialisation{Name: name}
				s.System, fault = p.system()
				g.Specialisations = append(g.Specialisations, s)
				faults = append(faults, fault)
			}
		}
		top := p.add(g)
		for i, t := range append([]*fixtures.Toplevel{top}, top.Specialisations...) {
			p.note("add %d of %q (%s): Xen %v, wrong %q", t.Number, t.Profile, t.Specialisation, t.System.Xen != nil, faults[i])
			if faults[i] == collected {
				p.collect(t)
			} else if faults[i] != "" {
				p.wrong[t] = faults[i]
			}
		}
	}
}

// system is a random system, and what is wrong with it.
func (p *property) system() (s fixtures.System, fault string) {
	s = fixtures.System{KernelVersion: choose(p.rand, "6.12.58", "6.17.9")}
	switch n := p.rand.IntN(100); {
	case n < 30:
		s.Initrd = []byte("an initrd that several generations share\n")
	case n < 40:
		s.NoInitrd = true
	case n < 50:
		s.Secrets = []byte("secret\n")
	}
	if p.chance(20) && !s.NoInitrd {
		s.ExtraInitrds = []string{"EFI/extra/microcode.img"}
	}
	if p.chance(25) {
		return s, ""
	}
	version := choose(p.rand, "4.17.7", "4.20.2", "4.21.0")
	s.Xen = &fixtures.Xen{Version: version, Extension: choose(p.rand, fixtures.XenV1, fixtures.XenV2, fixtures.XenV1AndV2)}
	s.Xen.Image = fixtures.XenImage(fixtures.XenOptions{Version: version, HeaderRoom: p.chance(50), Symbols: p.chance(50)})
	if p.chance(75) {
		return s, ""
	}
	fault = choose(p.rand, collected, malformed, imageless, unsayable)
	switch fault {
	case malformed:
		s.Extra = map[string]any{"org.xenproject.bootspec.v2": map[string]any{"efiPath": 5}}
	case imageless:
		s.Extra = map[string]any{"org.xenproject.bootspec.v2": map[string]any{
			"efiPath": fixtures.StoreDir + "/00000000000000000000000000000000-xen/boot/xen.efi", "version": version,
			"multibootPath": fixtures.StoreDir + "/00000000000000000000000000000000-xen/boot/xen", "params": []string{},
		}}
	case unsayable:
		s.Xen.Params = []string{"dom0_mem=4G", "com1=115200 # the port"}
	}
	return s, fault
}

// count is what systemd-boot does to counters.
func (p *property) count() {
	if p.nixos.Tries == 0 {
		return
	}
	before := p.counters
	p.counters = make(map[string]string)
	for _, e := range p.entries {
		counter, ok := before[e.ID]
		if !ok {
			counter = "3"
		}
		if p.chance(50) {
			counter = choose(p.rand, "", "3", "2-1", "0-3")
		}
		_, err := fixtures.SetCounter(p.boot(), e.ID, counter)
		p.must(err)
		p.counters[e.ID] = counter
	}
}

// foreign puts what is not ours on $BOOT, as close to ours as it gets, and leftovers of a cut-off run.
func (p *property) foreign() map[string]string {
	files := make(map[string]string)
	if p.chance(50) {
		files = map[string]string{
			"EFI/xen/notes.txt":                   "mine",
			"EFI/xen/xen.efi":                     "my own Xen",
			"EFI/xen/xen.cfg":                     "my own config",
			"EFI/nixos/xen-4.20.efi":              "not a name of ours",
			"EFI/nixos/keep/xen-generation-1.efi": "in a directory of mine",
			"EFI/Linux/arch.efi":                  "an image",
			"EFI/Linux/xen-rescue.efi":            "another",
			"EFI/Microsoft/Boot/bootmgfw.efi":     "Windows",
			"loader/random-seed":                  "4",
			"loader/entries/xen-rescue.conf":      "title Rescue\nefi /EFI/xen/xen.efi\n",
			"loader/entries/arch.conf":            "title Arch\nlinux /vmlinuz\noptions init=/nix/store/x/init\n",
			"loader/entries/xen-generation-1.bak": "title Old\nefi /EFI/nixos/xen-generation-1.efi\n",
		}
	}
	for name, text := range files {
		p.write(name, text)
	}
	if p.chance(20) {
		p.write("EFI/xen/.xen-boot-builder-0.tmp", "half of")
		p.write("loader/entries/.xen-boot-builder-7.tmp", "")
	}
	return files
}
