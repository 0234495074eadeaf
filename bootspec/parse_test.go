package bootspec_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]tree{
		"required keys only":         minimal(),
		"root by UUID":               inner("kernelParams", list("root=UUID=5a1c47d1-6160-4000-ad22-d5418bf7e56a")),
		"parameters with anything":   inner("kernelParams", list(`dyndbg="file x +p"`, "a  b", "tab\there", "#", "é✓", "")),
		"empty label":                inner("label", ""),
		"unknown key":                inner("vmlinux", "relative and\nbroken"),
		"null in an unknown key":     inner("vmlinux", nil),
		"unknown extension":          with("org.example.v1", tree{"a": list(nil, true, 1.5e300, tree{})}),
		"empty specialisations":      with(specKey, tree{}),
		"child without any of it":    with(specKey, tree{"s": minimal()}),
		"odd specialisation names":   with(specKey, tree{"+something+-+else+-+": minimal(), "a b": minimal(), "a.b": minimal(), "ü": minimal(), "...": minimal()}),
		"deepest specialisation":     nested(bootspec.MaxSpecialisationDepth),
		"empty systemd-boot":         with(bootKey, tree{}),
		"devicetree":                 with(bootKey, tree{"devicetree": "/d/rk3588.dtb"}),
		"extra initrds":              with(initrdKey, tree{"paths": list("EFI/nixos/.extra-files/ucode.img", "/EFI/a b", "/x")}),
		"no extra initrds":           with(initrdKey, tree{"paths": list()}),
		"lanzaboote":                 with(lanzaKey, tree{"sort_key": "lanza"}),
		"xen v2, path only":          with(xenV2Key, tree{"efiPath": "/x/xen.efi"}),
		"xen v2, no multiboot":       with(xenV2Key, tree{"efiPath": "/x/xen.efi", "multibootPath": ""}),
		"xen v2, further keys":       with(xenV2Key, tree{"efiPath": "/x/xen.efi", "vmlinux": 1, "xen": nil}),
		"xen v1, path only":          with(xenV1Key, tree{"xen": "/x/xen.efi"}),
		"xen v1, with keys of v2":    with(xenV1Key, tree{"xen": "/x/xen.efi", "params": 1, "version": 1}),
		"several parameters in one":  with(xenV2Key, tree{"efiPath": "/x", "params": list("dom0_mem=1G dom0=pvh", "")}),
		"keys that look like a path": with("org.*", tree{"#": 1, "a.b|@this": 2, "": 3}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := encode(t, doc)
			got, err := bootspec.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(oracle{t, b}.document(), got); diff != "" {
				t.Errorf("encoding/json reads it differently (-encoding/json +Parse):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	xen := func(key string, value any) tree {
		return with(xenV2Key, tree{"efiPath": "/x/xen.efi", key: value})
	}
	for name, tt := range map[string]struct {
		doc    any
		path   string
		reason string // a part of it
	}{
		"list":   {list(), "", "the document must be an object, is a list"},
		"number": {5, "", "the document must be an object, is a number"},
		"null":   {nil, "", "the document must be an object, is null"},

		"bootspec is a string":    {tree{v1Key: "x"}, v1Key, "must be an object, is a string"},
		"bootspec is null":        {tree{v1Key: nil}, v1Key, "must be an object, is null"},
		"no system":               {without("system"), v1Key + ".system", "required key is missing"},
		"no init":                 {without("init"), v1Key + ".init", "required key is missing"},
		"no kernel":               {without("kernel"), v1Key + ".kernel", "required key is missing"},
		"no kernelParams":         {without("kernelParams"), v1Key + ".kernelParams", "required key is missing"},
		"no label":                {without("label"), v1Key + ".label", "required key is missing"},
		"no toplevel":             {without("toplevel"), v1Key + ".toplevel", "required key is missing"},
		"other letter case":       {tree{v1Key: tree{"System": "x"}}, v1Key + ".system", "required key is missing"},
		"system is a number":      {inner("system", 1), v1Key + ".system", "must be a string, is a number"},
		"label is a boolean":      {inner("label", false), v1Key + ".label", "must be a string, is a boolean"},
		"label has a line break":  {inner("label", "a\nb"), v1Key + ".label", "contains a line break"},
		"system ends in CR":       {inner("system", "x\r"), v1Key + ".system", "contains a line break"},
		"initrd is null":          {inner("initrd", nil), v1Key + ".initrd", "must be a string, is null"},
		"initrdSecrets is null":   {inner("initrdSecrets", nil), v1Key + ".initrdSecrets", "must be a string, is null"},
		"initrd is empty":         {inner("initrd", ""), v1Key + ".initrd", "not an absolute path"},
		"initrdSecrets relative":  {inner("initrdSecrets", "bin/append"), v1Key + ".initrdSecrets", "not an absolute path"},
		"kernel is relative":      {inner("kernel", "nix/store/k"), v1Key + ".kernel", "not an absolute path"},
		"kernel climbs":           {inner("kernel", "/nix/store/../../etc"), v1Key + ".kernel", "not a clean path"},
		"init ends in a slash":    {inner("init", "/t/init/"), v1Key + ".init", "not a clean path"},
		"toplevel, double slash":  {inner("toplevel", "//t"), v1Key + ".toplevel", "not a clean path"},
		"toplevel, dot":           {inner("toplevel", "/./t"), v1Key + ".toplevel", "not a clean path"},
		"kernel has a line break": {inner("kernel", "/k\n"), v1Key + ".kernel", "contains a line break"},
		"params are a string":     {inner("kernelParams", "quiet"), v1Key + ".kernelParams", "must be a list of strings, is a string"},
		"params are null":         {inner("kernelParams", nil), v1Key + ".kernelParams", "must be a list of strings, is null"},
		"params are an object":    {inner("kernelParams", tree{"a": "b"}), v1Key + ".kernelParams", "must be a list of strings, is an object"},
		"param is a number":       {inner("kernelParams", list("a", 1)), v1Key + ".kernelParams[1]", "must be a string, is a number"},
		"param is null":           {inner("kernelParams", list("a", "b", nil)), v1Key + ".kernelParams[2]", "must be a string, is null"},
		"param has a line break":  {inner("kernelParams", list("a\nb")), v1Key + ".kernelParams[0]", "contains a line break"},
		"param has a CR":          {inner("kernelParams", list("a\rb")), v1Key + ".kernelParams[0]", "contains a line break"},

		"systemd-boot is null":     {with(bootKey, nil), bootKey, "must be an object, is null"},
		"sortKey is a number":      {with(bootKey, tree{"sortKey": 1}), bootKey + ".sortKey", "must be a string, is a number"},
		"sortKey has a line break": {with(bootKey, tree{"sortKey": "a\nlinux /x"}), bootKey + ".sortKey", "contains a line break"},
		"devicetree is null":       {with(bootKey, tree{"devicetree": nil}), bootKey + ".devicetree", "must be a string, is null"},
		"devicetree is relative":   {with(bootKey, tree{"devicetree": "a.dtb"}), bootKey + ".devicetree", "not an absolute path"},
		"lanzaboote is a list":     {with(lanzaKey, list()), lanzaKey, "must be an object, is a list"},
		"sort_key is a list":       {with(lanzaKey, tree{"sort_key": list()}), lanzaKey + ".sort_key", "must be a string, is a list"},
		"extra initrds are null":   {with(initrdKey, tree{"paths": nil}), initrdKey + ".paths", "must be a list of strings, is null"},
		"extra initrd climbs":      {with(initrdKey, tree{"paths": list("/EFI/a", "EFI/../b")}), initrdKey + ".paths[1]", "not a clean path relative to the ESP"},
		"extra initrd, dots only":  {with(initrdKey, tree{"paths": list("..")}), initrdKey + ".paths[0]", "not a clean path relative to the ESP"},
		"extra initrd, the root":   {with(initrdKey, tree{"paths": list("/")}), initrdKey + ".paths[0]", "not a clean path relative to the ESP"},
		"extra initrd, a dot":      {with(initrdKey, tree{"paths": list("/.")}), initrdKey + ".paths[0]", "not a clean path relative to the ESP"},
		"extra initrd, slashes":    {with(initrdKey, tree{"paths": list("//EFI/a")}), initrdKey + ".paths[0]", "not a clean path relative to the ESP"},
		"extra initrd, backslash":  {with(initrdKey, tree{"paths": list(`EFI\..\a`)}), initrdKey + ".paths[0]", "not a clean path relative to the ESP"},
		"extra initrd, line break": {with(initrdKey, tree{"paths": list("EFI/a\nb")}), initrdKey + ".paths[0]", "contains a line break"},

		"xen v2 is null":             {with(xenV2Key, nil), xenV2Key, "must be an object, is null"},
		"xen v2 with params alone":   {with(xenV2Key, tree{"params": list("a")}), xenV2Key + ".efiPath", "required key is missing"},
		"efiPath is empty":           {xen("efiPath", ""), xenV2Key + ".efiPath", "not an absolute path"},
		"efiPath is unclean":         {xen("efiPath", "/x/./xen.efi"), xenV2Key + ".efiPath", "not a clean path"},
		"efiPath is null":            {xen("efiPath", nil), xenV2Key + ".efiPath", "must be a string, is null"},
		"multibootPath is relative":  {xen("multibootPath", "x"), xenV2Key + ".multibootPath", "not an absolute path"},
		"multibootPath is null":      {xen("multibootPath", nil), xenV2Key + ".multibootPath", "must be a string, is null"},
		"version is a number":        {xen("version", 4.20), xenV2Key + ".version", "must be a string, is a number"},
		"version has a line break":   {xen("version", "4\r"), xenV2Key + ".version", "contains a line break"},
		"xen params are null":        {xen("params", nil), xenV2Key + ".params", "must be a list of strings, is null"},
		"xen params are a string":    {xen("params", "a b"), xenV2Key + ".params", "must be a list of strings, is a string"},
		"xen param is a number":      {xen("params", list("a", "b", "c", 4)), xenV2Key + ".params[3]", "must be a string, is a number"},
		"xen param has a line break": {xen("params", list("a", "b\nkernel=evil")), xenV2Key + ".params[1]", "contains a line break"},
		"xen v1 with params alone":   {with(xenV1Key, tree{"xenParams": list("a")}), xenV1Key + ".xen", "required key is missing"},
		"xen v1 with keys of v2":     {with(xenV1Key, tree{"efiPath": "/x"}), xenV1Key + ".xen", "required key is missing"},
		"xenParams are null":         {with(xenV1Key, tree{"xen": "/x", "xenParams": nil}), xenV1Key + ".xenParams", "must be a list of strings, is null"},
		"xen is relative":            {with(xenV1Key, tree{"xen": "xen.efi"}), xenV1Key + ".xen", "not an absolute path"},

		"specialisations are null":    {with(specKey, nil), specKey, "must be an object, is null"},
		"specialisations are a list":  {with(specKey, list()), specKey, "must be an object, is a list"},
		"specialisation is a string":  {with(specKey, tree{"s": "x"}), specKey + ".s", "must be an object, is a string"},
		"specialisation is empty":     {with(specKey, tree{"s": tree{}}), specKey + ".s." + v1Key, "required key is missing"},
		"fault in a specialisation":   {with(specKey, tree{"s": inner("kernel", "k")}), specKey + ".s." + v1Key + ".kernel", "not an absolute path"},
		"first of two by name":        {with(specKey, tree{"b": inner("kernel", "k"), "a": inner("init", "i")}), specKey + ".a." + v1Key + ".init", "not an absolute path"},
		"xen in a specialisation":     {with(specKey, tree{"s": with(xenV2Key, tree{})}), specKey + ".s." + xenV2Key + ".efiPath", "required key is missing"},
		"name is empty":               {with(specKey, tree{"": minimal()}), specKey + `[""]`, "name is empty"},
		"name is a dot":               {with(specKey, tree{".": minimal()}), specKey + `["."]`, `can't be called "."`},
		"name is two dots":            {with(specKey, tree{"..": minimal()}), specKey + `[".."]`, `can't be called ".."`},
		"name has a slash":            {with(specKey, tree{"a/b": minimal()}), specKey + `["a/b"]`, "contains a slash"},
		"name has a line break":       {with(specKey, tree{"a\nb": minimal()}), specKey + `["a\nb"]`, "contains a control byte"},
		"name has an escape":          {with(specKey, tree{"\x1b[31m": minimal()}), specKey + `["\x1b[31m"]`, "contains a control byte"},
		"name has a DEL":              {with(specKey, tree{"a\x7f": minimal()}), specKey + `["a\x7f"]`, "contains a control byte"},
		"too many specialisations in": {nested(bootspec.MaxSpecialisationDepth + 1), strings.Repeat(specKey+".s.", bootspec.MaxSpecialisationDepth) + specKey, "more than 8 levels deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, encode(t, tt.doc), tt.path, tt.reason)
		})
	}
}

// refused checks that Parse refuses a document at a JSON path, for a reason.
func refused(t *testing.T, b []byte, path, reason string) {
	t.Helper()
	d, err := bootspec.Parse(b)
	if d != nil {
		t.Errorf("returned a document beside the error")
	}
	var fault *bootspec.Error
	if !errors.As(err, &fault) {
		t.Fatalf("want an *Error, got %v", err)
	}
	if fault.Path != path {
		t.Errorf("path %s, want %s", fault.Path, path)
	}
	if !strings.Contains(fault.Reason, reason) {
		t.Errorf("reason %q does not contain %q", fault.Reason, reason)
	}
	if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Errorf("control byte in the message %q", err)
	}
}

func TestXenExtensionVersions(t *testing.T) {
	t.Parallel()
	both := func(v1, v2 any) tree {
		d := with(xenV1Key, v1)
		d[xenV2Key] = v2
		return d
	}
	good1 := tree{"xen": "/x/v1.efi", "xenParams": []string{"from=v1"}}
	good2 := tree{"efiPath": "/x/v2.efi", "params": []string{"from=v2"}}

	for name, doc := range map[string]tree{"v1 valid": both(good1, good2), "v1 broken": both(7, good2)} {
		d, err := bootspec.Parse(encode(t, doc))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := &bootspec.Xen{ExtensionVersion: 2, EFIPath: "/x/v2.efi", Params: []string{"from=v2"}}
		if diff := cmp.Diff(want, d.Xen); diff != "" {
			t.Errorf("%s: v2 must win (-want +got):\n%s", name, diff)
		}
	}
	refused(t, encode(t, both(good1, tree{"params": []string{}})), xenV2Key+".efiPath", "required key is missing")
	refused(t, encode(t, both(good1, nil)), xenV2Key, "must be an object, is null")
}

func TestXenIsNotInherited(t *testing.T) {
	t.Parallel()
	parent := with(xenV2Key, tree{"efiPath": "/x"})
	parent[specKey] = tree{"plain": minimal()}
	d, err := bootspec.Parse(encode(t, parent))
	if err != nil {
		t.Fatal(err)
	}
	if d.Xen == nil || d.Specialisations[0].Document.Xen != nil {
		t.Errorf("only the parent has Xen, but read %v and %v", d.Xen, d.Specialisations[0].Document.Xen)
	}
	d, err = bootspec.Parse(encode(t, with(specKey, tree{"xen": with(xenV2Key, tree{"efiPath": "/x"})})))
	if err != nil {
		t.Fatal(err)
	}
	if d.Xen != nil || d.Specialisations[0].Document.Xen == nil {
		t.Errorf("only the child has Xen, but read %v and %v", d.Xen, d.Specialisations[0].Document.Xen)
	}
}

func TestSpecialisationsAreSorted(t *testing.T) {
	t.Parallel()
	doc := `{"` + v1Key + `":{` + validInner + `},"` + specKey + `":{"b":{"` + v1Key + `":{` + validInner +
		`}},"B":{"` + v1Key + `":{` + validInner + `}},"a":{"` + v1Key + `":{` + validInner + `}}}}`
	d, err := bootspec.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range d.Specialisations {
		names = append(names, s.Name)
	}
	if want := []string{"B", "a", "b"}; !slices.Equal(names, want) {
		t.Errorf("order %q, want %q", names, want)
	}
}

func TestSentinels(t *testing.T) {
	t.Parallel()
	padded := append(encode(t, minimal()), slices.Repeat([]byte(" "), bootspec.MaxSize)...)
	if _, err := bootspec.Parse(padded[:bootspec.MaxSize]); err != nil {
		t.Errorf("a document of exactly the limit: %v", err)
	}
	if _, err := bootspec.Parse(padded[:bootspec.MaxSize+1]); !errors.Is(err, bootspec.ErrTooLarge) {
		t.Errorf("one byte over the limit: want ErrTooLarge, got %v", err)
	}
	for _, doc := range []string{`{}`, `{"v1":{"kernel":"/k"}}`, `{"org.nixos.bootspec.v2":{}}`} {
		if _, err := bootspec.Parse([]byte(doc)); !errors.Is(err, bootspec.ErrNoBootspec) {
			t.Errorf("%s: want ErrNoBootspec, got %v", doc, err)
		}
	}
	// A broken child is no reason to take its parent for a document of another kind.
	for _, doc := range []any{tree{v1Key: nil}, []any{}, with(specKey, tree{"s": tree{}})} {
		if _, err := bootspec.Parse(encode(t, doc)); err == nil || errors.Is(err, bootspec.ErrNoBootspec) {
			t.Errorf("%v: want another error than ErrNoBootspec, got %v", doc, err)
		}
	}
}
