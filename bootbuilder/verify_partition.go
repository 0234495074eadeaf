package bootbuilder

import (
	"fmt"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// examinePartition looks at what no entry has to itself.
func (i *inspector) examinePartition() {
	r := i.result
	note := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	problem := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	for _, s := range i.inv.Strange {
		problem("%s: has the name of a Xen entry of ours, but starts no Xen of ours", s.Path())
	}
	for _, key := range []string{"preferred", "default"} {
		if err := i.examineDefault(key); err != nil {
			problem("%s: %v", i.target.ESP.Path(bootname.LoaderConf), err)
		}
	}
	for _, e := range i.inv.Astray {
		problem("%s: a Xen entry beside XBOOTLDR, where none is needed; an install removes it", e.FS.Path(e.File))
	}
	i.examineTwins(note, problem)
	used := make(map[esp.Key]bool)
	for _, e := range i.inv.Entries {
		for _, ref := range e.Refs {
			used[esp.KeyOf(ref)] = true
		}
	}
	for _, p := range i.inv.Payload {
		if !used[esp.KeyOf(p.Name)] {
			note("%s: no Xen entry uses it", p.Path())
		}
	}
	for _, l := range i.inv.Leftovers {
		note("%s: left by a run that was cut off", l.Path())
	}
	for _, s := range i.inv.Shared {
		note("%s: on the clusters of %s, which a power cut left so: unmount the partition, and run %s", s.Path(), s.FS.Path(s.With), esp.Fsck(s.FS))
	}
}

// examineTwins looks for two entries of one generation.
func (i *inspector) examineTwins(note, problem func(string, ...any)) {
	seen := make(map[esp.Key]installed.Entry)
	for _, e := range i.inv.Entries {
		other, twice := seen[esp.KeyOf(e.ID)]
		seen[esp.KeyOf(e.ID)] = e
		if !twice {
			continue
		}
		say := problem
		if other.Layout != e.Layout {
			say = note // what stays of a generation that can't be rebuilt
		}
		say("%s and %s are entries of the same generation", path.Base(other.File), path.Base(e.File))
	}
}

// examineDefault looks whether what loader.conf starts is there, if it is a NixOS or Xen entry.
func (i *inspector) examineDefault(key string) error {
	value, ok := esp.ParseLoaderConf(i.conf.text).Get(key)
	lower := strings.ToLower(value)
	if !ok || !strings.HasPrefix(lower, "nixos-") && !strings.HasPrefix(lower, "xen-") {
		return nil
	}
	for _, e := range i.menu {
		if esp.MatchPattern(value, e.File) || esp.MatchPattern(value, e.ID()) {
			return nil
		}
	}
	return fmt.Errorf("starts %s, which is not there", value)
}
