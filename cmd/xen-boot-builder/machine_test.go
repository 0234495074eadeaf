package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// machine is a NixOS machine laid out in directories.
type machine struct {
	root string // what --root takes
	esp  string
	boot string // XBOOTLDR; the ESP where there is none
}

// layOut makes a machine below dir, as the installer before us leaves it:
//
//	demo         three generations with Xen, the last with a specialisation, and one of another profile
//	hash         the same kind of machine with entries named by their content
//	no-xen       one generation without Xen
//	script       two generations with entries that nixpkgs' script has written
//	lanzaboote   two generations, stubs instead of entries
//	xbootldr     two generations, entries and kernels on another partition than loader.conf
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
