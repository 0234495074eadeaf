package bootbuilder

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/layout"
	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

// Variant is another way to start a generation: a second Xen entry with other parameters, another
// Xen, microcode or a security policy, without evaluating another system.
type Variant struct {
	Name string // goes into the id and the title: "verbose"
	// XenParams are added to the generation's own.
	XenParams []string
	// Xen, Ucode and XSM are paths in the store below the root, "" for none.
	Xen, Ucode, XSM string
	// All gives it to every generation of the system profile; else the newest gets it.
	All bool
}

// variantMark is in an id before the variant's name.
const variantMark = "-variant-"

func isVariantName(name string) bool {
	odd := strings.IndexFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '_'
	})
	return name != "" && odd < 0
}

// ParseVariant reads a variant from a JSON object with the keys xenParams (a list of strings), xen,
// ucode and xsm (paths), and generations ("newest", the default, or "all").
func ParseVariant(name string, text []byte) (Variant, error) {
	v := Variant{Name: name}
	if !isVariantName(name) {
		return v, fmt.Errorf("variant %q: a name has letters, digits, dots and underscores", name)
	}
	if len(text) > bootspec.MaxSize || !gjson.ValidBytes(text) || !gjson.ParseBytes(text).IsObject() {
		return v, fmt.Errorf("variant %s: it is not a JSON object", name)
	}
	var err error
	gjson.ParseBytes(text).ForEach(func(key, value gjson.Result) bool {
		err = v.set(key.String(), value)
		return err == nil
	})
	if err != nil {
		return v, fmt.Errorf("variant %s: %w", name, err)
	}
	return v, nil
}

// set takes one key of the object.
func (v *Variant) set(key string, value gjson.Result) error {
	text := func(into *string) error {
		if value.Type != gjson.String {
			return fmt.Errorf("%s is not a string", key)
		}
		*into = value.String()
		return nil
	}
	switch key {
	case "xen":
		return text(&v.Xen)
	case "ucode":
		return text(&v.Ucode)
	case "xsm":
		return text(&v.XSM)
	case "generations":
		var which string
		if err := text(&which); err != nil {
			return err
		}
		if which != "all" && which != "newest" {
			return fmt.Errorf("generations is %q, not newest or all", which)
		}
		v.All = which == "all"
		return nil
	case "xenParams":
		if !value.IsArray() {
			return fmt.Errorf("xenParams is not a list")
		}
		for _, item := range value.Array() {
			if item.Type != gjson.String {
				return fmt.Errorf("xenParams has something that is not a string")
			}
			v.XenParams = append(v.XenParams, item.String())
		}
		return nil
	}
	return fmt.Errorf("unknown key %q", key)
}

// withVariants adds the variants of generations that may have a Xen entry, each behind its generation. Of a generation that is
// not built now they stay as its own entry does.
func withVariants(outcomes []outcome, variants []Variant, system *generation.System, inv *installed.Inventory) []outcome {
	if len(variants) == 0 {
		return outcomes
	}
	newest := -1
	for i, o := range outcomes {
		if hasVariants(o, inv) {
			newest = i
		}
	}
	var list []outcome
	for i, o := range outcomes {
		list = append(list, o)
		if !hasVariants(o, inv) {
			continue
		}
		for _, v := range variants {
			if !v.All && i != newest {
				continue
			}
			with := variantOf(o, v, system)
			if o.skip == nil || slices.ContainsFunc(inv.Entries, func(e installed.Entry) bool { return isEntryOf(e, with.Generation) }) {
				list = append(list, with)
			}
		}
	}
	return list
}

// hasVariants is of generations of the system profile that have Xen, and an entry or a reason to keep one. Where a boot.json can't
// be read, what is installed says that there is Xen.
func hasVariants(o outcome, inv *installed.Inventory) bool {
	if o.Name.Profile != "" || o.Name.Specialisation != "" || o.skip != nil && !keeps(o) {
		return false
	}
	if o.Spec != nil {
		return o.Spec.Xen != nil
	}
	return o.skip != nil && slices.ContainsFunc(inv.Entries, func(e installed.Entry) bool { return isEntryOf(e, o.Generation) })
}

// variantOf is a generation as a variant starts it.
func variantOf(o outcome, v Variant, system *generation.System) outcome {
	o.ID += variantMark + v.Name
	o.variant = layout.Variant{Name: v.Name, Ucode: v.Ucode, XSM: v.XSM}
	o.isDefault, o.isNeeded = false, false
	if o.Spec == nil {
		return o // it is kept as it is
	}
	spec, xen := *o.Spec, *o.Spec.Xen
	xen.Params = append(append([]string(nil), xen.Params...), v.XenParams...)
	if v.Xen != "" {
		xen.EFIPath, xen.Version = v.Xen, ""
	}
	spec.Xen = &xen
	o.Spec = &spec
	for _, file := range []string{v.Xen, v.Ucode, v.XSM} {
		if file == "" {
			continue
		}
		if err := system.CheckPath(o.Toplevel, file); err != nil && o.skip == nil {
			o.skip = &generation.Skip{Reason: BootspecInvalid, Err: fmt.Errorf("variant %s: %w", v.Name, err)}
		}
	}
	return o
}
