package bootbuilder

import (
	"fmt"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
)

// Warning is one thing that the user should know.
type Warning struct {
	Generation string // id of its Xen entry, "" for the whole run
	Message    string // names file and reason
	Advice     bool   // nothing failed; "quiet" leaves it out
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

// loaders are where systemd-boot's image may lie, on any machine.
var loaders = []string{"EFI/systemd", "EFI/BOOT"}

// adviseOnLoader says so where there is nothing that would read the entries.
func (p *Plan) adviseOnLoader() {
	for _, dir := range loaders {
		if list, err := p.target.ESP.ReadDir(dir); err == nil && len(list) > 0 {
			return
		}
	}
	if p.options.From == FromProfiles && len(p.bundles) > 0 {
		p.Warnings = append(p.Warnings, Warning{Advice: true, Message: fmt.Sprintf(
			"no boot loader is installed on %s: run bootctl install", p.target.ESP.Path("."))})
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
