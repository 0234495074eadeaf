package compare

import "slices"

// Generation is what two generations are compared by. An empty string is something that the
// generation does not have.
type Generation struct {
	Title   string
	Version string // the label: "Generation 42 NixOS 26.11 (Linux 6.12.58), built on 2026-11-24"
	Layout  string

	Xen        string // path of xen.efi
	XenVersion string // as the bootspec has it; "" for the one in the path
	Linux      string // path of the kernel
	Initrds    []string
	Devicetree string
	Ucode      string
	XSM        string

	XenParams   []string
	LinuxParams []string
}

// Field names what differs.
type Field string

// The fields, in the order in which differences come.
const (
	Title       Field = "title"
	Version     Field = "version"
	Layout      Field = "layout"
	Xen         Field = "xen"
	Linux       Field = "linux"
	Initrd      Field = "initrd"
	Devicetree  Field = "devicetree"
	Ucode       Field = "ucode"
	XSM         Field = "xsm"
	XenParams   Field = "xenParams"
	LinuxParams Field = "linuxParams"
)

// Difference is one field that is not the same. Parameters have Words; all others Before and
// After, of which one may be empty: it was added, or removed.
type Difference struct {
	Field  Field  `json:"field"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Rebuilt tells that name and version are the same, but not the files: Before and After have
	// the first letters of the hashes.
	Rebuilt bool   `json:"rebuilt,omitempty"`
	Words   []Word `json:"words,omitempty"`
}

// Generations compares two generations, the older one first.
func Generations(before, after Generation) []Difference {
	var list []Difference
	text := func(field Field, a, b string) {
		if a != b {
			list = append(list, Difference{Field: field, Before: a, After: b})
		}
	}
	file := func(field Field, a, b named) {
		if a.path != b.path {
			x, y, rebuilt := shortest(a, b)
			list = append(list, Difference{Field: field, Before: x, After: y, Rebuilt: rebuilt})
		}
	}
	params := func(field Field, a, b []string) {
		if words := Words(a, b); changed(words) {
			list = append(list, Difference{Field: field, Words: words})
		}
	}
	text(Title, before.Title, after.Title)
	text(Version, before.Version, after.Version)
	text(Layout, before.Layout, after.Layout)
	file(Xen, name(before.Xen, before.XenVersion), name(after.Xen, after.XenVersion))
	file(Linux, name(before.Linux, ""), name(after.Linux, ""))
	for i := range max(len(before.Initrds), len(after.Initrds)) {
		file(Initrd, name(at(before.Initrds, i), ""), name(at(after.Initrds, i), ""))
	}
	file(Devicetree, name(before.Devicetree, ""), name(after.Devicetree, ""))
	file(Ucode, name(before.Ucode, ""), name(after.Ucode, ""))
	file(XSM, name(before.XSM, ""), name(after.XSM, ""))
	params(XenParams, before.XenParams, after.XenParams)
	params(LinuxParams, before.LinuxParams, after.LinuxParams)
	return list
}

func changed(words []Word) bool {
	return slices.ContainsFunc(words, func(w Word) bool { return w.Op != Same })
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}
