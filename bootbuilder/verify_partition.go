package bootbuilder

import (
	"fmt"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// examinePartition looks at what no entry has to itself.
func (i *inspector) examinePartition() {
	r := i.result
	problem := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	for _, name := range i.stock.strange {
		problem("%s: has the name of a Xen entry of ours, but starts no Xen of ours", i.target.Boot.Path(name))
	}
	for _, value := range i.defaults {
		if err := i.examineDefault(value); err != nil {
			problem("%s: %v", i.target.ESP.Path(loaderConf), err)
		}
	}
	seen := make(map[string]*installed)
	for _, e := range i.stock.entries {
		other, twice := seen[strings.ToLower(e.id)]
		seen[strings.ToLower(e.id)] = e
		if !twice {
			continue
		}
		text := fmt.Sprintf("%s and %s are entries of the same generation", path.Base(other.file()), path.Base(e.file()))
		if other.layout == e.layout {
			r.Problems = append(r.Problems, text)
		} else {
			r.Notes = append(r.Notes, text) // what stays of a generation that can't be rebuilt
		}
	}
	used := make(map[string]bool)
	for _, e := range i.stock.entries {
		for _, ref := range e.refs {
			used[strings.ToLower(ref)] = true
		}
	}
	for _, name := range i.stock.payload {
		if !used[strings.ToLower(name)] {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: no Xen entry uses it", i.target.Boot.Path(name)))
		}
	}
	for _, l := range i.stock.staged {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: left by a run that was cut off", l.path()))
	}
}

// examineDefault looks whether what loader.conf starts is there, if it is a Xen entry.
func (i *inspector) examineDefault(value string) error {
	if _, _, ok := cutKind(value); !ok {
		return nil
	}
	for _, dir := range []string{entriesDir, unifiedDir} {
		list, err := listDirectory(i.target.Boot, dir)
		if err != nil {
			return err
		}
		for _, d := range list {
			if esp.MatchPattern(value, d.Name()) || esp.MatchPattern(value, withoutCounter(d.Name())) {
				return nil
			}
		}
	}
	return fmt.Errorf("starts %s, which is not there", value)
}

func withoutCounter(file string) string {
	if name, ok := esp.ParseName(file); ok {
		return name.ID() + ".conf"
	}
	return file
}
