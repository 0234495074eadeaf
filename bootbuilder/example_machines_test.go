package bootbuilder_test

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// exampleMachine is a machine for an example, which has no testing.T: an error in laying it
// out is one of what the example prints.
type exampleMachine struct {
	dir  string
	root string // what is "/" on a real machine
	esp  string // "/boot"
	keys string // "/var/lib/sbctl"
}

func (m exampleMachine) remove() { os.RemoveAll(m.dir) }

// exampleWith lays out a root with two generations, and has an installer work on its ESP.
func exampleWith(install func(root *fixtures.Root, espDir string) error) (exampleMachine, error) {
	dir, err := os.MkdirTemp("", "example-of-xen-boot-builder-")
	if err != nil {
		return exampleMachine{}, err
	}
	m := exampleMachine{dir, filepath.Join(dir, "root"), filepath.Join(dir, "boot"), filepath.Join(dir, "sbctl")}
	trace := fixtures.Specialisation{Name: "trace", System: fixtures.System{Xen: &fixtures.Xen{}}}
	root := fixtures.NewRoot(m.root)
	_, err = root.Add(fixtures.Generation{Number: 1, System: fixtures.System{Xen: &fixtures.Xen{Version: "4.19.3"}}})
	_, err2 := root.Add(fixtures.Generation{Number: 2, System: fixtures.System{Xen: &fixtures.Xen{}},
		Specialisations: []fixtures.Specialisation{trace}})
	err = errors.Join(err, err2, os.Mkdir(m.esp, 0o755), fixtures.LayOutKeys(m.keys, "db"))
	return m, errors.Join(err, install(root, m.esp))
}

func machineWithSystemdBoot() (exampleMachine, error) {
	return exampleWith(func(root *fixtures.Root, espDir string) error {
		_, err := root.InstallSystemdBoot(espDir, fixtures.SystemdBoot{})
		return err
	})
}

func machineWithLanzaboote() (exampleMachine, error) {
	return exampleWith(func(root *fixtures.Root, espDir string) error {
		_, err := root.InstallLanzaboote(espDir, fixtures.Lanzaboote{})
		return err
	})
}

func machineWithEmptyESP() (exampleMachine, error) {
	return exampleWith(func(*fixtures.Root, string) error { return nil })
}

func machineWithXen() (exampleMachine, error) {
	m, err := machineWithSystemdBoot()
	if err != nil {
		return m, err
	}
	dir, err := esp.OpenDir(m.esp)
	if err != nil {
		return m, err
	}
	defer dir.Close()
	plan, err := bootbuilder.NewPlan(ctx, bootbuilder.NewTarget(dir, nil), bootbuilder.Options{Root: m.root})
	if err != nil {
		return m, err
	}
	defer plan.Close()
	_, err = plan.Apply(ctx, nil, bootbuilder.Observer{})
	return m, err
}
