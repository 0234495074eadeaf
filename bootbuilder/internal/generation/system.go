package generation

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Where Nix keeps the links to a machine's generations (nix-env(1), "Profiles").
const (
	profilesDir      = "/nix/var/nix/profiles"
	namedProfilesDir = "/nix/var/nix/profiles/system-profiles"
	machineIDFile    = "/etc/machine-id"
	storeDir         = "/nix/store"
)

// Place is a toplevel's place in the system: what one profile link leads to, or a
// specialisation of that.
type Place struct {
	Name     esp.Name // profile, number and specialisation
	Link     string   // the profile link, "" where the root has none
	Dir      string   // directory whose change time is the day of the build: a link, or the toplevel
	Toplevel string   // "" where the link leads nowhere
	Spec     *bootspec.Document
	Skip     *Skip // why it can't have a Xen entry; nil if it may
	Gone     bool  // the toplevel is not there any more
}

// System is what the root says of its generations.
type System struct {
	Places []Place // each profile by itself, from old to new, specialisations behind theirs
	// Links reports whether there are profile links. A tree that an image builder makes may
	// have none: then the entries define, too, but nothing may be signed.
	Links     bool
	Current   string // toplevel of the profile "system", "" where unknown
	MachineID string // "" where unknown

	root       *nixroot.Root
	byToplevel map[string][]int
}

// ReadSystem reads the profile links and the bootspecs that they lead to.
func ReadSystem(root *nixroot.Root) (*System, error) {
	s := &System{root: root, byToplevel: make(map[string][]int), MachineID: readMachineID(root)}
	for _, dir := range []string{profilesDir, namedProfilesDir} {
		names, err := root.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, base := range names {
			name, digits, ok := cutLink(base)
			switch {
			case !ok:
			case dir == namedProfilesDir:
				s.addLink(path.Join(dir, base), name, digits)
			case name == "system":
				s.addLink(path.Join(dir, base), "", digits)
			}
		}
	}
	s.Links = len(s.Places) > 0
	s.Current, _ = root.Resolve(path.Join(profilesDir, "system"))
	return s, nil
}

// cutLink takes the name of a profile link apart: NAME-NUMBER-link.
func cutLink(base string) (name, digits string, ok bool) {
	stem, ok := strings.CutSuffix(base, "-link")
	at := strings.LastIndexByte(stem, '-')
	if !ok || at < 1 || strings.Contains(stem[:at], "\n") {
		return "", "", false
	}
	name, digits = stem[:at], stem[at+1:]
	return name, digits, digits != "" && strings.Trim(digits, "0123456789") == ""
}

// addLink adds a profile link's toplevel and its specialisations.
func (s *System) addLink(link, profile, digits string) {
	number, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return
	}
	p := Place{Name: esp.Name{Kind: esp.NixOS, Profile: profile, Generation: number}, Link: link, Dir: link}
	toplevel, err := s.root.ResolveLink(link)
	if err == nil && !isToplevel(toplevel) {
		err = fmt.Errorf("%s leads to %s, which is not a store path", s.root.Path(link), toplevel)
	}
	if err != nil {
		p.Skip = &Skip{BootspecMissing, err}
		s.add(p)
		return
	}
	s.addTree(p, toplevel)
}

// addTree adds a toplevel with its specialisations. Where one path of them leads out of the store,
// nothing of the generation is believed.
func (s *System) addTree(p Place, toplevel string) {
	p.Toplevel = toplevel
	p.Spec, p.Skip, p.Gone = s.readSpec(toplevel)
	tree := []Place{p}
	if p.Spec == nil {
		tree = append(tree, s.linked(p)...)
	} else {
		for _, special := range p.Spec.Specialisations {
			child := p
			child.Name.Specialisation = special.Name
			child.Dir = path.Join(toplevel, "specialisation", special.Name)
			child.Spec = special.Document
			child.Toplevel, child.Skip = s.checkSpec(toplevel, special.Document)
			tree = append(tree, child)
		}
	}
	leak := slices.IndexFunc(tree, Place.leaks)
	for _, p := range tree {
		if leak >= 0 {
			p.Skip = tree[leak].Skip
		}
		s.add(p)
	}
}

// leaks reports whether a bootspec, or a path in it, does not lead into the store.
func (p Place) leaks() bool {
	return p.Skip != nil && p.Skip.Reason == BootspecInvalid && (p.Spec != nil || errors.Is(p.Skip, errOutside))
}

// linked are the specialisations of a toplevel whose own boot.json can't be read: the toplevel links to
// them, and each has a boot.json of its own.
func (s *System) linked(p Place) (list []Place) {
	dir := path.Join(p.Toplevel, "specialisation")
	names, err := s.root.ReadDir(dir)
	if err != nil {
		return nil // there are none, or nothing of it can be read
	}
	for _, name := range names {
		child := p
		child.Name.Specialisation, child.Dir = name, path.Join(dir, name)
		if child.Toplevel, err = s.root.Resolve(child.Dir); err != nil || !isToplevel(child.Toplevel) {
			continue
		}
		child.Spec, child.Skip, child.Gone = s.readSpec(child.Toplevel)
		list = append(list, child)
	}
	return list
}

func (s *System) add(p Place) {
	if p.Toplevel != "" {
		s.byToplevel[p.Toplevel] = append(s.byToplevel[p.Toplevel], len(s.Places))
	}
	s.Places = append(s.Places, p)
}

// readSpec reads the boot.json of a toplevel, which may be gone.
func (s *System) readSpec(toplevel string) (doc *bootspec.Document, skip *Skip, gone bool) {
	doc, skip = s.parseSpec(toplevel)
	if doc == nil {
		if err := s.root.Exists(toplevel); err != nil {
			return nil, &Skip{BootspecMissing, fmt.Errorf("%w (garbage-collected?)", err)}, errors.Is(err, fs.ErrNotExist)
		}
	}
	return doc, skip, false
}

func (s *System) parseSpec(toplevel string) (*bootspec.Document, *Skip) {
	name := toplevel + "/boot.json"
	text, err := s.root.ReadPlainFile(name, bootspec.MaxSize)
	if err != nil { // most likely it is a link: to where?
		if err := s.inStore(toplevel, name); err != nil {
			return nil, &Skip{BootspecInvalid, err}
		}
		text, err = s.root.ReadFile(name, bootspec.MaxSize)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Skip{BootspecMissing, err}
	}
	if err != nil {
		return nil, &Skip{BootspecInvalid, err}
	}
	doc, err := bootspec.Parse(text)
	if err != nil {
		return nil, &Skip{BootspecInvalid, fmt.Errorf("%s: %w", s.root.Path(name), err)}
	}
	_, skip := s.checkSpec(toplevel, doc)
	return doc, skip
}

// checkSpec holds every path of a bootspec against the store, and gives the toplevel that it
// is of, "" where that is not in the store.
func (s *System) checkSpec(parent string, doc *bootspec.Document) (toplevel string, skip *Skip) {
	for _, name := range []string{doc.Toplevel, path.Dir(doc.Init)} {
		if resolved, err := s.root.Resolve(name); err == nil && isBelow(path.Dir(parent), resolved) {
			toplevel = resolved
			break
		}
	}
	paths := []string{doc.Toplevel, doc.Init, doc.Kernel, doc.Initrd, doc.InitrdSecrets, doc.SystemdBoot.Devicetree}
	if doc.Xen != nil {
		paths = append(paths, doc.Xen.EFIPath)
	}
	for _, name := range paths {
		if name == "" {
			continue
		}
		if err := s.inStore(parent, name); err != nil {
			return toplevel, &Skip{BootspecInvalid, err}
		}
	}
	if doc.Xen == nil {
		return toplevel, &Skip{Reason: NoExtension}
	}
	return toplevel, nil
}

// errOutside is of a path in a bootspec that does not lead into the store.
var errOutside = errors.New("which is not in the store")

// inStore refuses a name that leads out of the store that its toplevel lies in. A name that
// leads nowhere has to say that it is of the store, too.
func (s *System) inStore(toplevel, name string) error {
	resolved, err := s.root.Resolve(name)
	if err != nil {
		return err
	}
	if !isBelow(path.Dir(toplevel), resolved) {
		return fmt.Errorf("%s leads to %s, %w", s.root.Path(name), s.root.Path(resolved), errOutside)
	}
	return nil
}

// CheckPath refuses a path that leads out of the store that a toplevel lies in.
func (s *System) CheckPath(toplevel, name string) error { return s.inStore(toplevel, name) }

func isBelow(dir, name string) bool { return strings.HasPrefix(name, dir+"/") }

// isToplevel reports whether a resolved path is a path of a Nix store, which is /nix/store but
// for those who build Nix otherwise, and below /nix even there.
func isToplevel(name string) bool {
	dir, base := path.Split(name)
	return bootname.IsStoreName(base) && (dir == storeDir+"/" || strings.HasPrefix(dir, "/nix/") && path.Base(dir) == "store")
}

// readMachineID is the machine-id of the system below the root, or "".
func readMachineID(root *nixroot.Root) string {
	b, err := root.ReadFile(machineIDFile, 64)
	id := string(bytes.TrimSpace(b))
	if err != nil || len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// Spec is the bootspec of a toplevel that is a generation, or nil.
func (s *System) Spec(toplevel string) *bootspec.Document {
	for _, i := range s.byToplevel[toplevel] {
		if spec := s.Places[i].Spec; spec != nil {
			return spec
		}
	}
	return nil
}

// Former is the bootspec of a toplevel of the store that no profile link leads to any more, or nil. It
// says what an image of that time has to hold, and makes no generation of it.
func (s *System) Former(toplevel string) *bootspec.Document {
	resolved, err := s.root.Resolve(toplevel)
	if err != nil || !isToplevel(resolved) {
		return nil
	}
	if spec, skip, _ := s.readSpec(resolved); skip == nil {
		return spec
	}
	return nil
}

// Collected reports whether a toplevel has the path of one in the store, and is not there any more.
func (s *System) Collected(toplevel string) bool {
	resolved, err := s.root.Resolve(toplevel)
	if err != nil || !isToplevel(resolved) {
		return false
	}
	_, err = s.root.Stat(resolved)
	return errors.Is(err, fs.ErrNotExist)
}
