package attack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// TestDryRunRunsNothing: neither a dry run nor verify runs a generation's own program; a run does, where it is allowed.
func TestDryRunRunsNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t, names)
	m.withShell()
	m.program(m.tops["3"].InitrdSecrets, fmt.Sprintf("echo > %s\nprintf %%s '%s' >> \"$1\"\n", trace, initrdSecret))
	m.install()
	m.signed, m.options.Layout, m.options.Secrets = true, bootbuilder.LayoutUnified, bootbuilder.SecretsRun
	ran := func() bool {
		_, err := os.Stat(m.root.Path(trace))
		return err == nil
	}
	sign := signer(t)
	m.options.Certificate, m.options.DryRun = sign.Certificate(), true
	m.must(m.target(func(target bootbuilder.Target) error {
		plan, err := bootbuilder.NewPlan(t.Context(), target, m.options)
		if err != nil {
			return err
		}
		plan.Report(nil)
		return plan.Close()
	}))
	m.verify(sign.Certificate())
	if ran() {
		t.Error("a dry run, or verify, ran a program")
	}
	m.options.DryRun, m.options.Secrets = false, bootbuilder.SecretsNever
	if _, err := m.run(); err != nil || ran() {
		t.Errorf("a run that may not run programs: %v, ran %v", err, ran())
	}
	m.options.Secrets = bootbuilder.SecretsRun
	if _, err := m.run(); err != nil || !ran() {
		t.Errorf("a run that may: %v, ran %v", err, ran())
	}
	m.verify(sign.Certificate())
}

// TestProgramsOfProfilesOnly: where the root has no profile links, an entry says what a generation is; its program is not run.
func TestProgramsOfProfilesOnly(t *testing.T) {
	t.Parallel()
	m := newMachine(t, names)
	m.withShell()
	m.install()
	m.must(os.RemoveAll(m.root.Path("/nix/var/nix/profiles")))
	dir := "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-evil"
	m.evilSystem(dir)
	m.evilEntry("nixos-generation-99.conf", dir+"/init")
	m.must(os.Remove(filepath.Join(m.boot, "evil/initrd"))) // so that it would have to be made
	m.options.Secrets = bootbuilder.SecretsRun
	if _, err := m.run(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(m.root.Path(trace)); err == nil {
		t.Error("a program that the ESP alone calls a generation's was run")
	}
	m.signed, m.options.Layout = true, bootbuilder.LayoutUnified
	before := m.snapshot()
	if _, err := m.run(); err == nil {
		t.Error("a root without profile links: nothing says what may be signed")
	}
	if changed := written(before, m.snapshot()); len(changed) > 0 {
		t.Errorf("%d files were written", len(changed))
	}
}
