package bootbuilder

import (
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/compare"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Facts are what people know a generation by. What is not known is left out.
type Facts struct {
	Number         uint64 `json:"number,omitempty"`
	Profile        string `json:"profile,omitempty"` // "" for the system profile
	Specialisation string `json:"specialisation,omitempty"`
	Variant        string `json:"variant,omitempty"`
	Built          string `json:"built,omitempty"` // the day: "2026-11-24"
	Label          string `json:"label,omitempty"` // NixOS' own: "NixOS 26.11 (Linux 6.12.58)"
	Linux          string `json:"linux,omitempty"` // version
	XenVersion     string `json:"xenVersion,omitempty"`
	// XenParams and LinuxParams are the command lines of Xen and of dom0's kernel.
	XenParams   []string `json:"xenParams,omitempty"`
	LinuxParams []string `json:"linuxParams,omitempty"`
}

// factsOf are those of a generation.
func factsOf(g generation.Generation) Facts {
	f := Facts{
		Number: g.Name.Generation, Profile: g.Name.Profile, Specialisation: g.Name.Specialisation,
		Built: dayIn(g.Menu().Version), // a copied root has another change time
	}
	if f.Built == "" {
		f.Built = dayIn(g.Described.Version)
	}
	if g.Spec == nil {
		f.Label = labelIn(g.Menu().Version)
		return f
	}
	f.Label = g.Spec.Label
	f.Linux = versionIn(g.Spec.Kernel)
	f.LinuxParams = g.Spec.KernelParams
	if g.Spec.Xen != nil {
		f.XenVersion, f.XenParams = layout.XenVersion(g.Spec), g.Spec.Xen.Params
	}
	return f
}

// factsInstalled are what an entry itself says, for when its generation is not known.
func factsInstalled(e installed.Entry) Facts {
	f := Facts{Built: dayIn(e.Version)}
	if n, ok := esp.ParseStem(e.ID); ok {
		f.Number, f.Profile, f.Specialisation, f.Variant = n.Generation, n.Profile, n.Specialisation, n.Variant
	}
	if f.Number == 0 {
		f.Number = generation.NumberIn(e.Version)
	}
	if n, ok := bootname.Parse(e.Image); ok {
		f.XenVersion = n.Version
	}
	f.Linux = versionIn("/nix/store/" + strings.TrimSuffix(path.Base(strings.ReplaceAll(e.Cfg.Kernel, `\`, "/")), "-bzImage.efi"))
	f.Label = labelIn(e.Version)
	if f.Linux == "" { // its kernel is inside the image
		_, behind, _ := strings.Cut(f.Label, "(Linux ")
		f.Linux, _, _ = strings.Cut(behind, ")")
	}
	f.XenParams, f.LinuxParams = strings.Fields(e.Cfg.Options), strings.Fields(e.Cfg.CmdLine)
	return f
}

// labelIn is NixOS' own label in the version of an entry.
func labelIn(version string) string {
	label, _, _ := strings.Cut(version, ", built on ")
	if rest, ok := strings.CutPrefix(label, "Generation "); ok {
		_, label, _ = strings.Cut(rest, " ")
	}
	return label
}

// versionIn is the version in the name of a store path, "" for none.
func versionIn(name string) string {
	_, _, version, _ := compare.SplitStorePath(name)
	return version
}

// dayIn finds the day in the version of an entry: "Generation 5 …, built on 2026-11-24", or lzbt's
// "Generation 5, 2026-11-24".
func dayIn(version string) string {
	const day = len("2026-11-24")
	if len(version) < day {
		return ""
	}
	last := version[len(version)-day:]
	if strings.Trim(last, "0123456789-") != "" || last[4] != '-' || last[7] != '-' {
		return ""
	}
	return last
}

// Comparison says what differs between two generations.
type Comparison struct {
	With        string               `json:"with"` // the older one's id
	Number      uint64               `json:"number,omitempty"`
	Differences []compare.Difference `json:"differences"`
}

// Difference is one field of a [Comparison] that is not the same.
type Difference = compare.Difference

// comparable is a generation as it is compared.
func comparable(g generation.Generation, lay Layout) compare.Generation {
	c := compare.Generation{Title: g.Menu().Title, Layout: string(lay)}
	if g.Spec == nil {
		return c
	}
	c.Linux, c.LinuxParams, c.Devicetree = g.Spec.Kernel, g.Spec.KernelParams, g.Spec.SystemdBoot.Devicetree
	if g.Spec.Initrd != "" {
		c.Initrds = append(c.Initrds, g.Spec.Initrd)
	}
	c.Initrds = append(c.Initrds, g.Spec.ExtraInitrds...)
	if g.Spec.Xen != nil {
		c.Xen, c.XenVersion, c.XenParams = g.Spec.Xen.EFIPath, g.Spec.Xen.Version, g.Spec.Xen.Params
	}
	return c
}

// compareGenerations compares two, the older one first.
func compareGenerations(before, after generation.Generation, lay Layout) *Comparison {
	d := compare.Generations(comparable(before, lay), comparable(after, lay))
	if d == nil {
		d = []Difference{}
	}
	return &Comparison{With: before.ID, Number: before.Name.Generation, Differences: d}
}

// previous is the generation before one in its profile, of the same specialisation, or nil.
func previous(outcomes []outcome, at int) *generation.Generation {
	g := outcomes[at]
	for i := at - 1; i >= 0; i-- {
		p := outcomes[i]
		if p.variant.Name == "" && p.Spec != nil && p.Name.Profile == g.Name.Profile && p.Name.Specialisation == g.Name.Specialisation {
			return &outcomes[i].Generation
		}
	}
	return nil
}
