package bootbuilder_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// bench is a machine to install on: a NixOS root and its boot partitions, in directories.
type bench struct {
	t       *testing.T
	root    *fixtures.Root
	esp     string
	xboot   string // "": the ESP is $BOOT
	options bootbuilder.Options
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, root: fixtures.NewRoot(t.TempDir()), esp: t.TempDir()}
	b.options.Root = b.root.Dir()
	return b
}

// withLayout also takes a signer for the unified layout.
func (b *bench) withLayout(layout bootbuilder.Layout) *bench {
	b.t.Helper()
	b.options.Layout = layout
	if layout == bootbuilder.LayoutUnified {
		b.options.Signer = testSigner(b.t, "db")
	}
	return b
}

// boot is the directory of $BOOT.
func (b *bench) boot() string {
	if b.xboot != "" {
		return b.xboot
	}
	return b.esp
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) add(g fixtures.Generation) *fixtures.Toplevel {
	b.t.Helper()
	top, err := b.root.Add(g)
	b.must(err)
	return top
}

// nixos is what NixOS' own installer does at a rebuild.
func (b *bench) nixos(o fixtures.SystemdBoot) []fixtures.Entry {
	b.t.Helper()
	o.Boot = b.xboot
	entries, err := b.root.InstallSystemdBoot(b.esp, o)
	b.must(err)
	return entries
}

func (b *bench) lanzaboote(o fixtures.Lanzaboote) []fixtures.Stub {
	b.t.Helper()
	stubs, err := b.root.InstallLanzaboote(b.esp, o)
	b.must(err)
	return stubs
}

// on opens the partitions for one run.
func (b *bench) on(run func(bootbuilder.Target)) {
	b.t.Helper()
	espDir, err := esp.OpenDir(b.esp)
	b.must(err)
	defer espDir.Close()
	if b.xboot == "" {
		run(bootbuilder.NewTarget(espDir, nil))
		return
	}
	boot, err := esp.OpenDir(b.xboot)
	b.must(err)
	defer boot.Close()
	run(bootbuilder.NewTarget(espDir, boot))
}

// tryInstall installs, and gives the report even of a run that failed.
func (b *bench) tryInstall() (report *bootbuilder.Report, err error) {
	b.t.Helper()
	b.on(func(target bootbuilder.Target) {
		var plan *bootbuilder.Plan
		if plan, err = bootbuilder.Install(ctx, target, b.options, bootbuilder.Observer{}); plan != nil {
			report = plan.Report()
			b.must(plan.Close())
		}
	})
	return report, err
}

func (b *bench) install() *bootbuilder.Report {
	b.t.Helper()
	report, err := b.tryInstall()
	b.must(err)
	return report
}

// installTwice wants the second run to change nothing.
func (b *bench) installTwice() *bootbuilder.Report {
	b.t.Helper()
	first := b.install()
	before := b.trees()
	if again := b.install(); again.Changed {
		b.t.Errorf("a second run has changes to make: %+v", again)
	}
	b.wantTrees(before)
	return first
}

func (b *bench) remove() {
	b.t.Helper()
	b.on(func(target bootbuilder.Target) {
		plan, err := bootbuilder.Remove(ctx, target, bootbuilder.Observer{})
		b.must(err)
		b.must(plan.Close())
	})
}

func (b *bench) verify() *bootbuilder.Inspection {
	b.t.Helper()
	o := bootbuilder.InspectOptions{Root: b.options.Root}
	if b.options.Signer != nil {
		o.Certificate = b.options.Signer.Certificate()
	}
	var result *bootbuilder.Inspection
	b.on(func(target bootbuilder.Target) {
		var err error
		result, err = bootbuilder.Verify(ctx, target, o)
		b.must(err)
	})
	return result
}

// wantHealthy wants verify to find nothing.
func (b *bench) wantHealthy() {
	b.t.Helper()
	r := b.verify()
	if !r.OK() || len(r.Notes) > 0 {
		b.t.Errorf("verify finds fault with a healthy partition: %q, notes %q, entries %+v", r.Problems, r.Notes, r.Entries)
	}
}

// trees is all that is on the partitions; XBOOTLDR's names start with "xbootldr:".
func (b *bench) trees() map[string]string {
	b.t.Helper()
	all := snapshot(b.t, b.esp)
	if b.xboot != "" {
		for name, data := range snapshot(b.t, b.xboot) {
			all["xbootldr:"+name] = data
		}
	}
	return all
}

func (b *bench) wantTrees(want map[string]string) {
	b.t.Helper()
	if d := cmp.Diff(want, b.trees()); d != "" {
		b.t.Errorf("the partitions differ (-want +got):\n%s", d)
	}
}

// Files on $BOOT, by name relative to it.

func (b *bench) path(name string) string { return filepath.Join(b.boot(), name) }

func (b *bench) read(name string) string {
	b.t.Helper()
	data, err := os.ReadFile(b.path(name))
	b.must(err)
	return string(data)
}

func (b *bench) write(name, data string) {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Dir(b.path(name)), 0o755))
	b.must(os.WriteFile(b.path(name), []byte(data), 0o644))
}

// edit replaces a text that has to be there.
func (b *bench) edit(name, old, new string) {
	b.t.Helper()
	text := b.read(name)
	if !strings.Contains(text, old) {
		b.t.Fatalf("%s holds no %q:\n%s", name, old, text)
	}
	b.write(name, strings.ReplaceAll(text, old, new))
}

func (b *bench) delete(name string) {
	b.t.Helper()
	b.must(os.Remove(b.path(name)))
}

// one is the only file on $BOOT that a pattern matches.
func (b *bench) one(pattern string) string {
	b.t.Helper()
	names := b.glob(pattern)
	if len(names) != 1 {
		b.t.Fatalf("%s matches %q, want one file", pattern, names)
	}
	return names[0]
}

func (b *bench) glob(pattern string) []string {
	b.t.Helper()
	names, err := filepath.Glob(b.path(pattern))
	b.must(err)
	for i, name := range names {
		names[i], err = filepath.Rel(b.boot(), name)
		b.must(err)
	}
	return names
}

func (b *bench) wantFiles(pattern string, want ...string) {
	b.t.Helper()
	if got := b.glob(pattern); !slices.Equal(got, want) {
		b.t.Errorf("%s matches %q, want %q", pattern, got, want)
	}
}

// loaderConf and its default.

func (b *bench) loaderConf() string {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.esp, "loader/loader.conf"))
	b.must(err)
	return string(data)
}

func (b *bench) wantDefault(want string) {
	b.t.Helper()
	if got, _ := esp.ParseLoaderConf([]byte(b.loaderConf())).Get("default"); got != want {
		b.t.Errorf("default is %q, want %q", got, want)
	}
}

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

// wantState wants these states, by id of the Xen entry, and no other generation in the report.
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

// warnings are the texts of those that are no advice.
func warnings(r *bootbuilder.Report) []string {
	var texts []string
	for _, w := range r.Warnings {
		if !w.Advice {
			texts = append(texts, w.Message)
		}
	}
	return texts
}

func testSigner(t *testing.T, key string) bootbuilder.Signer {
	t.Helper()
	dir := t.TempDir()
	if err := fixtures.LayOutKeys(dir, key); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "keys/db/db.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	sign, warnings, err := bootbuilder.LoadSigner(filepath.Join(dir, "keys/db/db.key"), filepath.Join(dir, "keys/db/db.pem"))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("load the key %q: %v, warnings %q", key, err, warnings)
	}
	return sign
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
