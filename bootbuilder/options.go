package bootbuilder

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
)

// Options say what a [Plan] is made of. The zero value is what the command does
// without flags, except that Root has to be given.
type Options struct {
	Root    string      // root directory of the NixOS system: "/" or "/mnt"
	From    Source      // which generations have a place in the menu
	Only    []string    // only these generations: numbers, profile links or toplevels
	Layout  Layout      // how a generation is laid out on $BOOT
	Default DefaultMode // which entry loader.conf starts
	Limit   int         // the newest N generations of each profile; 0 for all
	// Fit leaves out the oldest generations that there is no disk space for; the default never.
	Fit bool
	// Certificate is of who signs unified images; nil: they stay unsigned. The key is for
	// [Plan.Apply].
	Certificate *x509.Certificate
	// SignUnverifiedInitrds lets initrds be signed that lie on the ESP by definition
	// (org.nixos.extra-initrd.v1), where anybody could have changed them.
	SignUnverifiedInitrds bool
	// Variants are extra entries.
	Variants []Variant
	// KeepDebug keeps Xen's debug sections, which no loader reads.
	KeepDebug bool
	// EFIVars is the directory of the EFI variables of the machine that the target belongs to
	// (efivarfs), or "" where that is not the running one.
	EFIVars string
	// Sys is the sysfs of the running machine, "" where that is another one: whether it runs on Xen.
	Sys string
	// Secrets says whether a generation's initrdSecrets program, which is code from Root, may be
	// run where an initrd has to be made anew.
	Secrets SecretsMode
	// Today goes into the record of what is on trial; the zero value is now.
	Today time.Time
	// DryRun makes a plan that is not to be applied: nothing is run for it.
	DryRun bool

	auto bool // Layout was left to us
}

// Source is which generations have a place in the menu.
type Source = generation.Source

// The sources.
const (
	FromAuto       = generation.Auto       // those that entries or stubs select, whichever exist
	FromEntries    = generation.Entries    // those that type #1 entries nixos-*.conf select
	FromLanzaboote = generation.Lanzaboote // those that stubs EFI/Linux/nixos-*.efi select
	FromProfiles   = generation.Profiles   // all that the profile links below the root lead to
)

// Layout is how a generation is laid out on $BOOT; docs/architecture.md compares them.
type Layout = layout.Layout

// The layouts.
const (
	LayoutAuto     = layout.Auto     // unified with a certificate, else shared
	LayoutShared   = layout.Shared   // one Xen image for many generations, a xen.cfg each
	LayoutEmbedded = layout.Embedded // xen.cfg inside an image for each generation, as nixpkgs' script
	LayoutUnified  = layout.Unified  // everything inside one image, a type #2 entry
)

// SecretsMode says whether initrdSecrets programs may be run.
type SecretsMode string

// The modes.
const (
	SecretsNever SecretsMode = "never" // not at all
	SecretsRun   SecretsMode = "run"   // wherever an initrd lacks its secrets
	// SecretsAuto runs them where Root is the running system and images are signed: NixOS' own
	// installer runs the same program there.
	SecretsAuto SecretsMode = "auto"
)

// DefaultMode is which entry loader.conf starts.
type DefaultMode string

// The modes.
const (
	DefaultXen   DefaultMode = "xen"   // the Xen sibling of what NixOS' own choice means
	DefaultNixOS DefaultMode = "nixos" // NixOS' own default
	DefaultKeep  DefaultMode = "keep"  // untouched, unless its entry goes away
	DefaultTry   DefaultMode = "try"   // what has proven itself; the newest Xen entry once
)

// Sources, Layouts and DefaultModes list the words that the command line takes.
func Sources() []Source { return []Source{FromAuto, FromEntries, FromLanzaboote, FromProfiles} }

// Layouts lists the layouts.
func Layouts() []Layout { return []Layout{LayoutAuto, LayoutShared, LayoutEmbedded, LayoutUnified} }

// DefaultModes lists the default modes.
func DefaultModes() []DefaultMode {
	return []DefaultMode{DefaultXen, DefaultNixOS, DefaultKeep, DefaultTry}
}

// normal fills in what the zero value leaves open and refuses unknown words.
func (o Options) normal() (Options, error) {
	if o.Root == "" {
		return o, errors.New("no root directory is given")
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
	if o.Secrets, err = oneOf("secrets mode", o.Secrets, []SecretsMode{SecretsNever, SecretsRun, SecretsAuto}); err != nil {
		return o, err
	}
	if o.Layout == LayoutAuto {
		o.auto = true
		o.Layout = LayoutShared
		if o.Certificate != nil {
			o.Layout = LayoutUnified
		}
	}
	if o.Today.IsZero() {
		o.Today = time.Now()
	}
	if o.Secrets == SecretsAuto {
		o.Secrets = SecretsNever
		if o.Root == "/" && o.signs() {
			o.Secrets = SecretsRun
		}
	}
	return o, nil
}

// signs reports whether images are signed.
func (o Options) signs() bool { return o.Certificate != nil && o.Layout == LayoutUnified }

// oneOf takes the first word of a list where none is given.
func oneOf[T ~string](what string, word T, words []T) (T, error) {
	if word == "" {
		return words[0], nil
	}
	if slices.Contains(words, word) {
		return word, nil
	}
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return "", fmt.Errorf("unknown %s %q (one of %s)", what, string(word), strings.Join(list, ", "))
}
