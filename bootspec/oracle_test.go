package bootspec_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

// oracle is a second reader of documents, on encoding/json and without any rule of its
// own, for comparison with what Parse made of the same bytes. It goes by maps because
// encoding/json matches struct fields in any letter case.
type oracle struct {
	t    *testing.T
	root json.RawMessage
}

func (o oracle) document() *bootspec.Document {
	o.t.Helper()
	const v1 = "org.nixos.bootspec.v1"
	d := &bootspec.Document{
		System:        o.text(v1, "system"),
		Init:          o.text(v1, "init"),
		Kernel:        o.text(v1, "kernel"),
		Label:         o.text(v1, "label"),
		Toplevel:      o.text(v1, "toplevel"),
		KernelParams:  o.list(v1, "kernelParams"),
		Initrd:        o.text(v1, "initrd"),
		InitrdSecrets: o.text(v1, "initrdSecrets"),
		SystemdBoot: bootspec.SystemdBoot{
			SortKey:    o.text("org.nixos.systemd-boot", "sortKey"),
			Devicetree: o.text("org.nixos.systemd-boot", "devicetree"),
		},
		ExtraInitrds: o.list("org.nixos.extra-initrd.v1", "paths"),
		Lanzaboote:   bootspec.Lanzaboote{SortKey: o.text("org.nix-community.lanzaboote", "sort_key")},
		Xen:          o.xen(),
	}
	for i, p := range d.ExtraInitrds {
		d.ExtraInitrds[i] = strings.TrimPrefix(p, "/")
	}
	children := o.members("org.nixos.specialisation.v1")
	for _, name := range slices.Sorted(maps.Keys(children)) {
		child := oracle{o.t, children[name]}.document()
		d.Specialisations = append(d.Specialisations, bootspec.Specialisation{Name: name, Document: child})
	}
	return d
}

func (o oracle) xen() *bootspec.Xen {
	const v1, v2 = "org.xenproject.bootspec.v1", "org.xenproject.bootspec.v2"
	switch {
	case o.at(v2) != nil:
		return &bootspec.Xen{
			ExtensionVersion: 2,
			EFIPath:          o.text(v2, "efiPath"),
			MultibootPath:    o.text(v2, "multibootPath"),
			Version:          o.text(v2, "version"),
			Params:           o.list(v2, "params"),
		}
	case o.at(v1) != nil:
		return &bootspec.Xen{ExtensionVersion: 1, EFIPath: o.text(v1, "xen"), Params: o.list(v1, "xenParams")}
	}
	return nil
}

// at returns the value under a path of keys, or nil.
func (o oracle) at(keys ...string) json.RawMessage {
	o.t.Helper()
	raw := o.root
	for _, key := range keys {
		var members map[string]json.RawMessage
		o.decode(raw, &members, keys)
		if raw = members[key]; raw == nil {
			return nil
		}
	}
	return raw
}

func (o oracle) text(keys ...string) (s string) {
	o.t.Helper()
	if raw := o.at(keys...); raw != nil {
		o.decode(raw, &s, keys)
	}
	return s
}

func (o oracle) list(keys ...string) (items []string) {
	o.t.Helper()
	if raw := o.at(keys...); raw != nil {
		o.decode(raw, &items, keys)
	}
	if len(items) == 0 {
		return nil
	}
	return items
}

func (o oracle) members(keys ...string) (members map[string]json.RawMessage) {
	o.t.Helper()
	if raw := o.at(keys...); raw != nil {
		o.decode(raw, &members, keys)
	}
	return members
}

func (o oracle) decode(raw json.RawMessage, into any, keys []string) {
	o.t.Helper()
	if string(raw) == "null" {
		o.t.Fatalf("accepted, but %q leads to null", keys)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		o.t.Fatalf("accepted, but reading %q with encoding/json failed: %v", keys, err)
	}
}
