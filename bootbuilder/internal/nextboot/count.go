package nextboot

import (
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// CountedName is the file name of an image of ours (type #2), given its id ("xen-generation-5-0123456789ab.efi"), the
// boot counter of the generation's NixOS entry or stub, nil for none, and the names that are in EFI/Linux now.
//
// An image that is there keeps its counter, or its not having one: it was counted down by systemd-boot
// or blessed by systemd-bless-boot, and what has failed must not get new tries by a rebuild. A new one
// gets as many tries as NixOS' entry has left. So a generation that NixOS' counting has given up is given up on Xen too.
func CountedName(id string, nixos *esp.Tries, present []string) string {
	if i := slices.IndexFunc(present, func(file string) bool { return sameID(file, id) }); i >= 0 {
		return present[i]
	}
	if nixos == nil {
		return id
	}
	dot := strings.LastIndexByte(id, '.')
	if dot < 0 {
		return id
	}
	return id[:dot] + esp.Tries{Left: nixos.Left}.String() + id[dot:]
}
