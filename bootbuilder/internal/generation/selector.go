package generation

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/menu"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Source is where generations get their place in the menu from.
type Source string

// The sources.
const (
	Auto       Source = "auto"       // entries and stubs, whichever exist
	Entries    Source = "entries"    // type #1 entries nixos-*.conf
	Lanzaboote Source = "lanzaboote" // stubs EFI/Linux/nixos-*.efi
	Profiles   Source = "profiles"   // profile links below the root
)

// Files are what an entry or stub names on $BOOT; "" and none where it doesn't.
type Files struct {
	Kernel     string
	Initrds    []string // in the order in which they are joined
	Devicetree string
	// Hashes are the SHA-256 that a stub gives of the file in this role.
	KernelHash, InitrdHash *[sha256.Size]byte
}

// Selectors reads NixOS' entries and stubs out of the menu. uki gives the command line of an image
// that a type #1 entry names.
func Selectors(items []menu.Item, from Source, there func(file string) bool, uki func(file string) (string, error)) []Selector {
	list := make([]Selector, 0, len(items))
	for _, i := range items {
		entry, isEntry := esp.ParseName(i.Base())
		stub, isStub := esp.ParseStubName(i.Base())
		var s Selector
		switch {
		case isEntry && entry.Kind == esp.NixOS && from != Lanzaboote:
			s = Selector{File: i.File, name: entry, Tries: entry.Tries, fault: i.Err}
			if s.fault == nil {
				s.readEntry(i, uki)
			}
		case isStub && from != Entries:
			tries := stub.Tries
			stub.Hash, stub.Tries = "", nil
			s = Selector{File: i.File, Stub: true, name: stub, Tries: tries, fault: i.Err}
			if s.fault == nil {
				s.fault = s.readStub(i)
			}
			if s.fault != nil {
				s.fault = fmt.Errorf("lanzaboote stub %s: %w", path.Base(i.File), s.fault)
			}
		default:
			continue
		}
		s.Complete = s.fault == nil && there(s.Files.Kernel)
		for _, initrd := range s.Files.Initrds {
			s.Complete = s.Complete && there(initrd)
		}
		list = append(list, s)
	}
	return list
}

// readEntry reads a type #1 entry.
func (s *Selector) readEntry(i menu.Item, uki func(string) (string, error)) {
	s.Description = Description{i.Title, i.Version, i.SortKey, i.MachineID}
	options := i.Entry.Options()
	if value, ok := i.Entry.Get("uki"); ok && options == "" {
		name, ok := esp.BootPath(value)
		if !ok {
			s.fault = fmt.Errorf("%s: uki %q is not a path on $BOOT", i.Base(), value)
			return
		}
		var err error
		if options, err = uki(name); err != nil {
			s.fault = err
			return
		}
	}
	if s.fault = s.setInit(options); s.fault != nil {
		s.fault = fmt.Errorf("%s: %w", i.Base(), s.fault)
		return
	}
	s.Files.Kernel = onBoot(i.Entry, "linux")
	s.Files.Devicetree = onBoot(i.Entry, "devicetree")
	for _, value := range i.Entry.All("initrd") {
		if name, ok := esp.BootPath(value); ok {
			s.Files.Initrds = append(s.Files.Initrds, name)
		}
	}
}

func onBoot(e *esp.Entry, key string) string {
	value, _ := e.Get(key)
	name, _ := esp.BootPath(value)
	return name
}

// readStub reads a stub that Lanzaboote's installer wrote (lzbt, f142433): an image that names its kernel
// and initrd by path and SHA-256.
func (s *Selector) readStub(i menu.Item) error {
	for _, name := range []string{".osrel", ".cmdline", ".linux", ".initrd", ".linuxh", ".initrdh"} {
		if _, ok := i.Image.Sections[name]; !ok {
			return fmt.Errorf("no section %s", name)
		}
	}
	// PRETTY_NAME says all that VERSION_ID says too: so long that on a console of 80
	// columns what we add to it would not be seen. The title is the short one instead.
	s.Version, s.SortKey = i.Version, i.SortKey
	if err := s.setInit(i.Image.Text(".cmdline")); err != nil {
		return err
	}
	var initrd string
	for section, file := range map[string]*string{".linux": &s.Files.Kernel, ".initrd": &initrd} {
		name, ok := esp.BootPath(i.Image.Text(section))
		if !ok {
			return fmt.Errorf("section %s: %q is not a path on the ESP", section, i.Image.Text(section))
		}
		*file = name
	}
	s.Files.Initrds = []string{initrd}
	for section, hash := range map[string]**[sha256.Size]byte{".linuxh": &s.Files.KernelHash, ".initrdh": &s.Files.InitrdHash} {
		sum := i.Image.Sections[section]
		if len(sum) != sha256.Size {
			return fmt.Errorf("section %s holds %d bytes, not a SHA-256", section, len(sum))
		}
		h := [sha256.Size]byte(sum)
		*hash = &h
	}
	return nil
}

// Vouches is what a stub says of the initrd, read once more from an image that the caller has verified:
// what was read of it before may have been another file. It has to be for the same toplevel.
func (s Selector) Vouches(image []byte) (initrd string, sum [sha256.Size]byte, err error) {
	i := menu.Item{File: s.File}
	if i.Image, err = menu.ParseImage(bytes.NewReader(image), int64(len(image))); err != nil {
		return "", sum, err
	}
	again := Selector{File: s.File, Stub: true}
	if err := again.readStub(i); err != nil {
		return "", sum, err
	}
	if again.init != s.init {
		return "", sum, fmt.Errorf("%s is for %s by now", path.Base(s.File), again.init)
	}
	return again.Files.Initrds[0], *again.Files.InitrdHash, nil
}

// errUnclean is of a toplevel that NixOS would never write so.
var errUnclean = errors.New("is not a clean absolute path")

// setInit finds the toplevel by what the kernel gets as init=.
func (s *Selector) setInit(options string) error {
	init, ok := esp.InitParam(options)
	if !ok {
		return errors.New("no init= in its options, so its toplevel is unknown")
	}
	if !path.IsAbs(init) || path.Clean(init) != init {
		return fmt.Errorf("init=%s %w", init, errUnclean)
	}
	s.init = init
	return nil
}
