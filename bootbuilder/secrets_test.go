package bootbuilder_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

const secret = "the secret\n"

// newSecrets is a root whose generation 1 has initrd secrets, and 2 none.
func newSecrets(t *testing.T, layout bootbuilder.Layout) (*machine, *fixtures.Toplevel) {
	t.Helper()
	b := newProfiles(t, layout)
	s := xenSystem("4.20.2")
	s.Secrets = []byte(secret)
	top := b.add(fixtures.Generation{Number: 1, System: s})
	b.add(fixtures.Generation{Number: 2, System: xenSystem("4.20.2")})
	return b, top
}

// withShell makes the root one in which programs can run.
func (b *machine) withShell() {
	b.t.Helper()
	if os.Getuid() != 0 {
		b.t.Skip("only root can run programs inside another root")
	}
	if _, err := os.Stat("/bin/busybox"); err != nil {
		b.t.Skip("no /bin/busybox, which can run without libraries: ", err)
	}
	b.must(os.MkdirAll(b.root.Path("/bin"), 0o755))
	b.must(os.MkdirAll(b.root.Path("/tmp"), 0o1777))
	b.copyProgram("/bin/busybox", "/bin/sh")
	for _, name := range []string{"ln", "mkdir", "mkfifo", "rm", "sleep"} {
		b.must(os.Symlink("sh", b.root.Path("/bin/"+name)))
	}
	b.options.Secrets = bootbuilder.SecretsRun
}

// program replaces the generation's initrdSecrets program by a shell script.
func (b *machine) program(top *fixtures.Toplevel, script string) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "script")
	b.must(os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755))
	b.must(os.Remove(b.root.Path(top.InitrdSecrets)))
	b.copyProgram(file, top.InitrdSecrets)
}

// copyProgram has another process do it: one that this process has open for writing can't be run
// (ETXTBSY), and a child that another test has just forked may keep it open.
func (b *machine) copyProgram(from, to string) {
	b.t.Helper()
	if output, err := exec.Command("cp", from, b.root.Path(to)).CombinedOutput(); err != nil {
		b.t.Fatalf("copy %s: %v: %s", from, err, output)
	}
}

// initrd is the store's, without secrets.
func (b *machine) initrd(top *fixtures.Toplevel) string {
	b.t.Helper()
	data, err := os.ReadFile(b.root.Path(top.Initrd))
	b.must(err)
	return string(data)
}

// TestSecretsWithoutFlag wants nothing of the root to run, and a warning.
func TestSecretsWithoutFlag(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			b, top := newSecrets(t, layout)
			r := b.installTwice()
			if w := warnings(r); len(w) != 1 || !strings.Contains(w[0], "generation 1: its initrd secrets are not appended") {
				t.Errorf("warnings %q", w)
			}
			if b.ramdiskOf("xen-generation-1") != b.initrd(top) {
				t.Error("the ramdisk is not the store's initrd")
			}
			b.wantVerified()
		})
	}
}

// TestSecretsRun runs the program inside the root, on a copy.
func TestSecretsRun(t *testing.T) {
	t.Parallel()
	for _, layout := range allLayouts {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			b, top := newSecrets(t, layout)
			b.withShell()
			b.program(top, `[ -e /nix/store ] && [ ! -e /proc/self ] && printf 'the secret\n' >> "$1"`)
			before := b.initrd(top)
			r := b.installTwice()
			if w := warnings(r); len(w) != 0 {
				t.Errorf("warnings %q", w)
			}
			if b.initrd(top) != before {
				t.Error("the store's initrd was changed")
			}
			if b.ramdiskOf("xen-generation-1") != before+secret {
				t.Error("the ramdisk is not the initrd with the secret behind it")
			}
			b.wantNothingIn("/tmp")

			b.program(top, `printf 'another\n' >> "$1"`)
			b.installTwice()
			if b.ramdiskOf("xen-generation-1") != before+"another\n" {
				t.Error("the ramdisk has not the new secret")
			}
		})
	}
}

func (b *machine) wantNothingIn(dir string) {
	b.t.Helper()
	list, err := os.ReadDir(b.root.Path(dir))
	b.must(err)
	for _, e := range list {
		b.t.Errorf("%s is left in %s", e.Name(), dir)
	}
}

// TestSecretsFail wants a generation whose program fails left out, with what the program said.
func TestSecretsFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ script, says string }{
		"exit":              {"echo no such secret >&2; exit 3", "no such secret"},
		"much to say":       {"for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6 7 8 9; do echo 123456789012345678901234567890; done; done; echo the end; exit 1", "the end"},
		"takes it away":     {`rm "$1"`, "no such file"},
		"makes it empty":    {`: > "$1"`, "empty"},
		"makes a directory": {`rm "$1"; mkdir "$1"`, "no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, top := newSecrets(t, bootbuilder.LayoutShared)
			b.withShell()
			b.program(top, c.script+"\n")
			r := b.install()
			wantOut(t, r, "xen-generation-1", bootbuilder.PayloadMissing, c.says)
			if detail := reported(t, r, "xen-generation-1").Detail; len(detail) > 2500 {
				t.Errorf("the reason has %d bytes", len(detail))
			}
			b.wantInstalled("xen-generation-2", true)
			b.wantNothingIn("/tmp")
		})
	}
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		b, top := newSecrets(t, bootbuilder.LayoutShared)
		b.withShell()
		b.must(os.Remove(b.root.Path(top.InitrdSecrets)))
		wantOut(t, b.install(), "xen-generation-1", bootbuilder.PayloadMissing, "append-initrd-secrets", "no such file")
	})
	t.Run("no tmp", func(t *testing.T) {
		t.Parallel()
		b, _ := newSecrets(t, bootbuilder.LayoutShared)
		b.withShell()
		b.must(os.Remove(b.root.Path("/tmp")))
		wantOut(t, b.install(), "xen-generation-1", bootbuilder.PayloadMissing, "tmp")
	})
}

// TestSecretsLinks wants a /tmp that leads out of the root to lead nowhere, and an initrd that the
// program replaces by a link not to be followed.
func TestSecretsLinks(t *testing.T) {
	t.Parallel()
	t.Run("tmp", func(t *testing.T) {
		t.Parallel()
		b, top := newSecrets(t, bootbuilder.LayoutShared)
		b.withShell()
		outside := t.TempDir()
		b.must(os.Remove(b.root.Path("/tmp")))
		b.must(os.Symlink(outside, b.root.Path("/tmp")))
		b.program(top, `printf 'the secret\n' >> "$1"`)
		wantOut(t, b.install(), "xen-generation-1", bootbuilder.PayloadMissing)
		if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
			t.Errorf("outside the root: %v (%v)", list, err)
		}
	})
	t.Run("initrd", func(t *testing.T) {
		t.Parallel()
		b, top := newSecrets(t, bootbuilder.LayoutShared)
		b.withShell()
		outside := filepath.Join(t.TempDir(), "outside")
		b.must(os.WriteFile(outside, []byte("from outside"), 0o644))
		b.program(top, "rm \"$1\"\nln -s "+outside+" \"$1\"\n")
		wantOut(t, b.install(), "xen-generation-1", bootbuilder.PayloadMissing, "no regular file")
		for name, data := range b.trees() {
			if strings.Contains(data, "from outside") {
				t.Errorf("%s came from outside", name)
			}
		}
	})
	t.Run("FIFO", func(t *testing.T) {
		t.Parallel()
		b, top := newSecrets(t, bootbuilder.LayoutShared)
		b.withShell()
		b.program(top, "rm \"$1\"\nmkfifo \"$1\"\n")
		wantOut(t, b.install(), "xen-generation-1", bootbuilder.PayloadMissing, "no regular file")
	})
}

// TestSecretsHang ends a program, and what it has started, with the run.
func TestSecretsHang(t *testing.T) {
	t.Parallel()
	b, top := newSecrets(t, bootbuilder.LayoutShared)
	b.withShell()
	b.program(top, "sleep 30 &\nsleep 30\n")
	before := b.trees()
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	start := time.Now()
	b.open(func(target bootbuilder.Target) {
		if plan, err := bootbuilder.NewPlan(limited, target, b.options); err == nil {
			t.Error("the run did not end with its context")
			b.must(plan.Close())
		}
	})
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	b.wantTrees(before)
	b.wantNothingIn("/tmp")
}

// TestSecretsOnBoot wants the initrd that NixOS' entry names, secrets and all, and no program to run.
func TestSecretsOnBoot(t *testing.T) {
	t.Parallel()
	for _, names := range []fixtures.EntryNames{fixtures.GenerationNames, fixtures.ContentHashNames} {
		b, top := newSecrets(t, bootbuilder.LayoutShared)
		b.nixos.Names = names
		b.rebuild()
		b.options.From, b.options.Secrets = bootbuilder.FromEntries, bootbuilder.SecretsRun // there is no shell to run it
		r := b.installTwice()
		if w := warnings(r); len(w) != 0 {
			t.Errorf("warnings %q", w)
		}
		id := "xen-generation-1"
		for _, g := range r.Generations {
			if g.Toplevel == top.Path {
				id = g.ID
			}
		}
		if b.ramdiskOf(id) != b.initrd(top)+secret {
			t.Error("the ramdisk is not the one with the secret")
		}
		b.wantHealthy()
	}
}

// TestSecretsExposed: on a partition that every user may read, a warning says so once; on one that they may not, and where nothing
// that is written here holds any, none does.
func TestSecretsExposed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		mode   os.FileMode
		layout bootbuilder.Layout
		want   int
	}{
		{"open", 0o755, bootbuilder.LayoutUnified, 1},
		{"closed", 0o700, bootbuilder.LayoutUnified, 0},
		{"NixOS' own initrd", 0o755, bootbuilder.LayoutShared, 0},
	} {
		m := newMachine(t)
		m.synced = true // the file system itself
		m.options.Layout = c.layout
		secret := xenSystem("4.20.2")
		secret.Secrets = []byte("a secret")
		m.add(fixtures.Generation{Number: 1, System: secret})
		m.add(fixtures.Generation{Number: 2, System: secret})
		m.rebuild()
		m.must(os.Chmod(m.esp, c.mode))
		got := 0
		for _, text := range advice(m.install()) {
			if strings.Contains(text, "initrd secrets of generation 2, and every user may read it (mount "+m.esp+" with umask=0077)") {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%s: said %d times, want %d", c.name, got, c.want)
		}
	}
}
