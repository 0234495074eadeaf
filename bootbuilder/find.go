package bootbuilder

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

func readInventory(target Target) (*installed.Inventory, error) {
	inv, err := installed.Read(target.ESP, target.Boot)
	if errors.Is(err, fs.ErrPermission) {
		return inv, fileHint(err)
	}
	return inv, WithHint(err, "the file system may be damaged: unmount it and run fsck.vfat")
}

// find gives the generations that have a place in the menu.
func find(system *generation.System, inv *installed.Inventory, target Target, options Options) (generation.Found, error) {
	if options.From == FromProfiles {
		if !system.Links {
			return generation.Found{}, WithHint(fmt.Errorf("%s has no profile links of a NixOS system", options.Root), rootHint)
		}
		return system.FromLinks(), nil
	}
	found := system.FromSelectors(selectors(inv, target, options.From))
	if err := wrongRoot(found, target, options.Root); err != nil {
		return found, WithHint(fmt.Errorf("%w; nothing was touched", err), rootHint)
	}
	if options.signs() && !system.Links && len(found.Generations) > 0 {
		return found, WithHint(fmt.Errorf("%s has no profile links, so nothing says which generations may be signed", options.Root), rootHint)
	}
	return found, nil
}

// foundFor gives the generations that led to what is installed: those of the entries, or of the profile links where no entry can
// have.
func foundFor(
	system *generation.System, inv *installed.Inventory, target Target, from Source,
) (Source, generation.Found, []generation.Generation) {
	found := system.FromSelectors(selectors(inv, target, from))
	if from == FromAuto && !found.Selecting && system.Links && len(inv.Entries) > 0 {
		return FromProfiles, found, system.FromLinks().Generations
	}
	return from, found, found.Generations
}

const rootHint = "--root is where the NixOS system of this boot partition is mounted"

// wrongRoot is an error where every NixOS entry that can be read belongs to another system than the root's.
func wrongRoot(found generation.Found, target Target, root string) error {
	i := slices.IndexFunc(found.Generations, isStranger)
	if !found.Selecting || found.Selected || i < 0 {
		return nil
	}
	g := found.Generations[i]
	return fmt.Errorf("not one of the NixOS entries on %s is a generation of the system at %s (%w)",
		target.Boot.Path("."), root, g.Skip)
}

// pick is the generation that an entry starts: with its toplevel, and of several, which have the same, the one whose file it is.
// A name in a later list says more than a toplevel alone in an earlier one.
func pick(toplevel, file string, lists ...[]generation.Generation) *generation.Generation {
	var found *generation.Generation
	for _, list := range lists {
		for n := range list {
			g := &list[n]
			switch {
			case toplevel == "" || g.Toplevel != toplevel:
			case hasFile(*g, file):
				return g
			case found == nil:
				found = g
			}
		}
	}
	return found
}

// hasFile reports whether a file is a generation's NixOS entry or stub, or has the name of its Xen entry or image, a variant's too.
func hasFile(g generation.Generation, file string) bool {
	if slices.ContainsFunc(g.Selectors, func(s generation.Selector) bool { return sameID(path.Base(s.File), path.Base(file)) }) {
		return true
	}
	id := idOf(file)
	if v := variantIn(id); v != "" {
		id = id[:len(id)-len(variantMark+v)]
	}
	return sameID(id, g.ID)
}

// isOwn reports whether a file has the name of a generation's Xen entry or image, and not that of a variant.
func isOwn(g generation.Generation, file string) bool { return sameID(idOf(file), g.ID) }

// idOf is the id of a Xen entry or image, without hash and counter.
func idOf(file string) string {
	base := path.Base(file)
	if n, ok := bootname.Parse(bootname.Unified + "/" + base); ok {
		return n.ID
	}
	if n, ok := esp.ParseName(base); ok {
		return n.ID()
	}
	return strings.TrimSuffix(base, path.Ext(base))
}

// isStranger is of what an entry names that is not a generation of the root. One that can't be read may
// be anybody's.
func isStranger(g generation.Generation) bool {
	return g.Skip != nil && g.Skip.Reason == UnknownGeneration
}

// selectors are NixOS' own entries and stubs on $BOOT.
func selectors(inv *installed.Inventory, target Target, from Source) []generation.Selector {
	there := func(name string) bool { return name != "" && inv.Holds(target.Boot, name) }
	uki := func(name string) (string, error) {
		image, err := menu.ReadImage(target.Boot, name)
		if err != nil {
			return "", err
		}
		if _, ok := image.Sections[".cmdline"]; !ok {
			return "", fmt.Errorf("%s: no section .cmdline", target.Boot.Path(name))
		}
		return image.Text(".cmdline"), nil
	}
	return generation.Selectors(inv.Menu, from, there, uki)
}

// sameID reports whether two ids of entries are one on FAT.
func sameID(a, b string) bool { return esp.SameName(a, b) }

// isEntryOf reports whether an installed entry is a generation's: it has its id and starts its
// toplevel. Nix gives numbers out again, so the id alone says little.
func isEntryOf(e installed.Entry, g generation.Generation) bool {
	if !sameID(e.ID, g.ID) {
		return false
	}
	return e.Toplevel == "" || g.Toplevel == "" || e.Toplevel == g.Toplevel ||
		g.Spec != nil && strings.TrimSuffix(g.Spec.Init, "/init") == e.Toplevel
}
