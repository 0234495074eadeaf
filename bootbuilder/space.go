package bootbuilder

import (
	"errors"
	"syscall"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// SpaceError is returned where a file system has no room for a plan. Nothing was touched.
type SpaceError = transaction.SpaceError

// SpaceItem is one thing that needs room.
type SpaceItem = transaction.SpaceItem

// FormatSize writes a number of bytes for people: "2.7 MiB".
func FormatSize(n int64) string { return esp.FormatSize(n) }

// bootsWithoutStale reports whether something is left to start once what is stale is gone
// and nothing new is there yet: a NixOS entry whose files are on $BOOT, or a Xen entry
// that stays.
func (p *Plan) bootsWithoutStale() bool {
	if len(p.kept) > 0 {
		return true
	}
	for _, g := range p.Generations {
		if g.Source == FromLanzaboote || g.Source == FromEntries && p.in.onBoot(g.kernel) {
			return true
		}
	}
	return false
}

// spaceErrno reports whether err is the file system's "no space".
func spaceErrno(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
