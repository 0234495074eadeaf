package bootbuilder_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

func TestMain(m *testing.M) {
	fixtures.UseMemory()
	os.Exit(m.Run())
}

// ctx is for runs that nobody interrupts.
var ctx = context.Background()

// machine is one to install on: a NixOS root and its boot partitions, in directories.
type machine struct {
	t       *testing.T
	root    *fixtures.Root
	esp     string
	xboot   string // XBOOTLDR; "": the ESP is $BOOT
	nixos   fixtures.SystemdBoot
	options bootbuilder.Options
	signer  bootbuilder.Signer // set it by sign
	entries []fixtures.Entry   // what the last rebuild wrote
	// synced leaves fsync as it is: it is most of what a run takes.
	synced bool
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, root: fixtures.NewRoot(t.TempDir()), esp: t.TempDir()}
	m.options.Root = m.root.Dir()
	return m
}

// sign has images signed; nil: not.
func (m *machine) sign(signer bootbuilder.Signer) {
	m.signer, m.options.Certificate = signer, nil
	if signer != nil {
		m.options.Certificate = signer.Certificate()
	}
}

// withLayout also takes a signer for the unified layout.
func (m *machine) withLayout(layout bootbuilder.Layout) *machine {
	m.t.Helper()
	m.options.Layout = layout
	m.sign(nil)
	if layout == bootbuilder.LayoutUnified {
		m.sign(testSigner(m.t, "db"))
	}
	return m
}

// boot is the directory that $BOOT is mounted on.
func (m *machine) boot() string {
	if m.xboot != "" {
		return m.xboot
	}
	return m.esp
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// What others do to the machine.

func (m *machine) add(g fixtures.Generation) *fixtures.Toplevel {
	m.t.Helper()
	top, err := m.root.Add(g)
	m.must(err)
	return top
}

// addXen adds generations of the system profile with Xen.
func (m *machine) addXen(numbers ...int) {
	m.t.Helper()
	for _, n := range numbers {
		m.add(fixtures.Generation{Number: n, System: fixtures.System{Xen: &fixtures.Xen{}}})
	}
}

// rebuild is NixOS' own boot loader installer.
func (m *machine) rebuild() {
	m.t.Helper()
	o := m.nixos
	o.Boot = m.xboot
	var err error
	m.entries, err = m.root.InstallSystemdBoot(m.esp, o)
	m.must(err)
}

// script is nixpkgs' xen-boot-builder.sh.
func (m *machine) script() {
	m.t.Helper()
	o := m.nixos
	o.Boot = m.xboot
	m.must(m.root.InstallScript(m.esp, m.entries, o))
}

func (m *machine) lanzaboote(o fixtures.Lanzaboote) []fixtures.Stub {
	m.t.Helper()
	stubs, err := m.root.InstallLanzaboote(m.esp, o)
	m.must(err)
	return stubs
}

// What we do.

// run is what came of an install or a removal.
type run struct {
	// Report is what happened; nil where not even a plan could be made.
	Report *bootbuilder.Report
	// Planned is what would have happened, Check what a dry run says could not.
	Planned *bootbuilder.Report
	Check   error
	Steps   []string
	Err     error
}

// carryOut is one run of a plan, from start to end.
func carryOut(plan *bootbuilder.Plan, err error, signer bootbuilder.Signer) run {
	if err != nil {
		return run{Err: err}
	}
	r := run{Planned: plan.Report(nil), Check: plan.Check(), Steps: plan.Steps()}
	record, err := plan.Apply(ctx, signer, bootbuilder.Observer{})
	r.Report = plan.Report(record)
	r.Err = errors.Join(err, plan.Close())
	return r
}

// installOn is one run on partitions that the caller has opened.
func (m *machine) installOn(target bootbuilder.Target) run {
	plan, err := bootbuilder.NewPlan(ctx, target, m.options)
	return carryOut(plan, err, m.signer)
}

// open calls use with the partitions.
func (m *machine) open(use func(bootbuilder.Target)) {
	m.t.Helper()
	dir, err := esp.OpenDir(m.esp)
	m.must(err)
	defer dir.Close()
	target := bootbuilder.NewTarget(m.quick(dir), nil)
	if m.xboot != "" {
		boot, err := esp.OpenDir(m.xboot)
		m.must(err)
		defer boot.Close()
		target.Boot = m.quick(boot)
	}
	use(target)
}

// tryInstall installs, and gives the report even of a run that failed.
func (m *machine) tryInstall() (r run) {
	m.t.Helper()
	m.open(func(target bootbuilder.Target) { r = m.installOn(target) })
	return r
}

func (m *machine) install() *bootbuilder.Report {
	m.t.Helper()
	r := m.tryInstall()
	m.must(r.Err)
	return r.Report
}

// installTwice wants the second run to change nothing.
func (m *machine) installTwice() *bootbuilder.Report {
	m.t.Helper()
	first := m.install()
	before := m.trees()
	if again := m.install(); again.Changed {
		m.t.Errorf("a second run has changes to make: %+v", again)
	}
	m.wantTrees(before)
	return first
}

// remove takes all of ours away.
func (m *machine) remove() *bootbuilder.Report {
	m.t.Helper()
	var r run
	m.open(func(target bootbuilder.Target) {
		plan, err := bootbuilder.NewRemoval(ctx, target, "")
		r = carryOut(plan, err, nil)
	})
	m.must(r.Err)
	return r.Report
}

func (m *machine) inspectOptions() bootbuilder.InspectOptions {
	return bootbuilder.InspectOptions{Root: m.options.Root, Certificate: m.options.Certificate}
}

func (m *machine) verify() (seen *bootbuilder.Inspection) {
	m.t.Helper()
	m.open(func(target bootbuilder.Target) {
		var err error
		seen, err = bootbuilder.Verify(ctx, target, m.inspectOptions())
		m.must(err)
	})
	return seen
}

func (m *machine) list() (seen *bootbuilder.Inspection) {
	m.t.Helper()
	m.open(func(target bootbuilder.Target) {
		var err error
		seen, err = bootbuilder.List(ctx, target, m.inspectOptions())
		m.must(err)
	})
	return seen
}

// wantHealthy wants verify to find nothing.
func (m *machine) wantHealthy() {
	m.t.Helper()
	r := m.verify()
	wrong := !r.OK() || len(r.Notes) > 0
	for _, e := range r.Entries {
		wrong = wrong || e.Health != bootbuilder.OK
	}
	if wrong {
		m.t.Errorf("verify finds fault with a healthy partition: %q, notes %q, entries %+v", r.Problems, r.Notes, r.Entries)
	}
}

// What is on the partitions.

// onXBOOTLDR is in front of a name on XBOOTLDR.
const onXBOOTLDR = "xbootldr:"

// counted is how loader.conf names an entry with a boot counter, for every systemd-boot: the id, with or without it.
var counted = regexp.MustCompile(`\[\+\.\]\[[01]-9([ce])\]\*(onf|fi)`)

// trees is all that is there, padding and patterns for boot counters aside; a directory's name ends in a slash.
func (m *machine) trees() map[string]string {
	m.t.Helper()
	all := withoutPadding(snapshot(m.t, m.esp))
	if m.xboot != "" {
		for name, data := range withoutPadding(snapshot(m.t, m.xboot)) {
			all[onXBOOTLDR+name] = data
		}
	}
	return all
}

func withoutPadding(tree map[string]string) map[string]string {
	for name, text := range tree {
		if isPadded(name) {
			tree[name] = counted.ReplaceAllString(unpadded(text), ".$1$2")
		}
	}
	return tree
}

// files are trees without directories.
func (m *machine) files() map[string]string {
	m.t.Helper()
	return withoutDirectories(m.trees())
}

func withoutDirectories(tree map[string]string) map[string]string {
	files := maps.Clone(tree)
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasSuffix(name, "/") })
	return files
}

func (m *machine) wantTrees(want map[string]string) {
	m.t.Helper()
	if d := diffTrees(want, m.trees()); d != "" {
		m.t.Errorf("the partitions differ (-want +got):\n%s", d)
	}
}

// wantFilesAs is wantTrees without directories: those that we made stay.
func (m *machine) wantFilesAs(want map[string]string) {
	m.t.Helper()
	if d := diffTrees(withoutDirectories(want), m.files()); d != "" {
		m.t.Errorf("the files differ (-want +got):\n%s", d)
	}
}

// diffTrees says in which files and directories two trees differ.
func diffTrees(want, got map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch have, ok := got[name]; {
		case !ok:
			fmt.Fprintf(&b, "- %s\n", name)
		case have == want[name]:
		case isText(have) && isText(want[name]):
			fmt.Fprintf(&b, "! %s\n%s", name, cmp.Diff(want[name], have))
		default:
			fmt.Fprintf(&b, "! %s: %d bytes, then %d\n", name, len(want[name]), len(have))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			fmt.Fprintf(&b, "+ %s\n", name)
		}
	}
	return b.String()
}

func isText(s string) bool {
	return len(s) < 4096 && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := fixtures.Snapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Files on $BOOT, by name relative to it.

func (m *machine) path(name string) string { return filepath.Join(m.boot(), name) }

func (m *machine) exists(name string) bool {
	_, err := os.Lstat(m.path(name))
	return !errors.Is(err, fs.ErrNotExist)
}

// read is a file's text, padding aside.
func (m *machine) read(name string) string {
	m.t.Helper()
	if text := m.readAll(name); isPadded(name) {
		return unpadded(text)
	} else {
		return text
	}
}

// readAll is a file, byte for byte.
func (m *machine) readAll(name string) string {
	m.t.Helper()
	data, err := os.ReadFile(m.path(name))
	m.must(err)
	return string(data)
}

// unpadded is a text without newlines at its end: padding, which no reader sees.
func unpadded(text string) string { return strings.TrimRight(text, "\n") }

// isPadded reports whether a file may be padded: entries and loader.conf.
func isPadded(name string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimPrefix(name, onXBOOTLDR)), "loader/") && strings.EqualFold(filepath.Ext(name), ".conf")
}

func (m *machine) write(name, data string) {
	m.t.Helper()
	writeTo(m.t, m.path(name), data)
}

func writeTo(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes a file.
func (m *machine) rewrite(name string, change func(string) string) {
	m.t.Helper()
	m.write(name, change(m.readAll(name)))
}

// edit replaces a text that has to be there.
func (m *machine) edit(name, old, new string) {
	m.t.Helper()
	text := m.readAll(name)
	if !strings.Contains(text, old) {
		m.t.Fatalf("%s holds no %q:\n%s", name, old, text)
	}
	m.write(name, strings.ReplaceAll(text, old, new))
}

func (m *machine) delete(name string) {
	m.t.Helper()
	m.must(os.Remove(m.path(name)))
}

// one is the only file on $BOOT that a pattern matches.
func (m *machine) one(pattern string) string {
	m.t.Helper()
	names := m.glob(pattern)
	if len(names) != 1 {
		m.t.Fatalf("%s matches %q, want one file", pattern, names)
	}
	return names[0]
}

func (m *machine) glob(pattern string) []string {
	m.t.Helper()
	names, err := filepath.Glob(m.path(pattern))
	m.must(err)
	for i, name := range names {
		names[i], err = filepath.Rel(m.boot(), name)
		m.must(err)
	}
	return names
}

func (m *machine) wantFiles(pattern string, want ...string) {
	m.t.Helper()
	if got := m.glob(pattern); !slices.Equal(got, want) {
		m.t.Errorf("%s matches %q, want %q", pattern, got, want)
	}
}

// Names of ours that carry a hash of their content.

const hash16 = "-????????????????"

// cfg is a generation's xen.cfg of the shared layout.
func (m *machine) cfg(id string) string {
	m.t.Helper()
	return m.one("EFI/xen/" + id + hash16 + ".cfg")
}

// image is a generation's own Xen image, of the unified layout.
func (m *machine) image(id string) string {
	m.t.Helper()
	return m.one("EFI/Linux/" + id + hash16 + ".efi")
}

// loader.conf and its default, padding and patterns for boot counters aside.

func (m *machine) loaderConf() string {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.esp, "loader/loader.conf"))
	m.must(err)
	return counted.ReplaceAllString(unpadded(string(data)), ".$1$2")
}

func (m *machine) writeLoaderConf(text string) {
	m.t.Helper()
	writeTo(m.t, filepath.Join(m.esp, "loader/loader.conf"), text)
}

func (m *machine) wantDefault(want string) {
	m.t.Helper()
	if got, _ := esp.ParseLoaderConf([]byte(m.loaderConf())).Get("default"); got != want {
		m.t.Errorf("default is %q, want %q", got, want)
	}
}

// What a report says.

// wantOut wants a generation left out, for a reason whose text holds all of says.
func wantOut(t *testing.T, r *bootbuilder.Report, id string, reason bootbuilder.Reason, says ...string) {
	t.Helper()
	g := reported(t, r, id)
	if g.Reason != reason {
		t.Errorf("%s is left out for %q (%s), want %q", id, g.Reason, g.Detail, reason)
	}
	for _, s := range says {
		if !strings.Contains(g.Detail, s) {
			t.Errorf("%s is left out with the words %q, which don't say %q", id, g.Detail, s)
		}
	}
}

func reported(t *testing.T, r *bootbuilder.Report, id string) bootbuilder.GenerationReport {
	t.Helper()
	i := slices.IndexFunc(r.Generations, func(g bootbuilder.GenerationReport) bool { return g.ID == id })
	if i < 0 {
		t.Fatalf("no %s in the report: %+v", id, r.Generations)
	}
	return r.Generations[i]
}

// wantStates wants these states, by id of the Xen entry, and no other generation in the report.
func wantStates(t *testing.T, r *bootbuilder.Report, want map[string]bootbuilder.State) {
	t.Helper()
	got := make(map[string]bootbuilder.State)
	for _, g := range r.Generations {
		got[g.ID] = g.State
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("states differ (-want +got):\n%s", d)
	}
}

// ids are the Xen entries in one of these states.
func ids(r *bootbuilder.Report, states ...bootbuilder.State) []string {
	set := make(map[string]bool)
	for _, g := range r.Generations {
		if slices.Contains(states, g.State) {
			set[g.ID] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// installedNow are the states of a generation whose entry is right after a run.
var installedNow = []bootbuilder.State{bootbuilder.Added, bootbuilder.Changed, bootbuilder.Unchanged}

// warnings are the texts of what went wrong, advice those of the rest.
func warnings(r *bootbuilder.Report) []string { return textsOf(r, false) }
func advice(r *bootbuilder.Report) []string   { return textsOf(r, true) }

func textsOf(r *bootbuilder.Report, advice bool) (texts []string) {
	for _, w := range r.Warnings {
		if w.Advice == advice {
			texts = append(texts, w.Message)
		}
	}
	return texts
}

// What machines are made of.

// testSigner is the signer of a key of the fixtures.
func testSigner(t *testing.T, key string) bootbuilder.Signer {
	t.Helper()
	dir := t.TempDir()
	if err := fixtures.LayOutKeys(dir, key); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "keys/db/db.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, warnings, err := bootbuilder.LoadSignerBundle(dir)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("load the key %q: %v, warnings %v", key, err, warnings)
	}
	return signer
}

// xenSystem is a system with Xen of this version.
func xenSystem(version string, params ...string) fixtures.System {
	s := fixtures.System{Xen: &fixtures.Xen{Version: version}}
	if len(params) > 0 {
		s.Xen.Params = params
	}
	return s
}

var allLayouts = []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutEmbedded, bootbuilder.LayoutUnified}

// quick is a file system that syncs nothing, where syncing is not what is tested.
func (m *machine) quick(dir esp.FS) esp.FS {
	if m.synced {
		return dir
	}
	return &unsynced{dir}
}

type unsynced struct{ esp.FS }

type unsyncedWriter struct{ esp.Writer }

func (unsynced) SyncDir(string) error { return nil }
func (unsynced) FlushTables() error   { return nil }
func (unsynced) Flush() error         { return nil }
func (unsynced) Sync() error          { return nil }
func (unsyncedWriter) Send() error    { return nil }
func (unsyncedWriter) Sync() error    { return nil }

func (u unsynced) Create(name string) (esp.Writer, error) {
	w, err := u.FS.Create(name)
	if err != nil {
		return nil, err
	}
	return unsyncedWriter{w}, nil
}

func (u unsynced) Update(name string) (esp.Writer, error) {
	w, err := u.FS.Update(name)
	if err != nil {
		return nil, err
	}
	return unsyncedWriter{w}, nil
}

// withScriptNames calls each image of the embedded layout by the name that nixpkgs' script gives it, which it has where that was free when
// it was made. What it says of the kernel's place depends on that: verify looks into it.
func withScriptNames(files map[string]string) map[string]string {
	own := regexp.MustCompile(`EFI/xen/(xen-.*)-[0-9a-f]{16}\.efi`)
	all := make(map[string]string)
	for name, content := range files {
		if isPadded(name) {
			content = own.ReplaceAllString(content, "EFI/nixos/$1.efi")
		}
		if plain := own.ReplaceAllString(name, "EFI/nixos/$1.efi"); plain != name || strings.Contains(name, "EFI/nixos/xen-") {
			name, content = plain, "an image"
		}
		all[name] = content
	}
	return all
}
