// Package efivars is a placeholder until its branch is merged.
package efivars

import (
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

func Read(dir string) (nextboot.Vars, bool)          { return nextboot.Vars{}, false }
func InstalledVersion(espFS esp.FS) nextboot.Version { return nextboot.Version{} }
