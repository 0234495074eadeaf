package bootbuilder

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// discover finds the generations, each with its bootspec or the reason why it has none.
func discover(in *inputs, from Source) ([]*Generation, error) {
	root, boot := in.root, in.boot
	var found []*Generation
	var err error
	switch from {
	case FromEntries:
		found, err = fromEntries(boot)
	case FromLanzaboote:
		found, err = fromStubs(boot)
	case FromProfiles:
		found, err = fromProfiles(root)
	case FromAuto:
		found, err = fromBoot(boot)
	}
	if err != nil {
		return nil, err
	}
	for _, g := range found {
		if g.Out == nil && g.Spec == nil {
			g.readBootspec(root)
		}
		if g.Out == nil {
			g.complete(in)
		}
	}
	slices.SortStableFunc(found, compareGenerations)
	outCollisions(found)
	return found, nil
}

// fromBoot takes both what systemd-boot-builder and what Lanzaboote left. A type #1 entry
// beside a stub of the same generation is what is left of a time before Lanzaboote.
func fromBoot(boot esp.FS) ([]*Generation, error) {
	found, err := fromStubs(boot)
	if err != nil {
		return nil, err
	}
	stubs := make(map[string]bool)
	for _, g := range found {
		stubs[g.ID] = true
		stubs[g.Toplevel] = g.Toplevel != ""
	}
	entries, err := fromEntries(boot)
	if err != nil {
		return nil, err
	}
	for _, g := range entries {
		if !stubs[g.ID] && !stubs[g.Toplevel] {
			found = append(found, g)
		}
	}
	return found, nil
}

// fromEntries reads the entries that systemd-boot-builder wrote.
func fromEntries(boot esp.FS) ([]*Generation, error) {
	list, err := listDirectory(boot, entriesDir)
	if err != nil {
		return nil, err
	}
	var found []*Generation
	for _, e := range list {
		name, ok := esp.ParseName(e.Name())
		if !ok || name.Kind != esp.NixOS || e.IsDir() {
			continue
		}
		g := &Generation{
			ID: name.As(esp.Xen).ID(), Name: name, number: name.Generation,
			Source: FromEntries, File: path.Join(entriesDir, e.Name()),
		}
		g.readEntry(boot)
		found = append(found, g)
	}
	return found, nil
}

// numberInVersion finds the generation in the version of a hash-named entry.
var numberInVersion = regexp.MustCompile(`^Generation ([0-9]+)\b`)

// readEntry reads a NixOS entry.
func (g *Generation) readEntry(boot esp.FS) {
	text, err := esp.ReadFile(boot, g.File, maxEntry)
	if err != nil {
		g.out(EntryInvalid, err)
		return
	}
	e, err := esp.ParseEntry(text)
	if err != nil {
		g.out(EntryInvalid, fmt.Errorf("%s: %w", boot.Path(g.File), err))
		return
	}
	g.Title, _ = e.Get("title")
	g.Version, _ = e.Get("version")
	g.SortKey, _ = e.Get("sort-key")
	g.MachineID, _ = e.Get("machine-id")
	if m := numberInVersion.FindStringSubmatch(g.Version); m != nil && g.number == 0 {
		g.number, _ = strconv.ParseUint(m[1], 10, 64)
	}
	options := e.Options()
	if uki, ok := e.Get("uki"); ok && options == "" {
		if options, err = ukiOptions(boot, uki); err != nil {
			g.out(EntryInvalid, err)
			return
		}
	}
	if err := g.setInit(options); err != nil {
		g.out(EntryInvalid, fmt.Errorf("%s: %w", boot.Path(g.File), err))
		return
	}
	g.kernel = onBoot(e, "linux")
	g.devicetree = onBoot(e, "devicetree")
	for _, value := range e.All("initrd") {
		if name, ok := esp.BootPath(value); ok {
			g.initrds = append(g.initrds, bootFile{boot: name})
		}
	}
}

func onBoot(e *esp.Entry, key string) bootFile {
	value, _ := e.Get(key)
	name, _ := esp.BootPath(value)
	return bootFile{boot: name}
}

// setInit finds the toplevel by what the kernel gets as init=.
func (g *Generation) setInit(options string) error {
	init, ok := esp.InitParam(options)
	if !ok {
		return errors.New("no init= in its options, so its toplevel is unknown")
	}
	if !path.IsAbs(init) || path.Clean(init) != init {
		return fmt.Errorf("init=%s is not a clean absolute path", init)
	}
	g.Toplevel = path.Dir(init)
	return nil
}

// readBootspec reads boot.json from the toplevel.
func (g *Generation) readBootspec(root *nixroot.Root) { g.readBootspecAt(root, g.Toplevel) }

// readBootspecAt reads boot.json from a directory that is the toplevel, or leads to it.
func (g *Generation) readBootspecAt(root *nixroot.Root, dir string) {
	name := path.Join(dir, "boot.json")
	text, err := readRootFile(root, name, bootspec.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		g.out(BootspecMissing, fmt.Errorf("%w (garbage-collected?)", err))
		return
	}
	if err != nil {
		g.out(BootspecInvalid, err)
		return
	}
	if g.Spec, err = bootspec.Parse(text); err != nil {
		g.out(BootspecInvalid, fmt.Errorf("%s: %w", root.Path(name), err))
		return
	}
	if g.Spec.Xen == nil {
		g.out(NoExtension, nil)
	}
}

// complete fills in from the bootspec what the entry left open.
func (g *Generation) complete(in *inputs) {
	if g.Title == "" {
		g.Title = entryTitle(g.Name)
	}
	if g.Version == "" {
		g.Version = g.Spec.Label
		if g.number != 0 {
			g.Version = fmt.Sprintf("Generation %d %s", g.number, g.Spec.Label)
		}
	}
	if !in.onBoot(g.kernel) {
		g.kernel = in.likeInstaller(g.Spec.Kernel, false)
	}
	secrets := g.Spec.InitrdSecrets != ""
	switch {
	case g.Spec.Initrd == "":
	case len(g.initrds) == 0:
		g.initrds = []bootFile{in.likeInstaller(g.Spec.Initrd, secrets)}
	case !in.onBoot(g.initrds[0]) && !secrets:
		// The store's initrd is the one that was on $BOOT, unless secrets were added to it.
		g.initrds[0] = bootFile{store: g.Spec.Initrd}
	}
	g.initrds = append(g.initrds, g.extraInitrds...)
	g.extraInitrds = nil
	if dtb := g.Spec.SystemdBoot.Devicetree; dtb != "" && !in.onBoot(g.devicetree) {
		g.devicetree = in.likeInstaller(dtb, false)
	}
}

// likeInstaller is a file of the store: on $BOOT if NixOS' installer has put it there, else in
// the store. With secrets, the copy on $BOOT counts only if something was appended to it.
func (in *inputs) likeInstaller(store string, secrets bool) bootFile {
	f := bootFile{store: store}
	name, err := in.payloadName(store)
	if err != nil {
		return f
	}
	copied := path.Join(nixosDir, name)
	have, err := in.boot.Stat(copied)
	if err != nil || have.Size() == 0 {
		return f
	}
	want, err := in.root.Stat(store)
	if err != nil || secrets == (want.Size() == have.Size()) {
		return f
	}
	return bootFile{boot: copied}
}

// onBoot reports whether a file is named, and on $BOOT.
func (in *inputs) onBoot(f bootFile) bool { return f.boot != "" && in.check(f) == nil }

// entryTitle is the title that systemd-boot-builder gives by default.
func entryTitle(n esp.Name) string {
	title := "NixOS"
	if n.Profile != "" {
		title += " [" + n.Profile + "]"
	}
	if n.Specialisation != "" {
		title += " (" + n.Specialisation + ")"
	}
	return title
}

// outCollisions leaves out each generation whose id, in any letter case, another one
// already has: FAT would hold only one of them.
func outCollisions(found []*Generation) {
	first := make(map[string]*Generation)
	for _, g := range found {
		id := strings.ToLower(g.ID)
		if other, ok := first[id]; ok {
			g.out(Collision, fmt.Errorf("its Xen entry %s would be that of %s too", g.ID, other.File))
			continue
		}
		first[id] = g
	}
}
