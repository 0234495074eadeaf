package bootspec_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

// extend merges an encoded extension into a minimal document, as a user would with jq.
func extend(t *testing.T, extension []byte) []byte {
	t.Helper()
	doc := minimal()
	if err := json.Unmarshal(extension, &doc); err != nil {
		t.Fatal(err)
	}
	return encode(t, doc)
}

func TestEncodeExtensionRoundTrip(t *testing.T) {
	t.Parallel()
	params, err := bootspec.BootParams{
		Trace: true, Dom0Memory: 1024, Dom0MaxMemory: 4096, Dom0MaxVCPUs: 2, Extra: []string{"dom0=pvh", `a="<&>\ é"`},
	}.Compose()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bootspec.Xen{
		"v1":               {ExtensionVersion: 1, EFIPath: "/x/xen.efi", Params: params},
		"v1, no params":    {ExtensionVersion: 1, EFIPath: "/x/xen.efi"},
		"v2":               {ExtensionVersion: 2, EFIPath: "/x/xen.efi", MultibootPath: "/x/xen", Version: "4.20.2", Params: params},
		"v2, nothing else": {ExtensionVersion: 2, EFIPath: "/x/xen.efi"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := want.EncodeExtension()
			if err != nil {
				t.Fatal(err)
			}
			d, err := bootspec.Parse(extend(t, b))
			if err != nil {
				t.Fatalf("%v in %s", err, b)
			}
			if diff := cmp.Diff(&want, d.Xen); diff != "" {
				t.Errorf("after the round trip (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeExtensionBytes(t *testing.T) {
	t.Parallel()
	got, err := bootspec.Xen{ExtensionVersion: 2, EFIPath: "/x", Params: []string{"a=<&>"}}.EncodeExtension()
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "org.xenproject.bootspec.v2": {
    "efiPath": "/x",
    "multibootPath": "",
    "params": [
      "a=<&>"
    ],
    "version": ""
  }
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("encoded (-want +got):\n%s", diff)
	}
}

func TestEncodeExtensionRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		xen          bootspec.Xen
		path, reason string
	}{
		"no version":         {bootspec.Xen{EFIPath: "/x"}, "", "there is no version 0"},
		"version 3":          {bootspec.Xen{ExtensionVersion: 3, EFIPath: "/x"}, "", "there is no version 3"},
		"v1 with version":    {bootspec.Xen{ExtensionVersion: 1, EFIPath: "/x", Version: "4"}, xenV1Key, "no place"},
		"v1 with multiboot":  {bootspec.Xen{ExtensionVersion: 1, EFIPath: "/x", MultibootPath: "/x"}, xenV1Key, "no place"},
		"v1, no path":        {bootspec.Xen{ExtensionVersion: 1}, xenV1Key + ".xen", "not an absolute path"},
		"v2, no path":        {bootspec.Xen{ExtensionVersion: 2}, xenV2Key + ".efiPath", "not an absolute path"},
		"unclean multiboot":  {bootspec.Xen{ExtensionVersion: 2, EFIPath: "/x", MultibootPath: "/x/"}, xenV2Key + ".multibootPath", "not a clean path"},
		"version, two lines": {bootspec.Xen{ExtensionVersion: 2, EFIPath: "/x", Version: "4\n5"}, xenV2Key + ".version", "line break"},
		"param, two lines":   {bootspec.Xen{ExtensionVersion: 2, EFIPath: "/x", Params: []string{"a", "b\nc"}}, xenV2Key + ".params[1]", "line break"},
		"param with NUL":     {bootspec.Xen{ExtensionVersion: 1, EFIPath: "/x", Params: []string{"\x00"}}, xenV1Key + ".xenParams[0]", "NUL"},
		"param not UTF-8":    {bootspec.Xen{ExtensionVersion: 2, EFIPath: "/x", Params: []string{"\xff"}}, xenV2Key + ".params[0]", "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := tt.xen.EncodeExtension()
			var fault *bootspec.Error
			if !errors.As(err, &fault) {
				t.Fatalf("want an *Error, got %v and %s", err, b)
			}
			if fault.Path != tt.path || !strings.Contains(fault.Reason, tt.reason) {
				t.Errorf("got %q at %q, want %q at %q", fault.Reason, fault.Path, tt.reason, tt.path)
			}
		})
	}
}
