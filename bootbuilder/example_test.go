package bootbuilder_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// What a hook behind NixOS' systemd-boot installer does.
func Example() {
	machine, err := machineWithSystemdBoot()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer machine.remove()

	boot, err := esp.OpenDir(machine.esp) // "/boot" on a real machine
	if err != nil {
		fmt.Println(err)
		return
	}
	defer boot.Close()
	target := bootbuilder.NewTarget(boot, nil)
	options := bootbuilder.Options{Root: machine.root} // "/"
	plan, err := bootbuilder.NewPlan(context.Background(), target, options)
	if err != nil {
		fmt.Println(err, bootbuilder.Hint(err))
		return
	}
	defer plan.Close()
	done, err := plan.Apply(context.Background(), nil, bootbuilder.Observer{})
	if err != nil {
		fmt.Println(err, bootbuilder.Hint(err))
	}
	for _, g := range plan.Report(done).Generations {
		fmt.Println(g.State, g.Entry)
	}
	// Output:
	// added xen-generation-1.conf
	// added xen-generation-2.conf
	// added xen-generation-2-specialisation-trace.conf
}

// What a hook behind Lanzaboote does: each generation becomes one signed image with Xen, its
// configuration, kernel and initrd in it.
func Example_lanzaboote() {
	machine, err := machineWithLanzaboote()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer machine.remove()

	signer, warnings, err := bootbuilder.LoadSignerBundle(machine.keys) // "/var/lib/sbctl"
	if err != nil {
		fmt.Println(err, warnings)
		return
	}
	boot, err := esp.OpenDir(machine.esp)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer boot.Close()
	target := bootbuilder.NewTarget(boot, nil)
	options := bootbuilder.Options{Root: machine.root, Certificate: signer.Certificate()}
	plan, err := bootbuilder.NewPlan(context.Background(), target, options)
	if err != nil {
		fmt.Println(err, bootbuilder.Hint(err))
		return
	}
	defer plan.Close()
	done, err := plan.Apply(context.Background(), signer, bootbuilder.Observer{})
	if err != nil {
		fmt.Println(err, bootbuilder.Hint(err))
	}
	report := plan.Report(done)
	fmt.Println("layout:", report.Layout)
	for _, g := range report.Generations {
		fmt.Println(g.State, g.ID)
	}
	// Output:
	// layout: unified
	// added xen-generation-1
	// added xen-generation-2
	// added xen-generation-2-specialisation-trace
}

// An ESP made of nothing but a NixOS root that is mounted somewhere: generations come from the
// profile links, kernels and initrds from the store. NewPlan only looks; Apply writes.
func Example_offline() {
	machine, err := machineWithEmptyESP()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer machine.remove()

	boot, err := esp.OpenDir(machine.esp)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer boot.Close()
	target := bootbuilder.NewTarget(boot, nil)
	options := bootbuilder.Options{Root: machine.root, From: bootbuilder.FromProfiles}
	plan, err := bootbuilder.NewPlan(context.Background(), target, options)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer plan.Close()
	for _, w := range plan.Report(nil).Warnings {
		fmt.Println("warning:", strings.ReplaceAll(w.Message, machine.esp, "/boot"))
	}
	if _, err := plan.Apply(context.Background(), nil, bootbuilder.Observer{}); err != nil {
		fmt.Println(err)
		return
	}
	found, err := bootbuilder.List(context.Background(), target, bootbuilder.InspectOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range found.Entries {
		fmt.Println(e.ID, "default:", e.Default, "problems:", len(e.Problems))
	}
	// Output:
	// warning: no boot loader is installed on /boot: run bootctl install
	// xen-generation-1.conf default: false problems: 0
	// xen-generation-2.conf default: true problems: 0
	// xen-generation-2-specialisation-trace.conf default: false problems: 0
}

// A second opinion on what was installed: what starts, whether it can boot, and what repairs what can't.
func ExampleVerify() {
	machine, err := machineWithXen()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer machine.remove()

	boot, err := esp.OpenDir(machine.esp)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer boot.Close()
	seen, err := bootbuilder.Verify(context.Background(), bootbuilder.NewTarget(boot, nil), bootbuilder.InspectOptions{Root: machine.root})
	if err != nil {
		fmt.Println(err, bootbuilder.Hint(err))
		return
	}
	fmt.Println("starts next:", seen.Starts.Entry)
	for _, e := range seen.Entries {
		fmt.Println(e.ID, e.Health)
		for _, problem := range e.Problems {
			fmt.Println(" ", problem, e.Hint)
		}
	}
	// Output:
	// starts next: xen-generation-2.conf
	// xen-generation-1.conf ok
	// xen-generation-2.conf ok
	// xen-generation-2-specialisation-trace.conf ok
}

// A tool that lets its user choose.
func ExampleSetDefault() {
	machine, err := machineWithXen()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer machine.remove()

	boot, err := esp.OpenDir(machine.esp)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer boot.Close()
	ctx, target := context.Background(), bootbuilder.NewTarget(boot, nil)
	if err := bootbuilder.SetDefault(ctx, target, "xen-generation-1.conf"); err != nil {
		fmt.Println(err, bootbuilder.Hint(err))
		return
	}
	found, err := bootbuilder.List(ctx, target, bootbuilder.InspectOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("starts next:", found.Starts.Entry)
	// Output: starts next: xen-generation-1.conf
}
