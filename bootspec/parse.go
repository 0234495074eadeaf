package bootspec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Parse reads a bootspec document and checks all of it, specialisations included. Every
// error is an [*Error]; it wraps [ErrTooLarge] or [ErrNoBootspec] where one applies.
//
// The Xen extension is taken from version 2 where there is one, and version 1 is ignored
// then. A version 2 that is malformed is an error, even beside a version 1 that is not:
// falling back would boot with other parameters than the system asks for.
func Parse(b []byte) (*Document, error) {
	root, err := parseTree(b)
	if err != nil {
		return nil, err
	}
	top, err := newObject("", "", root)
	if err != nil {
		return nil, err
	}
	if !top.has(keyBootspec) {
		return nil, &Error{
			Reason:   fmt.Sprintf("%v: %s is missing", ErrNoBootspec, keyBootspec),
			sentinel: ErrNoBootspec,
		}
	}
	return parseDocument(top, 0)
}

// parseDocument reads a document that lies in as many specialisations as level says.
func parseDocument(o object, level int) (*Document, error) {
	var f fields
	f.require(o, keyBootspec)
	spec := f.object(o, keyBootspec)
	f.require(spec, "system", "init", "kernel", "kernelParams", "label", "toplevel")

	d := &Document{
		System:        f.str(spec, "system", textFault),
		Init:          f.str(spec, "init", pathFault),
		Kernel:        f.str(spec, "kernel", pathFault),
		KernelParams:  f.list(spec, "kernelParams", textFault),
		Label:         f.str(spec, "label", textFault),
		Toplevel:      f.str(spec, "toplevel", pathFault),
		Initrd:        f.str(spec, "initrd", pathFault),
		InitrdSecrets: f.str(spec, "initrdSecrets", pathFault),
	}
	systemdBoot := f.object(o, keySystemdBoot)
	d.SystemdBoot.SortKey = f.str(systemdBoot, "sortKey", textFault)
	d.SystemdBoot.Devicetree = f.str(systemdBoot, "devicetree", pathFault)
	d.Lanzaboote.SortKey = f.str(f.object(o, keyLanzaboote), "sort_key", textFault)
	d.ExtraInitrds = f.extraInitrds(o)
	d.Xen = f.xen(o)
	d.Specialisations = f.specialisations(o, level)
	if f.err != nil {
		return nil, f.err
	}
	return d, nil
}

func (f *fields) extraInitrds(o object) []string {
	paths := f.list(f.object(o, keyExtraInitrd), "paths", func(s string) string {
		return espPathFault(strings.TrimPrefix(s, "/"))
	})
	for i, p := range paths {
		paths[i] = strings.TrimPrefix(p, "/")
	}
	return paths
}

func (f *fields) specialisations(o object, level int) []Specialisation {
	children := f.object(o, keySpecialisation)
	if f.err == nil && len(children.members) > 0 && level == MaxSpecialisationDepth {
		f.fail(children.path(), fmt.Sprintf("specialisations lie more than %d levels deep", MaxSpecialisationDepth))
	}
	var list []Specialisation
	sorted := slices.SortedFunc(slices.Values(children.members), func(a, b member) int { return strings.Compare(a.key, b.key) })
	for _, m := range sorted {
		if f.err != nil {
			return nil
		}
		list = append(list, f.specialisation(children.path(m.key), m.key, m.value, level+1))
	}
	return list
}

func (f *fields) specialisation(path, name string, v gjson.Result, level int) Specialisation {
	if reason := nameFault(name); reason != "" {
		f.fail(path, reason)
		return Specialisation{}
	}
	child, err := newObject(path, "", v)
	if err != nil {
		f.err = err
		return Specialisation{}
	}
	d, err := parseDocument(child, level)
	f.err = err
	return Specialisation{Name: name, Document: d}
}
