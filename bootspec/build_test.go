package bootspec_test

import (
	"encoding/json"
	"testing"
)

const (
	v1Key      = "org.nixos.bootspec.v1"
	specKey    = "org.nixos.specialisation.v1"
	bootKey    = "org.nixos.systemd-boot"
	initrdKey  = "org.nixos.extra-initrd.v1"
	lanzaKey   = "org.nix-community.lanzaboote"
	xenV1Key   = "org.xenproject.bootspec.v1"
	xenV2Key   = "org.xenproject.bootspec.v2"
	validInner = `"system":"x86_64-linux","init":"/t/init","kernel":"/k","kernelParams":[],"label":"L","toplevel":"/t"`
)

// tree is a JSON object under construction.
type tree = map[string]any

// list is a JSON list, an empty one rather than null where there are no items.
func list(items ...any) []any { return append([]any{}, items...) }

// minimal returns a document with the required keys and nothing else.
func minimal() tree {
	return tree{v1Key: tree{
		"system": "x86_64-linux", "init": "/t/init", "kernel": "/k/bzImage",
		"kernelParams": []any{"quiet"}, "label": "NixOS", "toplevel": "/t",
	}}
}

// with returns a minimal document with one more key.
func with(key string, value any) tree {
	d := minimal()
	d[key] = value
	return d
}

// inner returns a minimal document with one key of org.nixos.bootspec.v1 set.
func inner(key string, value any) tree {
	d := minimal()
	d[v1Key].(tree)[key] = value
	return d
}

// without returns a minimal document that lacks a key of org.nixos.bootspec.v1.
func without(key string) tree {
	d := minimal()
	delete(d[v1Key].(tree), key)
	return d
}

// nested returns a document within as many specialisations, all called "s".
func nested(levels int) tree {
	d := minimal()
	for range levels {
		d = with(specKey, tree{"s": d})
	}
	return d
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
