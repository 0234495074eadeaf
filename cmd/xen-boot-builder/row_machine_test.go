package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// rowMachine is a machine of such a row.
type rowMachine struct {
	t        *testing.T
	root     *fixtures.Root
	esp      string
	boot     string // XBOOTLDR, "" for none
	efivars  string
	vars     map[string]string // what is set there
	nixos    fixtures.SystemdBoot
	profile  string
	params   string // a kernel parameter of the next generation
	extra    []string
	ids      map[string]string
	names    *strings.Replacer
	log      []string
	problems []string
}

func newRowMachine(t *testing.T) *rowMachine {
	t.Helper()
	dir := t.TempDir()
	m := &rowMachine{t: t, root: fixtures.NewRoot(filepath.Join(dir, "root")), esp: filepath.Join(dir, "esp"), efivars: filepath.Join(dir, "efivars"), vars: map[string]string{}, ids: map[string]string{}}
	m.nixos.Loader = loaderBytes()
	m.must(os.MkdirAll(m.efivars, 0o755))
	m.setVar("LoaderInfo", "systemd-boot 252.39-1~deb12u2")
	m.rename()
	return m
}

// debianLoader is where Debian's systemd-boot-efi has it.
const debianLoader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"

// loaderBytes is the systemd-boot of this machine, or what says that it is 252.
func loaderBytes() []byte {
	if b, err := os.ReadFile(debianLoader); err == nil && bytes.Contains(b, []byte("#### LoaderInfo: systemd-boot 252")) {
		return b
	}
	return []byte("#### LoaderInfo: systemd-boot 252.39-1~deb12u2 ####")
}

func (m *rowMachine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *rowMachine) problem(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

func (m *rowMachine) bootDir() string {
	if m.boot != "" {
		return m.boot
	}
	return m.esp
}

func (m *rowMachine) system(kind string, number int) fixtures.System {
	s := fixtures.System{Params: []string{"quiet", fmt.Sprintf("gen=%d", number), m.params}, ExtraInitrds: m.extra}
	switch kind {
	case xen:
		s.Xen = &fixtures.Xen{}
	case broken:
		s.Xen = &fixtures.Xen{}
		s.Extra = map[string]any{"org.xenproject.bootspec.v2": map[string]any{
			"efiPath": fixtures.StoreDir + "/00000000000000000000000000000000-xen/boot/xen.efi", "version": "4.20.2",
			"multibootPath": fixtures.StoreDir + "/00000000000000000000000000000000-xen/boot/xen", "params": []string{},
		}}
	}
	return s
}

func (m *rowMachine) add(number int, kind string) *fixtures.Toplevel {
	m.t.Helper()
	top, err := m.root.Add(fixtures.Generation{Number: number, Profile: m.profile, System: m.system(kind, number)})
	m.must(err)
	return top
}

func (m *rowMachine) addSpecial(number int, kind, special string) {
	m.t.Helper()
	s := fixtures.Specialisation{Name: "s", System: m.system(special, number)}
	s.Params = append(s.Params, "special")
	_, err := m.root.Add(fixtures.Generation{Number: number, System: m.system(kind, number), Specialisations: []fixtures.Specialisation{s}})
	m.must(err)
}

// drop takes a generation away. What it had in the store comes back: nothing is collected yet.
func (m *rowMachine) drop(top *fixtures.Toplevel) {
	m.t.Helper()
	boot := m.root.Path(top.Path)
	keep := filepath.Join(m.t.TempDir(), "kept")
	m.must(os.CopyFS(keep, os.DirFS(boot)))
	if err := os.Symlink(top.Path, m.root.Path(top.Link)); err != nil && !os.IsExist(err) {
		m.must(err)
	}
	m.must(m.root.Delete(top))
	m.must(os.CopyFS(boot, os.DirFS(keep)))
}

func (m *rowMachine) systemdBoot() {
	m.t.Helper()
	m.nixos.Boot = m.boot
	entries, err := m.root.InstallSystemdBoot(m.esp, m.nixos)
	m.must(err)
	for _, e := range entries {
		m.name("N", e.Toplevel, e.ID)
		m.name("X", e.Toplevel, "xen-"+strings.TrimPrefix(e.ID, "nixos-"))
	}
}

func (m *rowMachine) lanzaboote(tries int) {
	m.t.Helper()
	stubs, err := m.root.InstallLanzaboote(m.esp, fixtures.Lanzaboote{Tries: tries, Loader: m.nixos.Loader})
	m.must(err)
	for _, s := range stubs {
		m.name("S", s.Toplevel, path.Base(s.Path))
		m.name("X", s.Toplevel, fmt.Sprintf("xen-generation-%d.conf", s.Toplevel.Number))
	}
}

// moveToBoot gives the machine an XBOOTLDR partition.
func (m *rowMachine) moveToBoot() {
	m.boot = filepath.Join(filepath.Dir(m.esp), "boot")
	m.must(os.MkdirAll(m.boot, 0o755))
}

// name notes what an id stands for in the rows.
func (m *rowMachine) name(letter string, top *fixtures.Toplevel, id string) {
	if top.Profile != "" {
		return
	}
	special := top.Specialisation
	m.ids[fmt.Sprintf("%s%d%s", letter, top.Number, special)] = id
	m.ids[fmt.Sprintf("T%d%s", top.Number, special)] = top.Path
	m.ids[fmt.Sprintf("P%d%s", top.Number, special)] = fmt.Sprintf("xen-generation-%d.conf", top.Number)
	m.rename()
}

// rename takes up names that changed: those of images have the hash of their content, which only the
// program knows; the toplevel tells which is which.
func (m *rowMachine) rename() {
	var pairs []string
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(m.ids))) { // X1s before X1
		pairs = append(pairs, name, m.ids[name])
	}
	m.names = strings.NewReplacer(pairs...)
}

func (m *rowMachine) conf(lines string) {
	m.t.Helper()
	text := "timeout 0\n"
	if lines != "" {
		text += lines + "\n"
	}
	m.must(os.WriteFile(filepath.Join(m.esp, "loader/loader.conf"), []byte(text), 0o644))
}

func (m *rowMachine) write(name, text string) {
	m.t.Helper()
	file := filepath.Join(m.esp, name)
	m.must(os.MkdirAll(filepath.Dir(file), 0o755))
	m.must(os.WriteFile(file, []byte(text), 0o644))
}

func (m *rowMachine) read(name string) string {
	m.t.Helper()
	b, err := os.ReadFile(filepath.Join(m.esp, name))
	m.must(err)
	return string(b)
}

func (m *rowMachine) glob(dir, pattern string) []string {
	m.t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	m.must(err)
	return found
}

// setVar sets an EFI variable of the boot loader interface; "" takes it away.
func (m *rowMachine) setVar(name, value string) {
	m.t.Helper()
	m.must(setEFIVar(m.efivars, name, value))
	m.vars[name] = value
}

func (m *rowMachine) secureBoot() {
	m.t.Helper()
	for name, value := range map[string]byte{"SecureBoot": 1, "SetupMode": 0} {
		file := filepath.Join(m.efivars, name+"-8be4df61-93ca-11d2-aa0d-00e098032b8c")
		m.must(os.WriteFile(file, []byte{6, 0, 0, 0, value}, 0o644))
	}
}

// say notes what there is.
func (m *rowMachine) say(when string) {
	conf, _ := os.ReadFile(filepath.Join(m.esp, "loader/loader.conf"))
	var files []string
	for _, dir := range []string{m.esp, m.boot} {
		if dir != "" {
			files = append(files, m.glob(dir, "loader/entries/*")...)
			files = append(files, m.glob(dir, "EFI/Linux/*")...)
		}
	}
	m.log = append(m.log, fmt.Sprintf("%s: loader.conf %q\n%s", when, conf, strings.Join(files, "\n")))
}

// command runs the program as on this machine.
func (m *rowMachine) command(args ...string) (code int, stdout, stderr string) {
	m.t.Helper()
	if !slices.Contains(args, "remove") {
		args = append(args, "--root", m.root.Dir())
	}
	args = append(args, "--esp", m.esp)
	if m.boot != "" {
		args = append(args, "--boot", m.boot)
	}
	env := noEnvironment()
	env.running = running{root: m.root.Dir(), efivars: m.efivars, sys: filepath.Join(filepath.Dir(m.esp), "sys")}
	var out, errs bytes.Buffer
	code = run(m.t.Context(), args, &out, &errs, env)
	m.log = append(m.log, fmt.Sprintf("%q ended with %d\n%s%s", args, code, &out, &errs))
	return code, out.String(), errs.String()
}

func (m *rowMachine) run(args ...string) (code int, stderr string) {
	m.t.Helper()
	code, _, stderr = m.command(args...)
	return code, stderr
}

func (m *rowMachine) mustRun(args ...string) {
	m.t.Helper()
	if code, stderr := m.run(append(args, "quiet")...); code != exitDone {
		m.t.Fatalf("%q ended with %d: %s", args, code, stderr)
	}
}

// list is what list --json says.
func (m *rowMachine) list() rowList {
	m.t.Helper()
	_, stdout, stderr := m.command("list", "--json")
	var doc struct{ ESPs []rowList }
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil || len(doc.ESPs) != 1 {
		m.t.Fatalf("list: %v\n%s%s", err, stdout, stderr)
	}
	for _, e := range doc.ESPs[0].Entries {
		for name, id := range m.ids { // an image's name has a hash
			if strings.HasPrefix(name, "X") && e.Toplevel == m.ids["T"+name[1:]] && strings.HasPrefix(e.ID, strings.TrimSuffix(id, ".conf")) {
				m.ids[name] = e.ID
			}
		}
	}
	m.rename()
	return doc.ESPs[0]
}

type rowList struct {
	Entries, Without []struct {
		ID, Generation, Toplevel string
		Default                  bool
	}
	Starts struct{ Entry, Reason string }
}

// starts is the id of the one entry that list marks, without its counter. Where it is one of ours, exactly that has the mark.
func (m *rowMachine) starts() string {
	m.t.Helper()
	l := m.list()
	var marked []string
	for _, e := range l.Entries {
		if e.Default {
			marked = append(marked, e.ID)
		}
	}
	for _, g := range l.Without {
		if g.Default {
			marked = append(marked, g.Generation)
		}
	}
	if len(marked) > 1 || len(marked) == 1 && strings.HasPrefix(marked[0], "xen-") && !strings.HasPrefix(l.Starts.Entry, "nixos-") && cutCounter(marked[0]) != cutCounter(l.Starts.Entry) {
		m.problem("list marks %q, and says that %s starts", marked, l.Starts.Entry)
	}
	return cutCounter(l.Starts.Entry)
}

// cutCounter is an id without its boot counter.
func cutCounter(id string) string {
	return regexp.MustCompile(`\+\d+(-\d+)?(\.\w+)$`).ReplaceAllString(id, "$2")
}

// toplevelOf is what one of our entries starts.
func (m *rowMachine) toplevelOf(name string) string {
	m.t.Helper()
	for _, e := range m.list().Entries {
		if e.ID == m.ids[name] {
			return e.Toplevel
		}
	}
	return ""
}
