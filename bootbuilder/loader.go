package bootbuilder

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/efivars"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// maxLoaderConf bounds what is read of loader.conf, in bytes.
const maxLoaderConf = 64 << 10

// loaderConf is loader.conf as it is.
type loaderConf struct {
	text []byte // nil: there is none
}

// changed reports whether the decision changes it.
func (c loaderConf) changed(d nextboot.Decision) bool {
	return d.Conf != nil && !bytes.Equal(bytes.TrimRight(c.text, "\n"), bytes.TrimRight(d.Conf, "\n"))
}

func readLoaderConf(target Target) (loaderConf, error) {
	text, err := esp.ReadFile(target.ESP, bootname.LoaderConf, maxLoaderConf)
	if errors.Is(err, fs.ErrNotExist) {
		return loaderConf{}, nil
	}
	if text == nil {
		text = []byte{}
	}
	return loaderConf{text}, err
}

// world is everything that decides what starts next, before anything is planned.
type world struct {
	input  nextboot.Input
	places []installed.Place // of the first entries of input.Before: those that are files
	found  []generation.Generation
	inv    *installed.Inventory
}

// worldOf gathers it.
func worldOf(
	target Target, options Options, fw firmwareState, inv *installed.Inventory,
	conf loaderConf, current string, found []generation.Generation,
) world {
	before, places := menuOf(target, inv)
	w := world{places: places, found: found, inv: inv, input: nextboot.Input{
		Conf: conf.text, Vars: fw.vars, Policy: policyOf(options.Default),
		Version:      installedLoader(target.ESP),
		Before:       before,
		FromProfiles: options.From == FromProfiles,
		Refused:      fw.state.Known && fw.state.Enabled && !options.signs(),
		Undecided:    !slices.ContainsFunc(found, isGeneration) || unread(inv),
		CanArm:       fw.canArm,
	}}
	for _, g := range found {
		w.input.Generations = append(w.input.Generations, generationOf(g, current))
	}
	if options.From == FromProfiles && len(bytes.TrimSpace(conf.text)) == 0 {
		w.input.Conf = nil // there is none, or one that a run was about to make
	}
	w.input.After = w.input.Before
	return w
}

// installedLoader is the version of the systemd-boot on the ESP; unknown where it does not say.
func installedLoader(espFS esp.FS) nextboot.Version {
	info, err := efivars.Installed(espFS)
	if err != nil {
		return nextboot.Version{}
	}
	return nextboot.ParseVersion(info)
}

// unread reports whether something in the menu could not be read: it may be what is started now, so that nobody can
// tell what is right.
func unread(inv *installed.Inventory) bool {
	return slices.ContainsFunc(inv.Menu, menu.Item.Unreadable) || slices.ContainsFunc(inv.ESPMenu, menu.Item.Unreadable)
}

func policyOf(m DefaultMode) nextboot.Policy {
	switch m {
	case DefaultNixOS:
		return nextboot.PreferNixOS
	case DefaultKeep:
		return nextboot.Keep
	case DefaultTry:
		return nextboot.Trial
	}
	return nextboot.PreferXen
}

// generationOf is a generation as the decision sees it.
func generationOf(g generation.Generation, current string) nextboot.Generation {
	n := nextboot.Generation{
		Toplevel: g.Toplevel, Profile: g.Name.Profile, Number: g.Name.Generation, Specialisation: g.Name.Specialisation,
		Current: g.Toplevel != "" && g.Toplevel == current && g.Name.Profile == "" && g.Name.Specialisation == "",
	}
	for _, s := range g.Selectors {
		n.NixOS = append(n.NixOS, path.Base(s.File))
	}
	return n
}

// meant is the index of the generation that NixOS' own choice means, or -1.
func (w world) meant() int {
	if i, ok := nextboot.Chosen(w.input); ok {
		return i
	}
	return -1
}

// after is the same world with what is planned.
func (w world) after(outcomes []outcome, v verdict) nextboot.Input {
	in := w.input
	in.Undecided = !v.decisive || unread(w.inv)
	var stays []nextboot.Entry
	goes := make(map[installed.Place]bool)
	for _, e := range v.entries {
		goes[e.Place()] = true
	}
	for i, e := range in.Before {
		if i >= len(w.places) || !goes[w.places[i]] {
			stays = append(stays, e)
		}
	}
	after := newMenuList(stays)
	in.Generations = append([]nextboot.Generation(nil), in.Generations...)
	for _, o := range outcomes {
		if o.variant.Name != "" && o.files != nil {
			after.replace(plannedEntry(o))
		}
	}
	for i, o := range mains(outcomes) {
		g := &in.Generations[i]
		g.Failed = o.skip.Failed()
		if o.files != nil {
			entry := plannedEntry(o)
			g.Xen = entry.File
			after.replace(entry)
		} else if kept := v.keptFor(o.Generation); kept != nil {
			g.Xen = kept.Base()
		}
	}
	in.After = after.entries
	return in
}

// mains are the outcomes of generations, without their variants: as many as generations were found.
func mains(outcomes []outcome) []outcome {
	isVariant := func(o outcome) bool { return o.variant.Name != "" }
	if !slices.ContainsFunc(outcomes, isVariant) {
		return outcomes
	}
	return slices.DeleteFunc(slices.Clone(outcomes), isVariant)
}

// plannedEntry is the entry that a generation will have.
func plannedEntry(o outcome) nextboot.Entry {
	if o.files.Entry == nil {
		d := o.Described
		return nextboot.Entry{
			File: path.Base(o.files.Image), Kind: nextboot.XenImage, SortKey: d.SortKey, Version: d.Version, Toplevel: o.Toplevel,
		}
	}
	d := o.Menu()
	return nextboot.Entry{
		File: o.files.EntryID, Kind: nextboot.XenEntry,
		SortKey: d.SortKey, Version: d.Version, MachineID: d.MachineID, Toplevel: o.Toplevel,
	}
}

// menuList is a menu in which an entry is found by its file name.
type menuList struct {
	entries []nextboot.Entry
	at      map[esp.Key]int
}

func newMenuList(entries []nextboot.Entry) menuList {
	m := menuList{entries: make([]nextboot.Entry, 0, len(entries)), at: make(map[esp.Key]int, len(entries))}
	for _, e := range entries {
		m.entries = append(m.entries, e)
		if key := esp.KeyOf(e.File); m.at[key] == 0 {
			m.at[key] = len(m.entries)
		}
	}
	return m
}

// replace puts an entry where the first one of its name is, or at the end.
func (m *menuList) replace(e nextboot.Entry) {
	key := esp.KeyOf(e.File)
	if i := m.at[key]; i > 0 {
		m.entries[i-1] = e
		return
	}
	m.entries = append(m.entries, e)
	m.at[key] = len(m.entries)
}

// menuOf is what systemd-boot has to choose from, on both file systems: first what are files, and where they are, and then what
// it adds by itself.
func menuOf(target Target, inv *installed.Inventory) ([]nextboot.Entry, []installed.Place) {
	list := make([]nextboot.Entry, 0, len(inv.Menu)+len(inv.ESPMenu))
	places := make([]installed.Place, 0, cap(list))
	ours := make(map[installed.Place]*installed.Entry, len(inv.Entries))
	for _, entries := range [][]installed.Entry{inv.Entries, inv.Astray} {
		for i := range entries {
			ours[entries[i].Place()] = &entries[i]
		}
	}
	add := func(fsys esp.FS, items []menu.Item) {
		for _, i := range items {
			e, at := readItem(i), installed.Place{FS: fsys, Name: i.File}
			if own, ok := ours[at]; ok {
				e.Kind, e.Toplevel = nextboot.XenEntry, own.Toplevel
				if own.IsImage() {
					e.Kind = nextboot.XenImage
				}
				e.Dead = own.Broken != nil
			}
			e.Hidden = e.Hidden || hidden(inv, fsys, i)
			if e.Kind == nextboot.Stub {
				e.Dead = e.Dead || deadStub(fsys, i)
			}
			if e.Toplevel == "" {
				e.Toplevel = toplevelOf(i)
			}
			list, places = append(list, e), append(places, at)
		}
	}
	add(target.Boot, inv.Menu)
	if target.ESP != target.Boot {
		add(target.ESP, inv.ESPMenu)
	}
	return append(list, autoEntries(target.ESP)...), places
}

// autoEntries are those that systemd-boot makes for programs that it finds on its ESP.
func autoEntries(espFS esp.FS) []nextboot.Entry {
	var list []nextboot.Entry
	for _, auto := range []struct{ id, file string }{
		{nextboot.Windows, "EFI/Microsoft/Boot/bootmgfw.efi"}, {nextboot.Shell, "shellx64.efi"}, {nextboot.Shell, "shellaa64.efi"},
	} {
		if _, err := espFS.Stat(auto.file); err == nil || menu.Unreadable(err) {
			list = append(list, nextboot.Entry{File: auto.id, Kind: nextboot.Auto})
		}
	}
	return list
}

// readItem reads what systemd-boot reads of an item.
func readItem(i menu.Item) nextboot.Entry {
	switch {
	case i.Loaded() != nil:
		return nextboot.ReadEntry(i.Base(), kindOf(i), i.Loaded())
	case i.Image != nil:
		return nextboot.ReadImage(i.Base(), kindOf(i), i.Image.Text(".osrel"))
	}
	return nextboot.Entry{File: i.Base(), Kind: kindOf(i)}
}

func kindOf(i menu.Item) nextboot.Kind {
	if n, ok := esp.ParseName(i.Base()); ok && n.Kind == esp.NixOS {
		return nextboot.NixOS
	}
	if _, ok := esp.ParseStubName(i.Base()); ok {
		return nextboot.Stub
	}
	return nextboot.Other
}

// hidden reports whether systemd-boot leaves an item out of its menu: one that it can't read, or an
// entry whose program is missing.
func hidden(inv *installed.Inventory, fsys esp.FS, i menu.Item) bool {
	entry := i.Loaded()
	if entry == nil {
		return i.Err != nil
	}
	for _, key := range esp.Programs() {
		value, ok := entry.Get(key)
		if !ok {
			continue
		}
		if key == "uki-url" {
			return false // it is not on this disk
		}
		name, ok := esp.BootPath(value)
		if !ok {
			return true
		}
		err := inv.Exists(fsys, name)
		return err != nil && !menu.Unreadable(err)
	}
	return true
}

// deadStub reports whether a stub's kernel or initrd is gone.
func deadStub(fsys esp.FS, i menu.Item) bool {
	if i.Image == nil {
		return true
	}
	for _, section := range []string{".linux", ".initrd"} {
		name, ok := esp.BootPath(i.Image.Text(section))
		if !ok {
			return true
		}
		if info, err := fsys.Stat(name); err != nil && !menu.Unreadable(err) || err == nil && info.Size() == 0 {
			return true
		}
	}
	return false
}

// toplevelOf is the toplevel that a NixOS entry or stub names.
func toplevelOf(i menu.Item) string {
	options := ""
	switch {
	case i.Loaded() != nil:
		options = i.Loaded().Options()
	case i.Image != nil:
		options = i.Image.Text(".cmdline")
	}
	init, ok := esp.InitParam(options)
	if !ok || !strings.HasPrefix(init, "/") {
		return ""
	}
	return path.Dir(init)
}
