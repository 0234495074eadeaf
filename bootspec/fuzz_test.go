package bootspec_test

import (
	"encoding/json"
	"errors"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

func FuzzParse(f *testing.F) {
	for _, directory := range []string{"valid", "invalid"} {
		for _, b := range samples(f, directory) {
			f.Add(b)
		}
	}
	// Short ones, where a mutation is likelier to hit something than in a real document.
	const valid = `"` + v1Key + `":{` + validInner + `}`
	for _, rest := range []string{
		`,"a":["\ud83d\ude00\u0041\n",1e5,{"":null}]`,
		`,"` + specKey + `":{"s":{` + valid + `},"t":{` + valid + `}}`,
		`,"` + xenV1Key + `":{"xen":"/x","xenParams":["a"]}`,
		`,"` + xenV2Key + `":{"efiPath":"/x","multibootPath":"","version":"4","params":["a","\t"]}`,
		`,"` + bootKey + `":{"sortKey":"s","devicetree":"/d"},"` + lanzaKey + `":{"sort_key":"l"}`,
		`,"` + initrdKey + `":{"paths":["/EFI/a","b"]}`,
	} {
		f.Add([]byte("{" + valid + rest + "}"))
	}

	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := bootspec.Parse(b)
		if err != nil {
			var fault *bootspec.Error
			if !errors.As(err, &fault) || fault.Reason == "" || d != nil {
				t.Fatalf("refused with %#v and %v", err, d)
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) || !utf8.ValidString(err.Error()) {
				t.Fatalf("unprintable message %q", err)
			}
			return
		}
		// What encoding/json refuses must have been refused, and what it reads be the same.
		var value any
		if err := json.Unmarshal(b, &value); err != nil || !json.Valid(b) {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if diff := cmp.Diff(oracle{t, b}.document(), d); diff != "" {
			t.Fatalf("encoding/json reads it differently (-encoding/json +Parse):\n%s", diff)
		}
		checkInvariants(t, d)
	})
}

// checkInvariants checks what the documentation of Document promises.
func checkInvariants(t *testing.T, d *bootspec.Document) {
	t.Helper()
	paths := []string{d.Init, d.Kernel, d.Toplevel}
	optional := []string{d.Initrd, d.InitrdSecrets, d.SystemdBoot.Devicetree}
	texts := append([]string{d.System, d.Label, d.SystemdBoot.SortKey, d.Lanzaboote.SortKey}, d.KernelParams...)
	if d.Xen != nil {
		paths = append(paths, d.Xen.EFIPath)
		optional = append(optional, d.Xen.MultibootPath)
		texts = append(append(texts, d.Xen.Version), d.Xen.Params...)
		checkReencoding(t, *d.Xen)
	}
	for _, p := range optional {
		if p != "" {
			paths = append(paths, p)
		}
	}
	for _, p := range paths {
		if !path.IsAbs(p) || path.Clean(p) != p {
			t.Fatalf("accepted the path %q", p)
		}
	}
	for _, p := range d.ExtraInitrds {
		if p == "" || path.IsAbs(p) || path.Clean("/"+p) != "/"+p {
			t.Fatalf("accepted the path %q on the ESP", p)
		}
	}
	for _, s := range append(append(texts, paths...), d.ExtraInitrds...) {
		if strings.ContainsAny(s, "\x00\n\r") || !utf8.ValidString(s) {
			t.Fatalf("accepted the text %q", s)
		}
	}
	last := ""
	for _, s := range d.Specialisations {
		if s.Name <= last || s.Name == "." || s.Name == ".." || strings.ContainsFunc(s.Name, func(r rune) bool { return r < ' ' || r == '/' || r == 0x7f }) {
			t.Fatalf("accepted the specialisation %q after %q", s.Name, last)
		}
		last = s.Name
		checkInvariants(t, s.Document)
	}
}

// checkReencoding: whatever was read can be written, and reads the same again.
func checkReencoding(t *testing.T, xen bootspec.Xen) {
	t.Helper()
	b, err := xen.EncodeExtension()
	if err != nil {
		t.Fatalf("read but not encoded: %v", err)
	}
	d, err := bootspec.Parse(extend(t, b))
	if err != nil {
		t.Fatalf("encoded but not read: %v", err)
	}
	if diff := cmp.Diff(&xen, d.Xen); diff != "" {
		t.Fatalf("after the round trip (-before +after):\n%s", diff)
	}
}
