package attack_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// newSignedMachine is a machine on which a run with a key is done.
func newSignedMachine(t *testing.T) *machine {
	t.Helper()
	if !haveTool("sbsign") {
		t.Skip("sbsign is missing")
	}
	m := newMachine(t, stubs)
	m.install()
	m.signed, m.options.Layout = true, bootbuilder.LayoutUnified
	if _, err := m.run(); err != nil {
		t.Fatal(err)
	}
	return m
}

// imageOf is the unified image of a generation.
func (m *machine) imageOf(gen string) (name string, image []byte) {
	m.t.Helper()
	for _, e := range m.xenEntries() {
		if m.nameOf(e.toplevel) == gen {
			return e.imageName, e.image
		}
	}
	m.t.Fatalf("generation %s has no image", gen)
	return "", nil
}

// unsign takes an image's signature off.
func unsign(image []byte) []byte {
	entry := securityEntry(image)
	at := binary.LittleEndian.Uint32(image[entry:])
	image = slices.Clone(image[:at])
	clear(image[entry : entry+8])
	return image
}

// patched replaces bytes of an image by others of the same length, and signs it with the owner's key: what an earlier
// version of the program would sign.
func patched(m *machine, image []byte, from, to string) []byte {
	m.t.Helper()
	if len(from) != len(to) || bytes.Count(image, []byte(from)) < 1 {
		m.t.Fatalf("%q can't be replaced by %q", from, to)
	}
	return sbsign(m.t, "db", bytes.Replace(unsign(image), []byte(from), []byte(to), 1))
}

// TestVerifyTells wants the right word for each image that may be there, by a certificate and by none.
func TestVerifyTells(t *testing.T) {
	t.Parallel()
	other := func(toplevel string) string { // another store path of the same length
		return strings.Replace(toplevel, toplevel[:12+20], "/nix/store/z"+strings.Repeat("0", 20), 1)
	}
	for name, c := range map[string]struct {
		change  func(m *machine, image []byte) []byte
		with    bootbuilder.Health // with the certificate
		without bootbuilder.Health // without
	}{
		"nothing changed": {func(_ *machine, image []byte) []byte { return image }, bootbuilder.OK, bootbuilder.OK},
		"a byte of the kernel changed": {func(_ *machine, image []byte) []byte {
			return bytes.Replace(image, []byte("Linux version"), []byte("linux version"), 1)
		}, bootbuilder.Broken, bootbuilder.Broken},
		"unsigned": {func(_ *machine, image []byte) []byte { return unsign(image) }, bootbuilder.Broken, bootbuilder.Broken}, // its CheckSum is that of the signed image
		"signed by another key": {func(m *machine, image []byte) []byte {
			return sbsign(m.t, "other", unsign(image))
		}, bootbuilder.Broken, bootbuilder.OK},
		"unsigned image of his": {func(m *machine, image []byte) []byte { return evilImage(m, image) }, bootbuilder.Broken, bootbuilder.Broken},
		"his image, signed by an earlier version": {func(m *machine, image []byte) []byte {
			return sbsign(m.t, "db", evilImage(m, image))
		}, bootbuilder.Forged, bootbuilder.Broken},
		"his image with the genuine signature": {func(m *machine, image []byte) []byte {
			return moveSignature(m, image, evilImage(m, image))
		}, bootbuilder.Broken, bootbuilder.Broken},
		"his kernel, signed": {func(m *machine, image []byte) []byte {
			return patched(m, image, "Linux version", "linux version")
		}, bootbuilder.Forged, bootbuilder.Broken},
		"his ramdisk, signed": {func(m *machine, image []byte) []byte {
			return patched(m, image, "initrd of", "INITRD OF")
		}, bootbuilder.Forged, bootbuilder.Broken},
		"another xen.cfg, signed": {func(m *machine, image []byte) []byte {
			return patched(m, image, "loglevel=4", "init=/boot")
		}, bootbuilder.Forged, bootbuilder.Broken},
		"other parameters for Xen, signed": {func(m *machine, image []byte) []byte {
			return patched(m, image, "dom0_max_vcpus=4", "flask=permissive")
		}, bootbuilder.Forged, bootbuilder.Broken},
		"other load options, signed": {func(m *machine, image []byte) []byte {
			return patched(m, image, "xen.efi\x00", "xen.efx\x00")
		}, bootbuilder.Forged, bootbuilder.Broken},
		"another Xen, signed": {func(m *machine, image []byte) []byte {
			return patched(m, image, "(synthetic)", "(malicious)")
		}, bootbuilder.Forged, bootbuilder.Broken},
		"a system of his, signed": {func(m *machine, image []byte) []byte {
			m.evilSystem(evilBoot)
			top := m.tops["1"].Path
			return patched(m, image, "init="+top, "init="+evilBoot+strings.Repeat("/", len(top)-len(evilBoot)))
		}, bootbuilder.Forged, bootbuilder.Broken},
		"a path of the store that is no generation, signed": {func(m *machine, image []byte) []byte {
			top := m.tops["1"].Path
			m.place(other(top)+"/init", nil)
			return patched(m, image, "init="+top, "init="+other(top))
		}, bootbuilder.Forged, bootbuilder.Broken},
		"another title, signed": {func(m *machine, image []byte) []byte {
			return patched(m, image, `PRETTY_NAME="NixOS (with`, `PRETTY_NAME="nixos (with`)
		}, bootbuilder.Outdated, bootbuilder.OK},
		"another generation's image": {func(m *machine, _ []byte) []byte {
			_, image := m.imageOf("2")
			return image
		}, bootbuilder.OK, bootbuilder.OK}, // see below
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newSignedMachine(t)
			file, image := m.imageOf("1")
			m.write(file, c.change(m, image))
			i := m.verify(signer(t).Certificate())
			got := healthOf(t, m, i, file)
			if name == "another generation's image" {
				if got.Health == bootbuilder.OK {
					t.Errorf("verify says ok of it")
				}
				return
			}
			if !i.Signatures || got.Health != c.with {
				t.Errorf("with the certificate verify says %s: %q, want %s", got.Health, got.Problems, c.with)
			}
			if (c.with == bootbuilder.Broken || c.with == bootbuilder.Forged) == i.OK() {
				t.Errorf("with the certificate all is well: %v", i.OK())
			}
			i = m.verify(nil)
			if got := healthOf(t, m, i, file); i.Signatures || got.Health != c.without {
				t.Errorf("without a certificate verify says %s: %q, want %s", got.Health, got.Problems, c.without)
			}
		})
	}
}

func healthOf(t *testing.T, m *machine, i *bootbuilder.Inspection, name string) bootbuilder.EntryStatus {
	t.Helper()
	for _, e := range i.Entries {
		if relative(m.boot, e.Image) == name {
			return e
		}
	}
	t.Fatalf("verify does not know %s", name)
	return bootbuilder.EntryStatus{}
}

// TestVerifyFormerGeneration: an image of a generation that was deleted is held against its toplevel for as long as that is there.
func TestVerifyFormerGeneration(t *testing.T) {
	t.Parallel()
	m := newSignedMachine(t)
	file, image := m.imageOf("1")
	m.must(os.Remove(m.root.Path(m.tops["1"].Link)))
	cert := signer(t).Certificate()
	if got := healthOf(t, m, m.verify(cert), file); got.Health != bootbuilder.Outdated {
		t.Errorf("verify says %s: %q, want outdated", got.Health, got.Problems)
	}
	m.write(file, patched(m, image, "Linux version", "linux version"))
	if got := healthOf(t, m, m.verify(cert), file); got.Health != bootbuilder.Forged {
		t.Errorf("of another kernel verify says %s: %q, want forged", got.Health, got.Problems)
	}
	m.must(os.RemoveAll(m.root.Path(m.tops["1"].Path)))
	if got := healthOf(t, m, m.verify(cert), file); got.Health != bootbuilder.Broken {
		t.Errorf("once it is collected verify says %s: %q, want broken", got.Health, got.Problems)
	}
}

// TestVerifySecrets: what follows the store's initrd is nothing that verify could know once no stub vouches for it, and it
// says so.
func TestVerifySecrets(t *testing.T) {
	t.Parallel()
	m := newSignedMachine(t)
	file, image := m.imageOf("3")
	cert := signer(t).Certificate()
	noted := func() bool {
		got := healthOf(t, m, m.verify(cert), file)
		if got.Health != bootbuilder.OK {
			t.Errorf("verify says %s: %q", got.Health, got.Problems)
		}
		return got.Unchecked == int64(len(initrdSecret))
	}
	if noted() {
		t.Error("a note of secrets that the stub vouches for")
	}
	m.write(file, patched(m, image, "the secret of generation 3", "THE SECRET OF GENERATION 3"))
	if !noted() {
		t.Error("no note of secrets that nobody vouches for")
	}
}

// TestPCRLock: no component is made for an image that is not what this run would write, whoever signed it.
func TestPCRLock(t *testing.T) {
	t.Parallel()
	evilKernel := func(m *machine, image []byte) []byte {
		return bytes.Replace(unsign(image), []byte("Linux version"), []byte("linux version"), 1)
	}
	for name, c := range map[string]struct {
		signed bool
		change func(m *machine, image []byte) []byte
		refuse bool
	}{
		"genuine":                            {true, func(_ *machine, image []byte) []byte { return image }, false},
		"genuine, without a key":             {false, func(_ *machine, image []byte) []byte { return image }, false},
		"his kernel, signed":                 {true, func(m *machine, image []byte) []byte { return sbsign(m.t, "db", evilKernel(m, image)) }, true},
		"his kernel, unsigned":               {true, evilKernel, false}, // it is written anew
		"his kernel, signed by another":      {true, func(m *machine, image []byte) []byte { return sbsign(m.t, "other", evilKernel(m, image)) }, true},
		"his kernel, the genuine signature":  {true, func(m *machine, image []byte) []byte { return moveSignature(m, image, evilKernel(m, image)) }, true},
		"the genuine one, signed by another": {true, func(m *machine, image []byte) []byte { return sbsign(m.t, "other", unsign(image)) }, true},
		"his kernel, without a key": {false, func(_ *machine, image []byte) []byte {
			return bytes.Replace(image, []byte("Linux version"), []byte("linux version"), 1)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !haveTool("sbsign") {
				t.Skip("sbsign is missing")
			}
			m := newMachine(t, stubs)
			m.install()
			m.signed, m.options.Layout = c.signed, bootbuilder.LayoutUnified
			_, err := m.run()
			m.must(err)
			file, image := m.imageOf("1")
			m.write(file, c.change(m, image))
			dir := t.TempDir()
			err = m.lock(dir)
			component := "650-kernel.pcrlock.d/" + strings.TrimSuffix(filepath.Base(file), ".efi") + ".pcrlock"
			_, missing := os.Stat(filepath.Join(dir, component))
			if refused := err != nil; refused != c.refuse {
				t.Errorf("the run ended with %v", err)
			}
			if (missing != nil) != c.refuse {
				t.Errorf("the component of generation 1: %v", missing)
			}
			if list, _ := filepath.Glob(filepath.Join(dir, "*/*.pcrlock")); len(list) < 3 {
				t.Errorf("only %d components: those of genuine images are missing", len(list))
			}
		})
	}
}

// lock runs the program with a directory for systemd-pcrlock's components.
func (m *machine) lock(dir string) error {
	m.t.Helper()
	ctx := m.t.Context()
	var sign bootbuilder.Signer
	if m.signed {
		sign = signer(m.t)
		m.options.Certificate = sign.Certificate()
	}
	return m.target(func(target bootbuilder.Target) error {
		plan, err := bootbuilder.NewPlan(ctx, target, m.options)
		if err != nil {
			return err
		}
		defer plan.Close()
		record, err := plan.Apply(ctx, sign, bootbuilder.Observer{})
		if err != nil {
			return err
		}
		components, err := esp.OpenDir(dir)
		if err != nil {
			return err
		}
		defer components.Close()
		lock, err := bootbuilder.OpenPCRLock(ctx, components)
		if err != nil {
			return err
		}
		defer lock.Close()
		return lock.Add(ctx, plan, record)
	})
}

// TestWrongRoot: where not one entry is a generation of the root, nothing is touched, whether or not Xen entries are there.
func TestWrongRoot(t *testing.T) {
	t.Parallel()
	turn := 0
	for _, c := range []struct {
		name string
		xen  bool
		do   func(m *machine)
	}{
		{"another system's entries", false, func(*machine) {}},
		{"another system's entries, and Xen's", true, func(*machine) {}},
		{"and an entry that can't be read", true, func(m *machine) { m.write("loader/entries/nixos-generation-9.conf", nil) }},
		{"and entries of the attacker's", true, func(m *machine) {
			m.evilSystem(evilBoot)
			m.evilEntry("nixos-generation-99.conf", evilBoot+"/init")
		}},
	} {
		for _, p := range allPeers {
			for _, s := range settings {
				if turn++; testing.Short() && turn%11 > 0 {
					continue // another peer and another setting each time
				}
				t.Run(fmt.Sprintf("%s/%s/%v", c.name, p, s), func(t *testing.T) {
					t.Parallel()
					m := newMachine(t, p)
					m.options.Layout, m.signed = s.layout, s.signed
					m.install()
					if c.xen {
						_, err := m.run()
						m.must(err)
					}
					c.do(m)
					elsewhere := fixtures.NewRoot(t.TempDir())
					_, err := elsewhere.Add(fixtures.Generation{Number: 1, System: fixtures.System{Label: "another machine", Xen: &fixtures.Xen{Version: "4.18.1"}, KernelVersion: "6.1.1"}})
					m.must(err)
					m.options.Root = elsewhere.Dir()
					before := m.snapshot()
					if _, err := m.run(); err == nil || !strings.Contains(err.Error(), "not one of the NixOS entries") {
						t.Errorf("the run ended with %v", err)
					}
					if changed := written(before, m.snapshot()); len(changed) > 0 || len(before) != len(m.snapshot()) {
						t.Errorf("the partitions were changed: %d files written", len(changed))
					}
				})
			}
		}
	}
}

// TestVerifyVariant: an extra entry with more parameters for Xen is no forgery; one with another kernel is.
func TestVerifyVariant(t *testing.T) {
	t.Parallel()
	if !haveTool("sbsign") {
		t.Skip("sbsign is missing")
	}
	m := newMachine(t, stubs)
	m.install()
	m.signed, m.options.Layout = true, bootbuilder.LayoutUnified
	m.options.Variants = []bootbuilder.Variant{{Name: "debug", XenParams: []string{"loglvl=all"}, All: true}}
	_, err := m.run()
	m.must(err)
	cert := signer(t).Certificate()
	variants := 0
	for _, e := range m.verify(cert).Entries {
		if e.Health != bootbuilder.OK {
			t.Errorf("verify says %s of %s: %q", e.Health, e.ID, e.Problems)
		}
		if e.Variant == "" {
			continue
		}
		variants++
		file := relative(m.boot, e.Image)
		m.write(file, patched(m, m.read(file), "Linux version", "linux version"))
		if got := healthOf(t, m, m.verify(cert), file); got.Health != bootbuilder.Forged {
			t.Errorf("of another kernel verify says %s: %q", got.Health, got.Problems)
		}
	}
	if variants == 0 {
		t.Error("there is no variant")
	}
}
