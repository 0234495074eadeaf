package bootname

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// The directories and files of $BOOT. Only Payload is ours alone: NixOS' installers sweep
// NixOS, and Unified and Entries belong to all.
const (
	Payload    = "EFI/xen"
	NixOS      = "EFI/nixos"
	Unified    = "EFI/Linux"
	Entries    = "loader/entries"
	LoaderConf = "loader/loader.conf"
)

// Kind says what a file of ours is for.
type Kind string

// The kinds of payload.
const (
	Config        Kind = "config"         // a xen.cfg
	SharedImage   Kind = "shared image"   // a Xen image for many generations
	EmbeddedImage Kind = "embedded image" // a Xen image with its xen.cfg inside
	UnifiedImage  Kind = "unified image"  // a type #2 entry
	Ramdisk       Kind = "ramdisk"        // several initrds in one
	Copy          Kind = "copy"           // a file of the store: kernel, initrd or devicetree
)

// Name is the name of a payload file of ours.
type Name struct {
	Kind Kind
	// ID is that of the Xen entry that the file belongs to, "" for one that entries share:
	// "xen-generation-5".
	ID string
	// Version is Xen's, of a shared image; "" where unknown.
	Version string
	// Hash is what the name says of the content, in lower-case hexadecimal; "" in names of
	// nixpkgs' script. Its length in bytes is HashLen(Kind).
	Hash string
	// Store is what a copy is called: the name of its store path, and of the file in it.
	Store string
	// Tries is the boot counter of a unified image; nil for none.
	Tries *esp.Tries
	// Script is an embedded image under the name that nixpkgs' script gives it.
	Script bool
}

// HashLen is how many bytes of a SHA-256 a name of this kind carries: enough to tell
// apart what one partition holds.
func HashLen(k Kind) int {
	switch k {
	case SharedImage:
		return 10
	case Ramdisk:
		return 16
	}
	return 8
}

// Short is the part of a sum that goes into a name of this kind.
func Short(k Kind, sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:HashLen(k)]) }

// Path is the file's name on $BOOT.
func (n Name) Path() string {
	switch n.Kind {
	case Config:
		return Payload + "/" + n.ID + dashed(n.Hash) + ".cfg"
	case SharedImage:
		return Payload + "/xen" + dashed(n.Version) + dashed(n.Hash) + ".efi"
	case EmbeddedImage:
		if n.Script {
			return NixOS + "/" + n.ID + ".efi"
		}
		return Payload + "/" + n.ID + dashed(n.Hash) + ".efi"
	case UnifiedImage:
		tries := ""
		if n.Tries != nil {
			tries = n.Tries.String()
		}
		return Unified + "/" + n.ID + dashed(n.Hash) + tries + ".efi"
	case Ramdisk:
		return Payload + "/initrd-" + n.Hash + ".img"
	}
	return Payload + "/" + n.Store + ".efi"
}

func dashed(s string) string {
	if s == "" {
		return ""
	}
	return "-" + s
}

// Parse recognises a payload file of ours by its name on $BOOT, in any letter case. An image in
// Unified also has to carry .config to be ours: that directory belongs to all.
func Parse(name string) (Name, bool) {
	dir, base := path.Split(name)
	stem := strings.TrimSuffix(base, path.Ext(base))
	switch dir = strings.TrimSuffix(dir, "/"); {
	case esp.SameName(dir, Payload):
		return parsePayload(base, stem)
	case esp.SameName(dir, NixOS):
		return parseScript(base, stem)
	case esp.SameName(dir, Unified):
		return parseUnified(base)
	}
	return Name{}, false
}

func parsePayload(base, stem string) (Name, bool) {
	if version, hash, ok := matchShared(base); ok {
		return Name{Kind: SharedImage, Version: version, Hash: hash}, true
	}
	if hash, ok := matchRamdisk(base); ok {
		return Name{Kind: Ramdisk, Hash: hash}, true
	}
	if store, ok := matchCopy(base); ok {
		return Name{Kind: Copy, Store: store}, true
	}
	id, hash, ok := cutHash(stem)
	switch strings.ToLower(path.Ext(base)) {
	case ".cfg":
		if !ok {
			id, hash = stem, "" // as earlier versions named it
		}
		return Name{Kind: Config, ID: id, Hash: hash}, xenID(id)
	case ".efi":
		return Name{Kind: EmbeddedImage, ID: id, Hash: hash}, ok && xenID(id)
	}
	return Name{}, false
}

// parseScript recognises what nixpkgs' script writes among the kernels. It carries over the
// counter of the NixOS entry.
func parseScript(base, stem string) (Name, bool) {
	n, ok := esp.ParseStem(stem)
	if !ok || n.Kind != esp.Xen || !strings.EqualFold(path.Ext(base), ".efi") {
		return Name{}, false
	}
	return Name{Kind: EmbeddedImage, ID: stem, Script: true}, true
}

func parseUnified(base string) (Name, bool) {
	base, tries := esp.CutTries(base)
	stem := strings.TrimSuffix(base, path.Ext(base))
	id, hash, ok := cutHash(stem)
	if !ok || !strings.EqualFold(path.Ext(base), ".efi") || !xenID(id) {
		return Name{}, false
	}
	return Name{Kind: UnifiedImage, ID: id, Hash: hash, Tries: tries}, true
}

// xenID reports whether a text is the id of a Xen entry: the one grammar of entry names.
func xenID(id string) bool {
	n, ok := esp.ParseStem(id)
	return ok && n.Kind == esp.Xen && n.Tries == nil
}

// ConfigID is what a xen.cfg is called by. It is one word of Xen's load options: an id that
// can't be one, such as that of a profile with a blank in its name, is hashed.
func ConfigID(id string) string {
	for _, r := range id {
		if r <= ' ' || r > '~' || r == '/' || r == '\\' {
			return fmt.Sprintf("xen-%x", sha256.Sum256([]byte(id)))
		}
	}
	return id
}

// Entry is the type #1 entry with this id.
func Entry(id string) string { return Entries + "/" + id + ".conf" }

// FromStore is what a file of the store is called on $BOOT, without its suffix: nixpkgs'
// systemd-boot-builder joins the store path's name and the file's
// (<hash>-linux-6.12/bzImage becomes <hash>-linux-6.12-bzImage). resolved has no links in it.
func FromStore(resolved string) (string, error) {
	parts := strings.Split(strings.Trim(resolved, "/"), "/")
	for i, part := range parts {
		if !IsStoreName(part) {
			continue
		}
		if last := len(parts) - 1; last > i {
			part += "-" + parts[last]
		}
		return part, nil
	}
	return "", fmt.Errorf("%s is not in a store: no component of the path starts with a store hash", path.Clean(resolved))
}

// ByInstaller is where systemd-boot-builder puts a file of the store.
func ByInstaller(resolved string) (string, error) {
	stem, err := FromStore(resolved)
	return NixOS + "/" + stem + ".efi", err
}
