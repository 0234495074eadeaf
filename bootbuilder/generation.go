package bootbuilder

import (
	"crypto/sha256"
	"fmt"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Generation is one NixOS generation or specialisation, as its boot loader
// entry or profile link gives it.
type Generation struct {
	ID       string   // of its Xen entry: "xen-generation-5-specialisation-gaming"
	Name     esp.Name // what its NixOS entry is called
	Source   Source   // where it was found
	File     string   // the entry, stub or link that it was found by
	Toplevel string   // its store path, "" where unknown

	Title     string // title of the NixOS entry
	Version   string // "Generation 5 NixOS 25.11 (Linux 6.12.58), built on 2025-12-02"
	SortKey   string
	MachineID string

	// Spec is its bootspec, nil where that could not be read.
	Spec *bootspec.Document
	// Out is why it gets no Xen entry; nil if it gets one.
	Out *Out

	kernel  bootFile   // what the entry names as kernel
	initrds []bootFile // in the order in which they are joined
	// extraInitrds are on $BOOT and joined behind initrds; an entry names them itself.
	extraInitrds []bootFile
	devicetree   bootFile
	hashes       map[bootFile][sha256.Size]byte // what a Lanzaboote stub says its files hold
	number       uint64                         // for hash-named entries, from version
	isDefault    bool                           // what loader.conf starts
}

// String names the generation for a message: "generation 5 (gaming)".
func (g *Generation) String() string {
	s := g.ID
	if g.number != 0 {
		s = fmt.Sprintf("generation %d", g.number)
	}
	if g.Name.Specialisation != "" {
		s += fmt.Sprintf(" (%s)", g.Name.Specialisation)
	}
	if g.Name.Profile != "" {
		s += fmt.Sprintf(" of profile %s", g.Name.Profile)
	}
	return s
}

// Reason says in one word why a generation has no Xen entry.
type Reason string

// The reasons.
const (
	NoExtension     Reason = "no-extension"     // its bootspec has no Xen extension: Xen is off in it
	BootspecMissing Reason = "bootspec-missing" // no boot.json: garbage-collected, or made without bootspec
	BootspecInvalid Reason = "bootspec-invalid" // boot.json is malformed
	EntryInvalid    Reason = "entry-invalid"    // its NixOS entry or stub can't be understood
	XenMissing      Reason = "xen-missing"      // the Xen image is not in the store
	ImageInvalid    Reason = "image-invalid"    // the Xen image is no PE image, or can't take a section
	PayloadMissing  Reason = "payload-missing"  // kernel or initrd is neither on $BOOT nor in the store
	BadParameter    Reason = "bad-parameter"    // xen.cfg can't hold a parameter or name
	Collision       Reason = "collision"        // another generation has the same id
	OverLimit       Reason = "over-limit"       // older than the newest N
	NotSelected     Reason = "not-selected"     // not among those asked for
	NoSpace         Reason = "no-space"         // $BOOT has no room for it
)

// Out is why a generation gets no Xen entry.
type Out struct {
	Reason Reason
	Err    error // names the file and the cause; nil where the reason says all
}

// Wrong reports whether something is wrong, as opposed to intended.
func (o *Out) Wrong() bool {
	switch o.Reason {
	case NoExtension, OverLimit, NotSelected:
		return false
	}
	return true
}

// Text is the reason as a sentence part.
func (o *Out) Text() string {
	if o.Err != nil {
		return o.Err.Error()
	}
	switch o.Reason {
	case NoExtension:
		return "Xen is not enabled in it"
	case OverLimit:
		return "older than --limit allows"
	case NotSelected:
		return "not among the generations asked for"
	}
	return string(o.Reason)
}

// out marks a generation as left out, with the first reason that was found.
func (g *Generation) out(r Reason, err error) {
	if g.Out == nil {
		g.Out = &Out{Reason: r, Err: err}
	}
}

// compare orders generations: by profile, then from old to new.
func compareGenerations(a, b *Generation) int {
	if a.Name.Hash != "" && b.Name.Hash != "" && a.number != b.number {
		if a.number < b.number {
			return -1
		}
		return 1
	}
	return a.Name.Compare(b.Name)
}
