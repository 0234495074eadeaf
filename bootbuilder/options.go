package bootbuilder

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Target is the pair of file systems that systemd-boot reads. Where there is no
// XBOOTLDR partition both are the same.
type Target struct {
	ESP  esp.FS // holds loader/loader.conf
	Boot esp.FS // $BOOT: entries, kernels, images
}

// NewTarget is a [Target]; a nil boot means that the ESP is $BOOT.
func NewTarget(espFS, boot esp.FS) Target {
	if boot == nil {
		boot = espFS
	}
	return Target{ESP: espFS, Boot: boot}
}

// Options say what a [Plan] is made of. The zero value is what the command does
// without flags, except that Root has to be given.
type Options struct {
	Root    string      // root directory of the NixOS system: "/" or "/mnt"
	From    Source      // where generations are found
	Only    []string    // only these generations: profile links or toplevels
	Layout  Layout      // how a generation is laid out on $BOOT
	Default DefaultMode // which entry loader.conf starts
	Limit   int         // the newest N generations of each profile; 0 for all
	Signer  Signer      // signs unified images; nil: they stay unsigned
	// EFIVars is the directory of the EFI variables of the machine that Target belongs to
	// (efivarfs), or "" where that is not the running one.
	EFIVars string
	// RunInitrdSecrets allows running each generation's initrdSecrets program, which is
	// code from Root, where an initrd has to be made anew.
	RunInitrdSecrets bool
}

// Source is where generations are found.
type Source string

// The sources.
const (
	FromAuto       Source = "auto"       // entries and stubs, whichever exist
	FromEntries    Source = "entries"    // type #1 entries nixos-*.conf
	FromLanzaboote Source = "lanzaboote" // stubs EFI/Linux/nixos-*.efi
	FromProfiles   Source = "profiles"   // profile links below the root
)

// Layout is how a generation is laid out on $BOOT; docs/architecture.md compares them.
type Layout string

// The layouts.
const (
	LayoutAuto     Layout = "auto"     // unified with a signer, else shared
	LayoutShared   Layout = "shared"   // one Xen image for many generations, a xen.cfg each
	LayoutEmbedded Layout = "embedded" // xen.cfg inside an image for each generation, as nixpkgs' script
	LayoutUnified  Layout = "unified"  // everything inside one image, a type #2 entry
)

// DefaultMode is which entry loader.conf starts.
type DefaultMode string

// The modes.
const (
	DefaultXen   DefaultMode = "xen"   // the Xen sibling of NixOS' default
	DefaultNixOS DefaultMode = "nixos" // NixOS' own default
	DefaultKeep  DefaultMode = "keep"  // untouched, unless its entry goes away
)

// Sources, Layouts and DefaultModes list the words that the command line takes.
func Sources() []Source { return []Source{FromAuto, FromEntries, FromLanzaboote, FromProfiles} }

// Layouts lists the layouts.
func Layouts() []Layout { return []Layout{LayoutAuto, LayoutShared, LayoutEmbedded, LayoutUnified} }

// DefaultModes lists the default modes.
func DefaultModes() []DefaultMode { return []DefaultMode{DefaultXen, DefaultNixOS, DefaultKeep} }

// normal fills in what the zero value leaves open and refuses unknown words.
func (o Options) normal() (Options, error) {
	if o.Root == "" {
		return o, fmt.Errorf("no root directory given")
	}
	if o.Limit < 0 {
		return o, fmt.Errorf("limit %d is negative", o.Limit)
	}
	var err error
	if o.From, err = oneOf("source", o.From, Sources()); err != nil {
		return o, err
	}
	if o.Layout, err = oneOf("layout", o.Layout, Layouts()); err != nil {
		return o, err
	}
	if o.Default, err = oneOf("default mode", o.Default, DefaultModes()); err != nil {
		return o, err
	}
	if o.Layout == LayoutAuto {
		o.Layout = LayoutShared
		if o.Signer != nil {
			o.Layout = LayoutUnified
		}
	}
	return o, nil
}

// oneOf takes the first word of a list where none is given.
func oneOf[T ~string](what string, word T, words []T) (T, error) {
	if word == "" {
		return words[0], nil
	}
	if slices.Contains(words, word) {
		return word, nil
	}
	return "", fmt.Errorf("unknown %s %q (one of %s)", what, string(word), Words(words))
}

// Words joins a list of words for a message: "auto, shared, unified".
func Words[T ~string](words []T) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return strings.Join(list, ", ")
}
