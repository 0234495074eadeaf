package bootbuilder_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// afterInstall is one way of installing, of all that there are.
type afterInstall struct {
	nixos    string // what NixOS' own installer left
	from     bootbuilder.Source
	layout   bootbuilder.Layout
	signed   bool
	limit    int
	variants bool
	def      bootbuilder.DefaultMode
	debug    bool // Xen's debug sections are kept
}

func (c afterInstall) String() string {
	return fmt.Sprintf("%s, from %s, %s, signed %v, limit %d, variants %v, default %s, debug %v",
		c.nixos, c.from, c.layout, c.signed, c.limit, c.variants, c.def, c.debug)
}

// afterInstalls are all combinations that NixOS' installers and the layouts allow. The default mode, and whether debug sections
// are kept, go round: nothing that verify looks at depends on both of them and the rest.
func afterInstalls() []afterInstall {
	sources := map[string][]bootbuilder.Source{
		"systemd-boot":               {bootbuilder.FromAuto, bootbuilder.FromEntries, bootbuilder.FromProfiles},
		"systemd-boot, hash names":   {bootbuilder.FromAuto, bootbuilder.FromEntries, bootbuilder.FromProfiles},
		"systemd-boot, a short menu": {bootbuilder.FromAuto, bootbuilder.FromProfiles},
		"lanzaboote":                 {bootbuilder.FromAuto, bootbuilder.FromLanzaboote, bootbuilder.FromProfiles},
		"both":                       {bootbuilder.FromAuto, bootbuilder.FromEntries, bootbuilder.FromLanzaboote, bootbuilder.FromProfiles},
		"nothing":                    {bootbuilder.FromProfiles},
	}
	var list []afterInstall
	for _, nixos := range []string{"systemd-boot", "systemd-boot, hash names", "systemd-boot, a short menu", "lanzaboote", "both", "nothing"} {
		for _, from := range sources[nixos] {
			for _, layout := range allLayouts {
				for _, signed := range []bool{false, true} {
					if signed && layout != bootbuilder.LayoutUnified {
						continue
					}
					for _, limit := range []int{0, 1} {
						for _, variants := range []bool{false, true} {
							n := len(list)
							list = append(list, afterInstall{
								nixos, from, layout, signed, limit, variants, bootbuilder.DefaultModes()[n%4], n%3 == 0,
							})
						}
					}
				}
			}
		}
	}
	return list
}

// TestVerifyAfterInstall: right after an install verify says ok of every entry, however it was installed, and whether or not
// verify is told how.
func TestVerifyAfterInstall(t *testing.T) {
	t.Parallel()
	for n, c := range afterInstalls() {
		if testing.Short() && n%17 != 0 {
			continue
		}
		t.Run(strings.ReplaceAll(c.String(), ", ", ","), func(t *testing.T) {
			t.Parallel()
			m := newAfterInstall(t, c)
			report := m.install()
			variants := 0
			for _, g := range report.Generations {
				if g.Variant != "" && g.State == bootbuilder.Added {
					variants++
				}
			}
			if c.variants != (variants > 0) || len(ids(report, bootbuilder.Added)) < 2 {
				t.Fatalf("not what should be installed: %q, %d variants", ids(report, bootbuilder.Added), variants)
			}
			told := m.inspectOptions()
			told.From, told.Variants, told.KeepDebug = m.options.From, m.options.Variants, m.options.KeepDebug
			for name, options := range map[string]bootbuilder.InspectOptions{
				"told how": told, "told nothing": m.inspectOptions(), "without the certificate": {Root: m.options.Root},
			} {
				m.open(func(target bootbuilder.Target) {
					r, err := bootbuilder.Verify(ctx, target, options)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if len(r.Problems)+len(r.Notes) > 0 {
						t.Errorf("%s: problems %q, notes %q", name, r.Problems, r.Notes)
					}
					if len(r.Entries) != len(ids(report, bootbuilder.Added)) {
						t.Errorf("%s: %d entries, want those of %q", name, len(r.Entries), ids(report, bootbuilder.Added))
					}
					for _, e := range r.Entries {
						if e.Health != bootbuilder.OK || e.Hint != "" {
							t.Errorf("%s: %s of %s: %q, hint %q", name, e.Health, e.ID, e.Problems, e.Hint)
						}
						if e.XenVersion == "" || e.Number == 0 {
							t.Errorf("%s: %s is known by %+v", name, e.ID, e.Facts)
						}
					}
				})
			}
		})
	}
}

// newAfterInstall is a machine before the install: three generations, one with a specialisation, one with secrets, one of another
// profile.
func newAfterInstall(t *testing.T, c afterInstall) *machine {
	t.Helper()
	m := newMachine(t)
	unstripped := func(version string) *fixtures.Xen {
		return &fixtures.Xen{Version: version, Image: fixtures.XenImage(fixtures.XenOptions{Version: version, Unstripped: true, HeaderRoom: true})}
	}
	older := fixtures.System{KernelVersion: "6.12.41", Xen: unstripped("4.19.3")}
	newer := fixtures.System{Xen: unstripped("4.20.2")}
	secret := newer
	secret.Secrets = []byte("a secret")
	m.add(fixtures.Generation{Number: 1, System: older})
	m.add(fixtures.Generation{Number: 2, System: secret})
	top := m.add(fixtures.Generation{Number: 3, System: newer, Specialisations: []fixtures.Specialisation{{Name: "trace", System: older}}})
	m.add(fixtures.Generation{Profile: "test", Number: 1, System: newer})
	m.must(m.root.SetDefault(top))
	switch c.nixos {
	case "systemd-boot, hash names":
		m.nixos.Names = fixtures.ContentHashNames
	case "systemd-boot, a short menu":
		m.nixos.Limit = 2
	}
	if strings.HasPrefix(c.nixos, "systemd-boot") || c.nixos == "both" {
		m.rebuild()
	}
	if c.nixos == "lanzaboote" || c.nixos == "both" {
		m.lanzaboote(fixtures.Lanzaboote{})
	}
	m.options.From, m.options.Layout, m.options.Limit, m.options.Default, m.options.KeepDebug = c.from, c.layout, c.limit, c.def, c.debug
	if c.signed {
		m.sign(testSigner(t, "db"))
		m.options.Secrets = bootbuilder.SecretsRun
	}
	if !c.variants {
		return m
	}
	other := fixtures.XenImage(fixtures.XenOptions{Version: "4.21.0", HeaderRoom: true})
	store := func(name, file string, data []byte) string {
		path := fixtures.StorePath(name, data) + "/" + file
		writeTo(t, m.root.Path(path), string(data))
		return path
	}
	m.options.Variants = []bootbuilder.Variant{
		{Name: "verbose", XenParams: []string{"loglvl=all"}, All: true},
		{Name: "newer", Xen: store("xen-4.21.0-boot", "boot/xen-4.21.0.efi", other)},
	}
	if c.layout != bootbuilder.LayoutUnified { // Xen reads neither out of one
		m.options.Variants = append(m.options.Variants, bootbuilder.Variant{
			Name: "extra", Ucode: store("ucode", "intel-ucode.bin", []byte("microcode")), XSM: store("policy", "xenpolicy", []byte("a policy")),
		})
	}
	return m
}
