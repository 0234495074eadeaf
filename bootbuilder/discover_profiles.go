package bootbuilder

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Where Nix keeps the links to a machine's generations (nix-env(1), "Profiles").
const (
	profilesDir      = "/nix/var/nix/profiles"
	namedProfilesDir = "/nix/var/nix/profiles/system-profiles"
	machineIDFile    = "/etc/machine-id"
)

var (
	systemLink  = regexp.MustCompile(`^(system)-([0-9]+)-link$`)
	profileLink = regexp.MustCompile(`^(.+)-([0-9]+)-link$`)
	machineID   = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// fromProfiles reads the links below the root, for an ESP that holds nothing of NixOS. What
// its entries would say is made up here as systemd-boot-builder makes it up.
func fromProfiles(root *nixroot.Root) ([]*Generation, error) {
	found, err := fromLinks(root, profilesDir, systemLink)
	if err != nil {
		return nil, WithHint(err, "--root is where the NixOS system is mounted")
	}
	named, err := fromLinks(root, namedProfilesDir, profileLink)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	found = append(found, named...)
	id := readMachineID(root)
	current, _ := root.Resolve(path.Join(profilesDir, "system"))
	for _, g := range found {
		g.MachineID = id
		g.isDefault = g.Toplevel == current && g.Name.Profile == "" && g.Name.Specialisation == ""
	}
	return found, nil
}

// fromLinks reads the links of one directory.
func fromLinks(root *nixroot.Root, dir string, link *regexp.Regexp) ([]*Generation, error) {
	names, err := root.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []*Generation
	for _, base := range names {
		m := link.FindStringSubmatch(base)
		if m == nil {
			continue
		}
		number, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil {
			continue
		}
		profile := m[1]
		if link == systemLink {
			profile = ""
		}
		g := newFromLink(esp.Name{Kind: esp.NixOS, Profile: profile, Generation: number}, path.Join(dir, base))
		found = append(found, g)
		if g.Toplevel, err = root.Resolve(g.File); err != nil {
			g.out(BootspecMissing, err)
			continue
		}
		g.readBootspecAt(root, g.File)
		if g.Spec == nil {
			continue
		}
		g.describe(root, g.File)
		for _, s := range g.Spec.Specialisations {
			found = append(found, g.specialisation(root, s))
		}
	}
	return found, nil
}

func newFromLink(name esp.Name, link string) *Generation {
	g := &Generation{
		ID: name.As(esp.Xen).ID(), Name: name, number: name.Generation,
		Source: FromProfiles, File: link,
	}
	n, ok := esp.ParseStem(g.ID)
	switch err := esp.ValidFileName(g.ID + ".conf"); {
	case err != nil:
		g.out(BadParameter, err)
	case !ok:
		g.out(BadParameter, fmt.Errorf("%s: systemd-boot would find two boot counters in the name", g.ID))
	default:
		g.ID = n.ID() // without a tail such as +3, which systemd-boot takes for a counter
	}
	return g
}

// specialisation is a generation's named variant.
func (g *Generation) specialisation(root *nixroot.Root, s bootspec.Specialisation) *Generation {
	name := g.Name
	name.Specialisation = s.Name
	child := newFromLink(name, g.File)
	child.Toplevel, child.Spec = s.Document.Toplevel, s.Document
	if child.Spec.Xen == nil {
		child.out(NoExtension, nil)
	}
	child.describe(root, path.Join(g.File, "specialisation", s.Name))
	return child
}

// describe makes what an entry says: title, sort-key, and the version with the day on which
// the toplevel came into the store, which is its change time (its modification time is
// always 1970).
func (g *Generation) describe(root *nixroot.Root, dir string) {
	g.Title = entryTitle(g.Name)
	g.SortKey = g.Spec.SystemdBoot.SortKey
	if g.SortKey == "" {
		g.SortKey = "nixos"
	}
	g.Version = fmt.Sprintf("Generation %d %s", g.number, g.Spec.Label)
	if info, err := root.Stat(dir); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			g.Version += ", built on " + time.Unix(st.Ctim.Unix()).Format(time.DateOnly)
		}
	}
	for _, name := range g.Spec.ExtraInitrds {
		g.extraInitrds = append(g.extraInitrds, bootFile{boot: name})
	}
}

// readMachineID is the machine-id of the system below the root, or "".
func readMachineID(root *nixroot.Root) string {
	b, err := readRootFile(root, machineIDFile, 64)
	if err != nil || !machineID.Match(bytes.TrimSpace(b)) {
		return ""
	}
	return string(bytes.TrimSpace(b))
}
