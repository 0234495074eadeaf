package bootbuilder

import (
	"path"
	"regexp"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// generationStem is what our ids look like after "xen-": the live forms of NixOS' entry names.
const generationStem = `(?:.+-)?generation-[0-9]+(?:-specialisation-.+)?|[0-9a-f]{64}`

// The names of payload that this project or nixpkgs' script makes.
var (
	ourConfig  = regexp.MustCompile(`(?i)^xen-(?:` + generationStem + `)(?:-[0-9a-f]{16})?\.cfg$`)
	ourImage   = regexp.MustCompile(`(?i)^xen-(?:[0-9a-z._]+-)?[0-9a-f]{20}\.efi$`)
	ourInitrd  = regexp.MustCompile(`(?i)^initrd-[0-9a-f]{32}\.img$`)
	ourCopy    = regexp.MustCompile(`(?i)^[0-9a-df-np-sv-z]{32}-.+\.efi$`)
	ourUnified = regexp.MustCompile(`(?i)^(xen-(?:` + generationStem + `))-[0-9a-f]{16}\.efi$`)
	scriptFile = regexp.MustCompile(`(?i)^xen-(?:` + generationStem + `)(?:\+[0-9]+(?:-[0-9]+)?)?(?:-[0-9a-f]{16})?\.efi$`)
)

// xenAlias is what is left of a name of ours where a cut took the sector with its long part.
func xenAlias(base, extension string) bool { return esp.IsShortNameOf(base, "xen-", extension) }

// ownPayload reports whether a file on $BOOT is of our making, by its name alone.
// An image in EFI/Linux also has to carry .config: that directory belongs to all.
func ownPayload(name string) bool {
	dir, base := path.Split(name)
	switch {
	case strings.EqualFold(dir, payloadDir+"/"):
		return ourConfig.MatchString(base) || scriptFile.MatchString(base) || esp.IsShortName(base) || ourImage.MatchString(base) || ourInitrd.MatchString(base) || ourCopy.MatchString(base)
	case strings.EqualFold(dir, nixosDir+"/"):
		return scriptFile.MatchString(base) || xenAlias(base, "efi")
	case strings.EqualFold(dir, unifiedDir+"/"):
		return ourUnified.MatchString(base) || xenAlias(base, "efi")
	}
	return false
}
