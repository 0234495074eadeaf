package generation

import (
	"fmt"
	"strings"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Generation is one NixOS generation or specialisation with a place in the menu.
type Generation struct {
	ID       string   // of its Xen entry: "xen-generation-5-specialisation-gaming"
	Name     esp.Name // profile, number and specialisation, by its profile link
	Toplevel string   // its store path, "" where unknown
	Link     string   // the profile link that leads to it, "" where the root has none
	Spec     *bootspec.Document

	// Described is its title, version and sort-key by link and bootspec.
	Described Description
	// Selectors are NixOS' own entries and stubs for it, the one that counts first: whose files are
	// there, a stub before an entry. None where the profile links alone were asked for.
	Selectors []Selector

	// Skip is why it can't have a Xen entry; nil if it may.
	Skip *Skip
	// Nobodys says of an entry that can't be understood that it is not one of a generation of the root: NixOS writes
	// none like it, or its name is that of no profile link.
	Nobodys bool
	// Gone says that its toplevel is not there any more.
	Gone bool
}

// Description is what the menu shows and sorts by.
type Description struct {
	Title     string
	Version   string // "Generation 5 NixOS 25.11 (Linux 6.12.58), built on 2025-12-02"
	SortKey   string
	MachineID string
}

// Selector is NixOS' own entry or stub, as far as it can be read.
type Selector struct {
	File string // "loader/entries/nixos-generation-5.conf", "EFI/Linux/nixos-generation-5-….efi"
	Stub bool
	Description
	// Files are what it names on $BOOT.
	Files Files
	// Tries is its boot counter; nil for none.
	Tries *esp.Tries
	// Complete says that kernel and initrd are there.
	Complete bool

	name  esp.Name
	init  string // what the kernel gets as init=
	fault error
}

// String names the generation for a message: "generation 5 (gaming)".
func (g Generation) String() string {
	s := g.ID
	if g.Name.Generation != 0 {
		s = fmt.Sprintf("generation %d", g.Name.Generation)
	}
	if g.Name.Specialisation != "" {
		s += fmt.Sprintf(" (%s)", g.Name.Specialisation)
	}
	if g.Name.Profile != "" {
		s += fmt.Sprintf(" of profile %s", g.Name.Profile)
	}
	return s
}

// Selector is the entry or stub that counts, or nil.
func (g Generation) Selector() *Selector {
	if len(g.Selectors) == 0 {
		return nil
	}
	return &g.Selectors[0]
}

// Source is where its place in the menu comes from.
func (g Generation) Source() Source {
	switch s := g.Selector(); {
	case s == nil:
		return Profiles
	case s.Stub:
		return Lanzaboote
	}
	return Entries
}

// File is what the generation was found by: entry, stub or profile link.
func (g Generation) File() string {
	if s := g.Selector(); s != nil {
		return s.File
	}
	return g.Link
}

// Menu is the description that NixOS' own entry gives; what it leaves open is made from link
// and bootspec.
func (g Generation) Menu() Description {
	s := g.Selector()
	if s == nil {
		return g.Described
	}
	d := s.Description
	if d.Title == "" {
		d.Title = g.Described.Title
	}
	if d.Version == "" && g.Spec != nil {
		d.Version = g.Spec.Label
		if g.Name.Generation != 0 {
			d.Version = fmt.Sprintf("Generation %d %s", g.Name.Generation, g.Spec.Label)
		}
	}
	return d
}

// describe makes what an entry says from link and bootspec, as systemd-boot-builder and lzbt do. The day
// is that on which the toplevel came into the store, which is its change time (its
// modification time is always 1970).
func (s *System) describe(p Place, stub bool) Description {
	d := Description{Title: entryTitle(p.Name), MachineID: s.MachineID, SortKey: "nixos"}
	if stub {
		d.SortKey = "lanza" // lzbt's default
	}
	if p.Spec == nil {
		return d
	}
	key := p.Spec.SystemdBoot.SortKey
	if stub {
		key = p.Spec.Lanzaboote.SortKey
	}
	if key != "" {
		d.SortKey = key
	}
	d.Version = fmt.Sprintf("Generation %d %s", p.Name.Generation, p.Spec.Label)
	if t, err := s.root.ChangeTime(p.Dir); err == nil {
		d.Version += ", built on " + t.Format(time.DateOnly) // by local time, as NixOS does
	}
	return d
}

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

// entryID is what a generation's Xen entry is called, and why it can't be.
func entryID(n esp.Name) (string, *Skip) {
	id := n.As(esp.Xen).ID()
	if err := esp.ValidFileName(id + ".conf"); err != nil {
		return id, &Skip{BadParameter, err}
	}
	parsed, ok := esp.ParseStem(id)
	if !ok {
		return id, &Skip{BadParameter, fmt.Errorf("%s: systemd-boot would find two boot counters in the name", id)}
	}
	return parsed.ID(), nil // without a tail such as +3, which systemd-boot takes for a counter
}

// compare orders generations: by profile, then from old to new.
func compare(a, b Generation) int {
	if c := strings.Compare(a.Name.Profile, b.Name.Profile); c != 0 {
		return c
	}
	if a.Name.Generation != b.Name.Generation {
		if a.Name.Generation < b.Name.Generation {
			return -1
		}
		return 1
	}
	return a.Name.Compare(b.Name)
}
