// Package attack_test holds what somebody who can write the ESP may try against what the next
// run believes. It drives the program by its public face alone; what comes out is judged by
// readers of its own (debug/pe, sbverify, osslsigncode), none of which the program uses.
//
// The model is that of docs/secure-boot.md: the attacker writes $BOOT and the ESP, anywhere, between
// runs and during one; he does not write the store, the profiles, or the rest of the root.
package attack_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

func TestMain(m *testing.M) {
	fixtures.UseMemory()
	os.Exit(m.Run())
}

const (
	// marker is in every byte string of the attacker's that must not be taken over.
	marker = "PWNED-BY-THE-ATTACKER"
	// hostSecret is in the files of the host that are nobody's business.
	hostSecret = "SECRET-OF-THE-HOST"
	// trace is what a program of the attacker's leaves, inside the root.
	trace = "/run/attacker-was-here"
	// initrdSecret is what generation 3's own program appends.
	initrdSecret = "the secret of generation 3\n"
)

// peer is whose installer filled $BOOT before us.
type peer string

const (
	stubs    peer = "stubs"    // Lanzaboote
	names    peer = "names"    // systemd-boot-builder, entries named by generation
	hashes   peer = "hashes"   // the same, entries named by content
	xbootldr peer = "xbootldr" // the same on XBOOTLDR beside the ESP
)

// entryPeers have type #1 entries.
var entryPeers = []peer{names, hashes, xbootldr}

// allPeers are all of them.
var allPeers = []peer{stubs, names, hashes, xbootldr}

// machine is a NixOS root, with its ESP mounted inside.
type machine struct {
	t       *testing.T
	peer    peer
	root    *fixtures.Root
	esp     string
	boot    string // $BOOT
	tops    map[string]*fixtures.Toplevel
	stubs   map[string]fixtures.Stub
	entries map[string]fixtures.Entry
	options bootbuilder.Options
	signed  bool // the run has a key
	wrap    func(esp.FS) esp.FS
}

// newMachine is a system of three generations, one with a specialisation, the newest with initrd secrets, and one of
// another profile. more are further generations.
func newMachine(t *testing.T, p peer, more ...fixtures.Generation) *machine {
	t.Helper()
	m := &machine{
		t: t, peer: p, root: fixtures.NewRoot(t.TempDir()), tops: make(map[string]*fixtures.Toplevel),
		stubs: make(map[string]fixtures.Stub), entries: make(map[string]fixtures.Entry),
	}
	m.boot = m.root.Path("/boot")
	m.esp = m.boot
	if p == xbootldr {
		m.esp = m.root.Path("/efi")
	}
	m.options.Root = m.root.Dir()
	xen := func(version string) fixtures.System {
		return fixtures.System{KernelVersion: version, Xen: &fixtures.Xen{}}
	}
	secret := xen("6.12.58")
	secret.Secrets = []byte(initrdSecret)
	older := xen("6.12.41")
	older.Xen.Version = "4.19.3"
	for _, g := range append([]fixtures.Generation{
		{Number: 1, System: older},
		{Number: 2, System: xen("6.12.50"), Specialisations: []fixtures.Specialisation{{Name: "gaming", System: xen("6.12.51")}}},
		{Number: 3, System: secret},
		{Profile: "test", Number: 1, System: xen("6.12.60")},
	}, more...) {
		m.add(g)
	}
	m.place("/etc/shadow", []byte(hostSecret+" /etc/shadow\n"))
	m.place("/var/lib/sbctl/keys/db/db.key", []byte(hostSecret+" db.key\n"))
	m.must(os.MkdirAll(m.root.Path("/tmp"), 0o755))
	return m
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// add adds a generation; its name in tops is "5", "5-gaming" or "test-5".
func (m *machine) add(g fixtures.Generation) {
	m.t.Helper()
	top, err := m.root.Add(g)
	m.must(err)
	name := fmt.Sprint(g.Number)
	if g.Profile != "" {
		name = g.Profile + "-" + name
	}
	m.tops[name] = top
	for _, s := range top.Specialisations {
		m.tops[name+"-"+s.Specialisation] = s
	}
}

// install has the peer fill $BOOT, and puts what every boot partition has beside it.
func (m *machine) install() {
	m.t.Helper()
	key := make(map[*fixtures.Toplevel]string)
	for name, top := range m.tops {
		key[top] = name
	}
	if m.peer == stubs {
		list, err := m.root.InstallLanzaboote(m.esp, fixtures.Lanzaboote{Sign: func(image []byte) ([]byte, error) {
			if haveTool("sbsign") && strings.HasPrefix(string(image), "MZ") {
				return sbsign(m.t, "db", image), nil
			}
			return image, nil
		}})
		m.must(err)
		for _, s := range list {
			m.stubs[key[s.Toplevel]] = s
		}
		return
	}
	o := fixtures.SystemdBoot{}
	if m.peer != names {
		o.Names = fixtures.ContentHashNames
	}
	if m.boot != m.esp {
		m.must(os.MkdirAll(m.boot, 0o755))
		o.Boot = m.boot
	}
	list, err := m.root.InstallSystemdBoot(m.esp, o)
	m.must(err)
	for _, e := range list {
		m.entries[key[e.Toplevel]] = e
	}
}

// place writes a file by its absolute name inside the root.
func (m *machine) place(name string, data []byte) {
	m.t.Helper()
	file := m.root.Path(name)
	m.must(os.MkdirAll(filepath.Dir(file), 0o755))
	m.must(os.WriteFile(file, data, 0o755))
}

// write puts a file onto $BOOT.
func (m *machine) write(name string, data []byte) {
	m.t.Helper()
	file := filepath.Join(m.boot, name)
	m.must(os.MkdirAll(filepath.Dir(file), 0o755))
	m.must(os.WriteFile(file, data, 0o755))
}

// read reads a file of $BOOT.
func (m *machine) read(name string) []byte {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.boot, name))
	m.must(err)
	return data
}

// symlink makes a link inside the root.
func (m *machine) symlink(target, name string) {
	m.t.Helper()
	file := m.root.Path(name)
	m.must(os.MkdirAll(filepath.Dir(file), 0o755))
	_ = os.RemoveAll(file)
	m.must(os.Symlink(target, file))
}

// initrdOf is where a generation's initrd is on $BOOT.
func (m *machine) initrdOf(gen string) string {
	if m.peer == stubs {
		return m.stubs[gen].Initrd
	}
	return m.entries[gen].Initrd
}

// snapshot is what is on both partitions.
func (m *machine) snapshot() map[string]string {
	m.t.Helper()
	tree, err := fixtures.Snapshot(m.boot)
	m.must(err)
	if m.esp == m.boot {
		return tree
	}
	beside, err := fixtures.Snapshot(m.esp)
	m.must(err)
	for name, data := range beside {
		tree["ESP:"+name] = data
	}
	return tree
}

// unsynced is a file system that syncs nothing: this is not about crashes.
type unsynced struct{ esp.FS }

type unsyncedWriter struct{ esp.Writer }

func (unsynced) SyncDir(string) error { return nil }
func (unsynced) FlushTables() error   { return nil }
func (unsynced) Flush() error         { return nil }
func (unsyncedWriter) Sync() error    { return nil }
func (unsyncedWriter) Send() error    { return nil }

func (u unsynced) Create(name string) (esp.Writer, error) { return unsyncedFile(u.FS.Create(name)) }
func (u unsynced) Update(name string) (esp.Writer, error) { return unsyncedFile(u.FS.Update(name)) }

func unsyncedFile(w esp.Writer, err error) (esp.Writer, error) {
	if err != nil {
		return nil, err
	}
	return unsyncedWriter{w}, nil
}

// target opens the partitions for use.
func (m *machine) target(use func(bootbuilder.Target) error) error {
	m.t.Helper()
	open := func(name string) esp.FS {
		dir, err := esp.OpenDir(name)
		m.must(err)
		m.t.Cleanup(func() { dir.Close() })
		if m.wrap != nil {
			return m.wrap(unsynced{dir})
		}
		return unsynced{dir}
	}
	t := bootbuilder.Target{ESP: open(m.esp)}
	if m.boot != m.esp {
		t.Boot = open(m.boot)
	}
	return use(t)
}

// signer signs with the owner's key.
func signer(t *testing.T) bootbuilder.Signer {
	t.Helper()
	dir := t.TempDir()
	if err := fixtures.LayOutKeys(dir, "db"); err != nil {
		t.Fatal(err)
	}
	s, _, err := bootbuilder.LoadSignerBundle(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run is one run of the program, as it is meant to be called.
func (m *machine) run() (report *bootbuilder.Report, err error) {
	m.t.Helper()
	ctx := m.t.Context()
	var sign bootbuilder.Signer
	if m.signed {
		sign = signer(m.t)
		m.options.Certificate = sign.Certificate()
	}
	err = m.target(func(target bootbuilder.Target) error {
		report, err = runOn(ctx, target, m.options, sign)
		return err
	})
	return report, err
}

func runOn(ctx context.Context, target bootbuilder.Target, o bootbuilder.Options, sign bootbuilder.Signer) (*bootbuilder.Report, error) {
	plan, err := bootbuilder.NewPlan(ctx, target, o)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	record, err := plan.Apply(ctx, sign, bootbuilder.Observer{})
	return plan.Report(record), err
}

// verify is the command of that name.
func (m *machine) verify(cert *x509.Certificate) *bootbuilder.Inspection {
	m.t.Helper()
	var i *bootbuilder.Inspection
	m.must(m.target(func(target bootbuilder.Target) (err error) {
		i, err = bootbuilder.Verify(m.t.Context(), target, bootbuilder.InspectOptions{Root: m.root.Dir(), Certificate: cert})
		return err
	}))
	return i
}

// withShell makes the root one in which scripts run, so that a program that must not run could.
func (m *machine) withShell() {
	m.t.Helper()
	if os.Getuid() != 0 {
		m.t.Skip("only root can run programs inside another root")
	}
	if _, err := os.Stat("/bin/busybox"); err != nil {
		m.t.Skip("no /bin/busybox, which can run without libraries: ", err)
	}
	m.must(os.MkdirAll(m.root.Path("/bin"), 0o755))
	m.copyProgram("/bin/busybox", "/bin/sh")
	m.must(os.MkdirAll(m.root.Path(path.Dir(trace)), 0o755))
	for _, top := range m.tops {
		if top.InitrdSecrets != "" {
			m.program(top.InitrdSecrets, fmt.Sprintf("printf %%s '%s' >> \"$1\"\n", initrdSecret))
		}
	}
}

// program replaces a file of the root by a script.
func (m *machine) program(name, script string) {
	m.t.Helper()
	file := filepath.Join(m.t.TempDir(), "script")
	m.must(os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755))
	_ = os.Remove(m.root.Path(name))
	m.copyProgram(file, name)
}

// copyProgram has another process do it: one that this process has open for writing can't be run
// (ETXTBSY), and a child that another test has just forked may keep it open.
func (m *machine) copyProgram(from, to string) {
	m.t.Helper()
	m.must(os.MkdirAll(filepath.Dir(m.root.Path(to)), 0o755))
	if output, err := exec.Command("cp", from, m.root.Path(to)).CombinedOutput(); err != nil {
		m.t.Fatalf("copy %s: %v: %s", from, err, output)
	}
}

// evil is a file of the attacker's, of this size.
func evil(size int) []byte {
	data := []byte(strings.Repeat(marker+"\n", 1+size/len(marker)))
	return data[:max(size, len(marker))]
}

// evilXen is a Xen image of the attacker's.
func evilXen() []byte { return fixtures.XenImage(fixtures.XenOptions{Version: marker}) }

// evilSystem lays out a system of the attacker's in a directory of the root, complete with kernel, initrd,
// Xen, and a program to run. change may alter its bootspec.
func (m *machine) evilSystem(dir string, change ...func(spec, doc map[string]any)) {
	m.t.Helper()
	m.place(dir+"/kernel", evil(1024))
	m.place(dir+"/initrd", evil(512))
	m.place(dir+"/xen.efi", evilXen())
	m.place(dir+"/init", []byte("#!/bin/sh\n"))
	m.program(dir+"/append-initrd-secrets", "echo "+marker+" > "+trace+"\necho "+marker+" >> \"$1\"\n")
	spec := map[string]any{
		"init": dir + "/init", "kernel": dir + "/kernel", "initrd": dir + "/initrd", "toplevel": dir,
		"initrdSecrets": dir + "/append-initrd-secrets",
		"kernelParams":  []string{"evil"}, "label": "NixOS of the attacker's", "system": "x86_64-linux",
	}
	doc := map[string]any{
		"org.nixos.bootspec.v1": spec, "org.nixos.specialisation.v1": map[string]any{},
		"org.xenproject.bootspec.v2": map[string]any{
			"efiPath": dir + "/xen.efi", "multibootPath": dir + "/xen", "params": []string{"evil"}, "version": "4.20.2",
		},
	}
	for _, c := range change {
		c(spec, doc)
	}
	text, err := json.Marshal(doc)
	m.must(err)
	m.place(dir+"/boot.json", text)
}

// editSpec changes the boot.json of a genuine generation, as if the system had been built so.
func (m *machine) editSpec(top *fixtures.Toplevel, change func(spec, doc map[string]any)) {
	m.t.Helper()
	name := m.root.Path(top.Path + "/boot.json")
	text, err := os.ReadFile(name)
	m.must(err)
	doc := make(map[string]any)
	m.must(json.Unmarshal(text, &doc))
	change(doc["org.nixos.bootspec.v1"].(map[string]any), doc)
	text, err = json.Marshal(doc)
	m.must(err)
	m.must(os.WriteFile(name, text, 0o644))
}

// entry writes a type #1 entry.
func (m *machine) entry(name string, lines ...string) {
	m.t.Helper()
	m.write("loader/entries/"+name, []byte(strings.Join(lines, "\n")+"\n"))
}

// addLine adds a line to a generation's genuine entry.
func (m *machine) addLine(gen, line string) {
	m.t.Helper()
	name := "loader/entries/" + m.entries[gen].File
	m.write(name, []byte(strings.TrimRight(string(m.read(name)), "\n")+"\n"+line+"\n"))
}

// replaceLine replaces a key's line in a generation's genuine entry.
func (m *machine) replaceLine(gen, key, value string) {
	m.t.Helper()
	name := "loader/entries/" + m.entries[gen].File
	var out []string
	for line := range strings.Lines(string(m.read(name))) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, key+" ") {
			line = key + " " + value
		}
		out = append(out, line)
	}
	m.write(name, []byte(strings.Join(out, "\n")+"\n"))
}

// evilEntry is an entry of the attacker's: his kernel and initrd, and the toplevel whose init= it names.
func (m *machine) evilEntry(name, init string, more ...string) {
	m.t.Helper()
	m.write("evil/vmlinuz", evil(1024))
	m.write("evil/initrd", evil(512))
	m.entry(name, append([]string{
		"title NixOS", "sort-key aaa", "version Generation 99 NixOS", "linux /evil/vmlinuz", "initrd /evil/initrd",
		"options init=" + init + " quiet",
	}, more...)...)
}

// evilStub is a stub of the attacker's: it names his kernel and initrd, with their right hashes.
func (m *machine) evilStub(name, init string) {
	m.t.Helper()
	m.write("evil/vmlinuz", evil(1024))
	m.write("evil/initrd", evil(512))
	m.write("EFI/Linux/"+name, forgeStub(init, `\evil\vmlinuz`, evil(1024), `\evil\initrd`, evil(512)))
}

// forgeStub is a stub as Lanzaboote makes them.
func forgeStub(init, kernel string, kernelData []byte, initrd string, initrdData []byte) []byte {
	k, i := sha256.Sum256(kernelData), sha256.Sum256(initrdData)
	return fixtures.PE(
		fixtures.Section{Name: ".text", Data: []byte(marker), Characteristics: fixtures.SectionCode},
		fixtures.Section{Name: ".osrel", Data: []byte("ID=lanza\nPRETTY_NAME=NixOS\nVERSION_ID=Generation 1\n")},
		fixtures.Section{Name: ".cmdline", Data: []byte("init=" + init + " quiet")},
		fixtures.Section{Name: ".linux", Data: []byte(kernel)}, fixtures.Section{Name: ".linuxh", Data: k[:]},
		fixtures.Section{Name: ".initrd", Data: []byte(initrd)}, fixtures.Section{Name: ".initrdh", Data: i[:]},
	)
}

// stubName is what Lanzaboote calls the stub of a generation, with a hash of this letter.
func stubName(gen string, letter string) string {
	return "nixos-generation-" + gen + "-" + strings.Repeat(letter, 52) + ".efi"
}

// hashName is what systemd-boot-builder calls an entry, with a digest of this digit.
func hashName(digit string) string { return "nixos-" + strings.Repeat(digit, 64) + ".conf" }

// withTops are the names of generations, but for some.
func (m *machine) but(lost ...string) map[string]bool {
	set := make(map[string]bool)
	for name, top := range m.tops {
		if m.peer == stubs && m.options.From != bootbuilder.FromProfiles && top.Profile != "" {
			continue // Lanzaboote knows the system profile alone
		}
		set[name] = true
	}
	maps.DeleteFunc(set, func(name string, _ bool) bool {
		for _, l := range lost {
			if l == name {
				return true
			}
		}
		return false
	})
	return set
}
