package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Plan is what $BOOT should hold, what it holds, and why. Making one writes nothing.
type Plan struct {
	// Generations are all that were found, from old to new, each profile by itself.
	Generations []*Generation
	// Warnings are what the user should know; each is also the reason of a
	// generation's being left out, or advice.
	Warnings []Warning

	target  Target
	options Options
	in      *inputs
	stock   *stock
	bundles []*bundle
	writes  []*file      // payload, then entries; only what is not right already
	kept    []*installed // entries of generations that can't be rebuilt now
	stale   staleFiles
	loader  loaderChange
	// temporary are folders on the running system, for as long as the plan is open.
	temporary []string
	firmware  secureboot.State
	// removal is a plan that leaves nothing of ours.
	removal bool
}

// Warning is one thing that the user should know.
type Warning struct {
	Generation string // id of its Xen entry, "" for the whole run
	Message    string // names file and reason
	Advice     bool   // nothing failed; "quiet" leaves it out
}

// staleFiles are files of ours that nothing needs any more.
type staleFiles struct {
	entries []*installed
	payload []string
	sizes   map[string]int64
}

// NewPlan reads the generations and $BOOT, and decides. It fails only where nothing
// can be decided at all; what is wrong with one generation is a warning.
//
// The plan holds for as long as nobody else writes to $BOOT: see [Install].
func NewPlan(ctx context.Context, target Target, options Options) (*Plan, error) {
	options, err := options.normal()
	if err != nil {
		return nil, err
	}
	root, err := nixroot.Open(options.Root)
	if err != nil {
		return nil, withHint(err, "--root is where the NixOS system is mounted")
	}
	p := &Plan{target: target, options: options, in: newInputs(root, target.Boot)}
	if err := p.fill(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// fill makes the plan, step by step.
func (p *Plan) fill(ctx context.Context) error {
	var err error
	p.readFirmware()
	if p.stock, err = readStock(p.target.Boot); err != nil {
		return err
	}
	if p.Generations, err = discover(p.in, p.options.From); err != nil {
		return err
	}
	if err := p.readLoaderConf(); err != nil {
		return err
	}
	if err := p.selectGenerations(); err != nil {
		return err
	}
	if err := p.addSecrets(ctx); err != nil {
		return err
	}
	if err := p.build(ctx); err != nil {
		return err
	}
	p.keepStanding()
	p.mindFirmware()
	p.mindEditor()
	if err := p.findStale(); err != nil {
		return err
	}
	p.planLoaderConf()
	p.warnOfFailures()
	return nil
}

// Close lets go of the root folder, and removes what was made for the run.
func (p *Plan) Close() error {
	var err error
	if p.in.root != nil {
		err = p.in.root.Close()
	}
	for _, dir := range p.temporary {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// Changes reports whether applying the plan would change anything.
func (p *Plan) Changes() bool {
	return len(p.writes) > 0 || len(p.stale.entries) > 0 || len(p.stale.payload) > 0 ||
		len(p.stock.staged) > 0 || p.loader.changes()
}

// Failed is the error of a default generation that could not be built: everything
// else may be in place, but what the machine starts is not what was asked for. One without
// a boot.json is none: nothing says that it has Xen.
func (p *Plan) Failed() error {
	for _, g := range p.Generations {
		if g.isDefault && g.Out != nil && g.Out.Wrong() && g.Out.Reason != BootspecMissing {
			return fmt.Errorf("no Xen entry for the default, %v: %s", g, g.Out.Text())
		}
	}
	return nil
}

// selectGenerations applies --generation and --limit.
func (p *Plan) selectGenerations() error {
	only, err := p.resolveOnly()
	if err != nil {
		return err
	}
	type key struct {
		profile string
		number  uint64
	}
	numbers := make(map[string][]uint64) // of each profile, from old to new
	for _, g := range p.Generations {
		if len(only) > 0 && !only[g.profileNumber()] {
			g.out(NotSelected, nil)
		}
		list := numbers[g.Name.Profile]
		if len(list) == 0 || list[len(list)-1] != g.number {
			numbers[g.Name.Profile] = append(list, g.number)
		}
	}
	if p.options.Limit == 0 {
		return nil
	}
	within := make(map[key]bool)
	for profile, list := range numbers {
		for _, n := range list[max(0, len(list)-p.options.Limit):] {
			within[key{profile, n}] = true
		}
	}
	for _, g := range p.Generations {
		if !within[key{g.Name.Profile, g.number}] && !g.isDefault {
			g.out(OverLimit, nil)
		}
	}
	return nil
}

// profileNumber is what a generation shares with its specialisations.
func (g *Generation) profileNumber() string { return fmt.Sprintf("%s %d", g.Name.Profile, g.number) }

// resolveOnly finds the generations that --generation names. Specialisations belong to theirs.
func (p *Plan) resolveOnly() (map[string]bool, error) {
	only := make(map[string]bool)
	for _, name := range p.options.Only {
		want, err := p.in.root.Resolve(name)
		if err != nil {
			return nil, err
		}
		found := false
		for _, g := range p.Generations {
			if g.Toplevel == "" {
				continue
			}
			if have, err := p.in.root.Resolve(g.Toplevel); err == nil && have == want {
				only[g.profileNumber()] = true
				found = true
			}
		}
		if !found {
			return nil, withHint(fmt.Errorf("generation %s is not among those found", name),
				"name a profile link (/nix/var/nix/profiles/system-5-link) or a toplevel whose NixOS entry is on $BOOT")
		}
	}
	return only, nil
}

// build makes the files of each generation that is in.
func (p *Plan) build(ctx context.Context) error {
	lay := p.layout()
	planned := make(map[string]*file)
	for _, g := range p.Generations {
		if err := ctx.Err(); err != nil {
			return err
		}
		if g.Out != nil {
			continue
		}
		b, err := p.buildOne(ctx, lay, g, planned)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			var n needError
			if !errors.As(err, &n) {
				n = needError{ImageInvalid, err}
			}
			g.out(n.reason, n.err)
			continue
		}
		p.bundles = append(p.bundles, b)
		p.advise(b)
	}
	return p.collectWrites(ctx)
}

func (p *Plan) layout() layout {
	switch p.options.Layout {
	case LayoutEmbedded:
		return embeddedLayout
	case LayoutUnified:
		return unifiedLayout(p.options.Signer)
	}
	return sharedLayout
}

// buildOne makes one generation's files, all or none, and shares those that an earlier
// generation made too.
func (p *Plan) buildOne(ctx context.Context, lay layout, g *Generation, planned map[string]*file) (*bundle, error) {
	if err := g.checkHashes(ctx, p.in); err != nil {
		return nil, need(PayloadMissing, err)
	}
	b, err := lay(ctx, p.in, g)
	if err != nil {
		return nil, err
	}
	for _, f := range b.all() {
		if other, ok := planned[strings.ToLower(f.name)]; ok && other.key != f.key {
			return nil, need(Collision, fmt.Errorf("%s would have to hold two different contents", p.target.Boot.Path(f.name)))
		}
	}
	// What an earlier generation needs too is one file, decided on and written once.
	for i, f := range b.files {
		b.files[i] = sharedFile(planned, f)
	}
	if b.entry != nil {
		b.entry = sharedFile(planned, b.entry)
	}
	return b, nil
}

func sharedFile(planned map[string]*file, f *file) *file {
	name := strings.ToLower(f.name)
	if other, ok := planned[name]; ok {
		return other
	}
	planned[name] = f
	return f
}

// checkHashes holds the files that a Lanzaboote stub names against its hashes.
func (g *Generation) checkHashes(ctx context.Context, in *inputs) error {
	for _, f := range append([]bootFile{g.kernel}, g.initrds...) {
		want, ok := g.hashes[f]
		if !ok {
			continue
		}
		c, err := in.sum(ctx, f)
		if err != nil {
			return err
		}
		if c.sum != want {
			return fmt.Errorf("%s does not hold what the stub %s says (SHA-256 differs)", in.path(f), in.boot.Path(g.File))
		}
	}
	return nil
}

// collectWrites compares what is planned with what stands, and orders what is to be written:
// payload before entries, each in the order of its generations.
func (p *Plan) collectWrites(ctx context.Context) error {
	var entries []*file
	seen := make(map[*file]bool)
	for _, b := range p.bundles {
		for _, f := range b.all() {
			if seen[f] {
				continue
			}
			seen[f] = true
			if err := p.compare(ctx, f); err != nil {
				return err
			}
			switch {
			case f.current:
			case f.kind == KindEntry:
				entries = append(entries, f)
			default:
				p.writes = append(p.writes, f)
			}
		}
	}
	p.writes = append(p.writes, entries...)
	return nil
}

// compare decides whether a file has to be written.
func (p *Plan) compare(ctx context.Context, f *file) error {
	info, err := p.target.Boot.Stat(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "write", Path: p.target.Boot.Path(f.name), Err: esp.ErrNotRegular}
	}
	f.exists, f.oldSize = true, info.Size()
	f.current, err = f.same(ctx)
	return err
}

// keepStanding keeps the whole entries of generations that can't be rebuilt now, or that
// were not asked for.
func (p *Plan) keepStanding() {
	keep := make(map[string]bool)
	for _, g := range p.Generations {
		if g.Out != nil && (g.Out.Wrong() || g.Out.Reason == NotSelected) {
			keep[strings.ToLower(g.ID)] = true
		}
	}
	for _, b := range p.bundles {
		delete(keep, strings.ToLower(b.gen.ID)) // of a collision, one is in
	}
	for _, e := range p.stock.entries {
		if keep[strings.ToLower(e.id)] && e.broken == nil {
			p.kept = append(p.kept, e)
		}
	}
}

// findStale finds what of ours nothing needs any more. Where no generation at all was
// found, the installer before us most likely failed: then nothing is stale.
func (p *Plan) findStale() error {
	p.stale.sizes = make(map[string]int64)
	if !p.decisive() {
		return nil
	}
	needed := make(map[string]bool)
	need := func(name string) { needed[strings.ToLower(name)] = true }
	for _, b := range p.bundles {
		for _, f := range b.all() {
			need(f.name)
		}
		need(b.image)
	}
	for _, e := range p.kept {
		need(e.entry)
		for _, ref := range e.refs {
			need(ref)
		}
	}
	if err := p.neededByOthers(need); err != nil {
		return err
	}
	for _, e := range p.stock.entries {
		name := e.entry
		if name == "" {
			name = e.image
		}
		if needed[strings.ToLower(name)] {
			continue
		}
		p.stale.entries = append(p.stale.entries, e)
		p.stale.size(p.target.Boot, name)
	}
	for _, name := range p.stock.payload {
		if !needed[strings.ToLower(name)] {
			p.stale.payload = append(p.stale.payload, name)
			p.stale.size(p.target.Boot, name)
		}
	}
	return nil
}

// decisive reports whether what is not planned is stale.
func (p *Plan) decisive() bool { return p.removal || len(p.Generations) > 0 }

func (s *staleFiles) size(boot esp.FS, name string) {
	if info, err := boot.Stat(name); err == nil {
		s.sizes[name] = info.Size()
	}
}

// neededByOthers notes what entries that are not ours name: a hand-written entry may
// well start a kernel or an image of ours.
func (p *Plan) neededByOthers(need func(string)) error {
	list, err := p.target.Boot.ReadDir(entriesDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ours := make(map[string]bool)
	for _, e := range p.stock.entries {
		ours[e.entry] = true
	}
	for _, d := range list {
		name := path.Join(entriesDir, d.Name())
		if ours[name] || d.IsDir() || !strings.EqualFold(path.Ext(name), ".conf") {
			continue
		}
		text, err := esp.ReadFile(p.target.Boot, name, maxEntry)
		if err != nil {
			continue // systemd-boot could not read it either
		}
		e, err := esp.ParseEntry(text)
		if err != nil {
			continue
		}
		for _, key := range []string{"efi", "linux", "initrd", "uki", "devicetree"} {
			for _, value := range e.All(key) {
				if file, ok := esp.BootPath(value); ok {
					need(file)
				}
			}
		}
		if cfg, ok := strings.CutPrefix(e.Options(), configOption); ok {
			need(path.Join(payloadDir, cfg))
		}
	}
	return nil
}

// advise warns of what Xen or systemd-boot will do with a generation that is in.
func (p *Plan) advise(b *bundle) {
	add := func(format string, args ...any) {
		p.Warnings = append(p.Warnings, Warning{
			Generation: b.gen.ID, Advice: true,
			Message: fmt.Sprintf("%v: ", b.gen) + fmt.Sprintf(format, args...),
		})
	}
	if cfg, err := xencfg.Decode(b.config, ""); err == nil {
		for _, w := range xencfg.Warnings(cfg) {
			add("%v", w)
		}
	}
	machine, known := map[string]pe.Machine{"x86_64-linux": pe.AMD64, "aarch64-linux": pe.ARM64}[b.gen.Spec.System]
	if have := p.in.machines[bootFile{store: b.gen.Spec.Xen.EFIPath}]; known && have != machine {
		add("its Xen image is for %v, its system is %s", have, b.gen.Spec.System)
	}
	if !b.gen.devicetree.missing() && !usesDevicetree(b.gen) {
		add("its devicetree is left out: Xen on %s takes none", b.gen.Spec.System)
	}
}

// warnOfFailures makes a warning of each generation that is left out although it should not be.
func (p *Plan) warnOfFailures() {
	for _, g := range p.Generations {
		if g.Out == nil || !g.Out.Wrong() {
			continue
		}
		p.Warnings = append(p.Warnings, Warning{
			Generation: g.ID,
			Message:    fmt.Sprintf("%v is left out: %s", g, g.Out.Text()),
		})
	}
}
