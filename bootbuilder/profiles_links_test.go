package bootbuilder_test

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// trap is something in the root that is not what it should be. Generation 1 has it, 2 does not.
type trap struct {
	name string
	set  func(g *trapped)
	// reason is why generation 1 is left out, says what the reason names.
	reason bootbuilder.Reason
	says   string
}

// trapped is a root with a trap, and a directory outside of it that holds all that generation 1 has.
type trapped struct {
	*machine
	top     *fixtures.Toplevel
	outside string
}

func newTrapped(t *testing.T) *trapped {
	t.Helper()
	g := &trapped{machine: newProfiles(t, bootbuilder.LayoutShared), outside: t.TempDir()}
	own := xenSystem("4.19.3") // nothing that generation 2 would lose by the trap
	own.KernelVersion = "6.12.41"
	g.top = g.add(fixtures.Generation{Number: 1, System: own})
	g.add(fixtures.Generation{Number: 2, System: xenSystem("4.20.2")})
	for _, name := range []string{g.top.Kernel, g.top.Initrd, g.top.XenEFI, g.top.Path + "/boot.json"} {
		data, err := os.ReadFile(g.root.Path(name))
		g.must(err)
		out := filepath.Join(g.outside, name)
		g.must(os.MkdirAll(filepath.Dir(out), 0o755))
		g.must(os.WriteFile(out, append(data, outsideMark...), 0o644))
	}
	return g
}

// outsideMark is at the end of every file outside: blank for JSON, and never to be seen on $BOOT.
const outsideMark = "\n\n\t\t\n \t \n"

// replace puts something else in the place of a file in the root.
func (g *trapped) replace(name string, make func(full string) error) {
	g.t.Helper()
	full := g.root.Path(name)
	g.must(os.RemoveAll(full))
	g.must(make(full))
}

func (g *trapped) link(name, target string) {
	g.t.Helper()
	g.replace(name, func(full string) error { return os.Symlink(target, full) })
}

// climb is a relative way up to the root of this machine's file system.
func (g *trapped) climb(to string) string {
	return strings.Repeat("../", 40) + strings.TrimPrefix(to, "/")
}

// linkTraps are the ways to lead name out of the root.
func linkTraps(what string, reason bootbuilder.Reason, name func(*trapped) string, outside func(*trapped) string) []trap {
	set := func(target func(g *trapped) string) func(*trapped) {
		return func(g *trapped) { g.link(name(g), target(g)) }
	}
	return []trap{
		{what + " absolute", set(outside), reason, ""},
		{what + " climbing", set(func(g *trapped) string { return g.climb(outside(g)) }), reason, ""},
		{what + " by way of /proc/self/root", func(g *trapped) {
			g.must(os.Symlink("/proc", g.root.Path("/proc")))
			g.link(name(g), "/proc/self/root"+outside(g))
		}, "", ""},
		{what + " by way of a directory that leads out", func(g *trapped) {
			g.must(os.Symlink(g.climb("/"), g.root.Path("/out")))
			g.link(name(g), "/out"+outside(g))
		}, reason, ""},
	}
}

func linkToAll() []trap {
	var list []trap
	add := func(what string, reason bootbuilder.Reason, name func(*trapped) string) {
		list = append(list, linkTraps(what, reason, name, func(g *trapped) string {
			if what == "profile link" {
				return filepath.Join(g.outside, g.top.Path)
			}
			return filepath.Join(g.outside, name(g))
		})...)
	}
	add("profile link", bootbuilder.BootspecMissing, func(g *trapped) string { return g.top.Link })
	add("toplevel", bootbuilder.BootspecMissing, func(g *trapped) string { return g.top.Path })
	add("boot.json", bootbuilder.BootspecInvalid, func(g *trapped) string { return g.top.Path + "/boot.json" })
	add("kernel", bootbuilder.BootspecInvalid, func(g *trapped) string { return path.Dir(g.top.Kernel) })
	add("initrd", bootbuilder.BootspecInvalid, func(g *trapped) string { return g.top.Initrd })
	add("xen", bootbuilder.BootspecInvalid, func(g *trapped) string { return g.top.XenEFI })
	return list
}

func fileTraps() []trap {
	bootJSON := func(make func(full string) error) func(*trapped) {
		return func(g *trapped) { g.replace(g.top.Path+"/boot.json", make) }
	}
	text := func(s string) func(*trapped) {
		return bootJSON(func(full string) error { return os.WriteFile(full, []byte(s), 0o644) })
	}
	fifo := func(full string) error { return syscall.Mkfifo(full, 0o666) }
	zero := func(full string) error { return syscall.Mknod(full, syscall.S_IFCHR|0o666, 1<<8|5) } // /dev/zero
	directory := func(full string) error { return os.Mkdir(full, 0o755) }
	const invalid, payload = bootbuilder.BootspecInvalid, bootbuilder.PayloadMissing
	return []trap{
		{"profile link to itself", func(g *trapped) { g.link(g.top.Link, path.Base(g.top.Link)) }, "", "system-1-link"},
		{"profile links in a circle", func(g *trapped) {
			g.link(g.top.Link, "/nix/a")
			g.link("/nix/a", "b")
			g.link("/nix/b", "/nix/var/nix/profiles/system-1-link")
		}, "", "system-1-link"},
		{"profile link to nothing", func(g *trapped) { g.link(g.top.Link, "/nix/store/gone") }, bootbuilder.BootspecMissing, "/nix/store/gone, which is not a store path"},
		{"profile link a file", func(g *trapped) {
			g.replace(g.top.Link, func(full string) error { return os.WriteFile(full, nil, 0o644) })
		}, bootbuilder.BootspecMissing, "not a store path"},
		{"boot.json in a circle", func(g *trapped) { g.link(g.top.Path+"/boot.json", "boot.json") }, invalid, "boot.json"},
		{"boot.json a FIFO", bootJSON(fifo), invalid, "not a regular file"},
		{"boot.json a device", bootJSON(zero), invalid, "not a regular file"},
		{"boot.json a directory", bootJSON(directory), invalid, "not a regular file"},
		{"boot.json empty", text(""), invalid, "boot.json"},
		{"boot.json of brackets", text(strings.Repeat("[", 36<<20)), invalid, "boot.json"},
		{"boot.json of objects", text(strings.Repeat(`{"a":`, 1<<17)), invalid, "boot.json"},
		{"boot.json of zeros", text(strings.Repeat("\x00", 4096)), invalid, "boot.json"},
		{"boot.json sparse", bootJSON(func(full string) error {
			f, err := os.Create(full)
			return errors.Join(err, f.Truncate(1<<40), f.Close())
		}), invalid, "boot.json"},
		{"kernel in a circle", func(g *trapped) { g.link(g.top.Kernel, path.Base(g.top.Kernel)) }, invalid, "bzImage"},
		{"kernel outside of the store", func(g *trapped) {
			g.must(os.WriteFile(g.root.Path("/etc/shadow"), []byte("secret"), 0o600))
			g.link(g.top.Kernel, "/etc/shadow")
		}, invalid, "/etc/shadow, which is not in the store"},
		{"kernel a FIFO", func(g *trapped) { g.replace(g.top.Kernel, fifo) }, payload, "not a regular file"},
		{"kernel a device", func(g *trapped) { g.replace(g.top.Kernel, zero) }, payload, "not a regular file"},
		{"kernel a directory", func(g *trapped) { g.replace(g.top.Kernel, directory) }, payload, "not a regular file"},
		{"kernel empty", func(g *trapped) {
			g.replace(g.top.Kernel, func(full string) error { return os.WriteFile(full, nil, 0o644) })
		}, payload, "empty"},
		{"initrd a FIFO", func(g *trapped) { g.replace(g.top.Initrd, fifo) }, payload, "not a regular file"},
		{"xen a FIFO", func(g *trapped) { g.replace(g.top.XenEFI, fifo) }, bootbuilder.XenMissing, "not a regular file"},
		{"xen a directory", func(g *trapped) { g.replace(g.top.XenEFI, directory) }, bootbuilder.XenMissing, "not a regular file"},
	}
}

// TestProfilesTraps wants no link to lead out of the root and no file to hold up the run:
// generation 1 is left out with its reason, generation 2 is installed.
func TestProfilesTraps(t *testing.T) {
	t.Parallel()
	for _, c := range append(linkToAll(), fileTraps()...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if strings.HasSuffix(c.name, " a device") && os.Getuid() != 0 {
				t.Skip("only root makes devices")
			}
			g := newTrapped(t)
			c.set(g)
			start := time.Now()
			done := g.tryInstall()
			g.must(done.Err)
			r := done.Report
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			one := reported(t, r, "xen-generation-1")
			if one.State != bootbuilder.LeftOut || c.reason != "" && one.Reason != c.reason || !strings.Contains(one.Detail, c.says) {
				t.Errorf("generation 1: %s, reason %q: %q; want reason %q that says %q", one.State, one.Reason, one.Detail, c.reason, c.says)
			}
			if len(one.Detail) > 2000 {
				t.Errorf("the reason has %d bytes", len(one.Detail))
			}
			if two := reported(t, r, "xen-generation-2"); two.State != bootbuilder.Added {
				t.Errorf("generation 2: %s, reason %q: %q", two.State, two.Reason, two.Detail)
			}
			for name, data := range g.trees() {
				if strings.HasSuffix(data, outsideMark) {
					t.Errorf("%s came from outside", name)
				}
			}
		})
	}
}

// TestProfilesSpecialisationNames has names that would lead to other directories, or that FAT can't hold.
func TestProfilesSpecialisationNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../../x", "a/b", `a\b`, "..", "a:b", strings.Repeat("x", 250), "a\nb"} {
		b := newProfiles(t, bootbuilder.LayoutShared)
		top := b.add(fixtures.Generation{Number: 1, System: xenSystem("4.20.2"), Specialisations: []fixtures.Specialisation{
			{Name: "placeholder", System: xenSystem("4.20.2")},
		}})
		file := b.root.Path(top.Path + "/boot.json")
		text, err := os.ReadFile(file)
		b.must(err)
		quoted := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(name)
		b.must(os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "placeholder", quoted)), 0o644))
		b.must(os.RemoveAll(b.root.Path(top.Path + "/specialisation"))) // its own link has another name
		r := b.tryInstall()
		if r.Report == nil {
			t.Errorf("%q: %v", name, r.Err)
			continue
		}
		for _, g := range r.Report.Generations {
			if strings.Contains(g.ID, "specialisation") && g.State != bootbuilder.LeftOut {
				t.Errorf("%q is taken: %+v", name, g)
			}
		}
		b.wantFiles("loader/entries/*specialisation*")
		b.wantFiles("EFI/xen/*specialisation*")
	}
}
