package bootspec

// Limits that [Parse] holds a document to. What nixpkgs writes is a few kilobytes, nested
// three deep, plus two for each specialisation.
const (
	// MaxSize is the largest document accepted, in bytes.
	MaxSize = 1 << 20
	// MaxDepth is how many lists and objects may lie within one another.
	MaxDepth = 64
	// MaxSpecialisationDepth is how many specialisations may lie within one another.
	// NixOS itself stops at one.
	MaxSpecialisationDepth = 8
)

// The keys of a document, each an object of its own.
const (
	keyBootspec       = "org.nixos.bootspec.v1"
	keySpecialisation = "org.nixos.specialisation.v1"
	keySystemdBoot    = "org.nixos.systemd-boot"
	keyExtraInitrd    = "org.nixos.extra-initrd.v1"
	keyLanzaboote     = "org.nix-community.lanzaboote"
	keyXenV1          = "org.xenproject.bootspec.v1"
	keyXenV2          = "org.xenproject.bootspec.v2"
)

// Document is a bootspec document with the extensions known here. In one that [Parse]
// returned, paths are absolute and clean, and no string holds a NUL, LF or CR.
type Document struct {
	System   string // Nix' name of the platform, such as x86_64-linux
	Init     string // path of stage 2's init
	Kernel   string // path of the kernel image
	Label    string // for people; may be any text
	Toplevel string // path of the system toplevel

	KernelParams []string // may hold spaces and anything else the kernel understands

	Initrd        string // path of the initrd; "" where there is none
	InitrdSecrets string // path of the program that adds secrets to it; "" where there is none

	SystemdBoot SystemdBoot
	// ExtraInitrds are paths relative to the ESP, to be loaded with the initrd. A leading
	// slash in the document is taken off, so that they are valid for [io/fs.ValidPath].
	ExtraInitrds []string
	Lanzaboote   Lanzaboote

	// Xen is nil where the document has no Xen extension. A specialisation doesn't inherit
	// its parent's, nor the parent that of a specialisation.
	Xen *Xen

	Specialisations []Specialisation // sorted by name, byte by byte
}

// SystemdBoot is the extension org.nixos.systemd-boot.
type SystemdBoot struct {
	SortKey    string // "" where absent: the boot loader's installer has a default
	Devicetree string // path of a device tree blob, "" where absent
}

// Lanzaboote is the extension org.nix-community.lanzaboote.
type Lanzaboote struct {
	SortKey string // "" where absent
}

// Specialisation is a variant of a system, with a document of its own.
type Specialisation struct {
	// Name is not empty, not "." or "..", and holds no slash and no control byte.
	Name     string
	Document *Document
}
