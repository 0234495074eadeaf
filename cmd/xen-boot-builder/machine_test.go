package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// machine is a NixOS machine laid out in directories.
type machine struct {
	root string // what --root takes
	esp  string
	boot string // XBOOTLDR; the ESP where there is none
	// rebuild is the next rebuild of the system; nil where the fixture has none.
	rebuild func() error
}

// layOut makes a machine below dir, as the installer before us leaves it:
//
//	demo         three generations with Xen, the last with a specialisation, and one of another profile
//	hash         the same kind of machine with entries named by their content
//	banner       two generations whose Xen says its version when it starts, as a real one does
//	counted      demo's generations 1 and 2 with boot counters
//	hash counted hash with boot counters
//	no-xen       one generation without Xen
//	script       two generations with entries that nixpkgs' script has written
//	lanzaboote   two generations, stubs instead of entries
//	xbootldr     two generations, entries and kernels on another partition than loader.conf
//	life         generations 40 and 41; a rebuild adds 42 and drops 40
//	many:N       N generations with entries named by their content; a rebuild adds another one
//	secrets      two generations that share an initrd; one of them has secrets, which were appended to it
//	umlaut       one generation with a specialisation büro
//	aarch64      two generations for aarch64; the older one has a command line that is too long for dom0
//	golden:NAME  the input of a recorded run of nixpkgs' script
func layOut(dir, kind string) (machine, error) {
	m := machine{root: filepath.Join(dir, "root"), esp: filepath.Join(dir, "esp")}
	m.boot = m.esp
	two := []fixtures.Generation{
		{Number: 1, System: fixtures.System{KernelVersion: "6.12.41", Xen: &fixtures.Xen{Version: "4.19.3"}}},
		{Number: 2, System: fixtures.System{Xen: &fixtures.Xen{}}},
	}
	var err error
	name, isGolden := strings.CutPrefix(kind, "golden:")
	switch {
	case isGolden:
		m.esp, err = layOutGolden(m.root, name)
		m.boot = m.esp
	case kind == "demo":
		err = fixtures.Demo(dir)
	case kind == "hash":
		err = m.install(two, fixtures.SystemdBoot{Names: fixtures.ContentHashNames})
	case kind == "banner":
		for i, version := range []string{"4.19.3", "4.20.2"} {
			two[i].Xen.Version = version
			two[i].Xen.Image = fixtures.XenImage(fixtures.XenOptions{Version: version, Banner: true})
		}
		err = m.install(two, fixtures.SystemdBoot{})
	case kind == "counted":
		err = m.install(two, fixtures.SystemdBoot{Tries: 3})
	case kind == "hash counted":
		err = m.install(two, fixtures.SystemdBoot{Tries: 3, Names: fixtures.ContentHashNames})
	case kind == "life":
		err = m.liveOn()
	case strings.HasPrefix(kind, "many:"):
		err = m.many(strings.TrimPrefix(kind, "many:"))
	case kind == "secrets":
		shared := []byte("070701" + "an initrd that two generations share, as cpio would have it")
		err = m.install([]fixtures.Generation{
			{Number: 1, System: fixtures.System{Xen: &fixtures.Xen{}, Initrd: shared}},
			{Number: 2, System: fixtures.System{Xen: &fixtures.Xen{}, Initrd: shared, Secrets: []byte("a secret"), Params: []string{"quiet"}}},
		}, fixtures.SystemdBoot{})
	case kind == "umlaut":
		err = m.install([]fixtures.Generation{{
			Number: 1, System: fixtures.System{Xen: &fixtures.Xen{}},
			Specialisations: []fixtures.Specialisation{{Name: "büro", System: fixtures.System{Xen: &fixtures.Xen{}}}},
		}}, fixtures.SystemdBoot{})
	case kind == "aarch64":
		const platform = "aarch64-linux"
		long := []string{"root=fstab", "pad=" + strings.Repeat("x", 1000)}
		err = m.install([]fixtures.Generation{
			{Number: 1, System: fixtures.System{Platform: platform, Xen: &fixtures.Xen{}, Params: long}},
			{Number: 2, System: fixtures.System{Platform: platform, Xen: &fixtures.Xen{}}},
		}, fixtures.SystemdBoot{})
	case kind == "no-xen":
		err = m.install([]fixtures.Generation{{Number: 1}}, fixtures.SystemdBoot{})
	case kind == "xbootldr":
		m.boot = filepath.Join(dir, "boot")
		err = m.install(two, fixtures.SystemdBoot{Boot: m.boot})
	case kind == "script":
		var root *fixtures.Root
		if root, err = m.add(two); err != nil {
			break
		}
		var entries []fixtures.Entry
		if entries, err = root.InstallSystemdBoot(m.esp, fixtures.SystemdBoot{}); err == nil {
			err = root.InstallScript(m.esp, entries, fixtures.SystemdBoot{})
		}
	case kind == "lanzaboote":
		var root *fixtures.Root
		if root, err = m.add(two); err == nil {
			_, err = root.InstallLanzaboote(m.esp, fixtures.Lanzaboote{})
		}
	default:
		err = fmt.Errorf("there is no fixture %q", kind)
	}
	return m, err
}

// liveOn lays out a machine whose next rebuild changes what people look for.
func (m *machine) liveOn() error {
	label := func(linux string) string { return "NixOS 26.11 (Linux " + linux + ")" }
	older := fixtures.System{
		KernelVersion: "6.12.41", Label: label("6.12.41"), Params: []string{"root=fstab", "nvme_core.default_ps_max_latency_us=0"},
		Xen: &fixtures.Xen{Version: "4.19.3", Params: []string{"dom0_mem=4096M,max:4096M", "ucode=scan"}},
	}
	newer := fixtures.System{
		KernelVersion: "6.12.58", Label: label("6.12.58"), Params: []string{"root=fstab", "mitigations=auto"},
		Xen: &fixtures.Xen{Version: "4.20.2", Params: []string{"dom0_mem=8192M,max:8192M", "ucode=scan"}},
	}
	root := fixtures.NewRoot(m.root)
	gone, err := root.Add(fixtures.Generation{Number: 40, System: older})
	if err == nil {
		_, err = root.Add(fixtures.Generation{Number: 41, System: older})
	}
	if err == nil {
		_, err = root.InstallSystemdBoot(m.esp, fixtures.SystemdBoot{})
	}
	m.rebuild = func() error {
		if err := root.Delete(gone); err != nil {
			return err
		}
		if _, err := root.Add(fixtures.Generation{Number: 42, System: newer}); err != nil {
			return err
		}
		_, err := root.InstallSystemdBoot(m.esp, fixtures.SystemdBoot{})
		return err
	}
	return err
}

// many lays out a machine with that many generations.
func (m *machine) many(n string) error {
	root, opts := fixtures.NewRoot(m.root), fixtures.SystemdBoot{Names: fixtures.ContentHashNames}
	number, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	add := func(i int) error {
		_, err := root.Add(fixtures.Generation{Number: i, System: fixtures.System{
			Xen: &fixtures.Xen{Params: []string{fmt.Sprintf("dom0_mem=%dM", 1024+i)}},
		}})
		return err
	}
	for i := range number {
		if err := add(i + 1); err != nil {
			return err
		}
	}
	m.rebuild = func() error {
		number++
		if err := add(number); err != nil {
			return err
		}
		_, err := root.InstallSystemdBoot(m.esp, opts)
		return err
	}
	_, err = root.InstallSystemdBoot(m.esp, opts)
	return err
}

func (m machine) add(generations []fixtures.Generation) (*fixtures.Root, error) {
	root := fixtures.NewRoot(m.root)
	for _, g := range generations {
		if _, err := root.Add(g); err != nil {
			return nil, err
		}
	}
	return root, nil
}

func (m machine) install(generations []fixtures.Generation, opts fixtures.SystemdBoot) error {
	root, err := m.add(generations)
	if err != nil {
		return err
	}
	_, err = root.InstallSystemdBoot(m.esp, opts)
	return err
}

func layOutGolden(root, name string) (espDir string, err error) {
	cases, err := fixtures.GoldenCases()
	if err != nil {
		return "", err
	}
	for _, c := range cases {
		if c.Name == name {
			return c.LayOut(root)
		}
	}
	return "", fmt.Errorf("there is no golden case %q", name)
}

func mustLayOut(t *testing.T, kind string) machine {
	t.Helper()
	m, err := layOut(t.TempDir(), kind)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustSnapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := fixtures.Snapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// copyTree copies a directory anew to where nothing is.
func copyTree(from, to string) error {
	return os.CopyFS(to, os.DirFS(from))
}
