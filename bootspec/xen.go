package bootspec

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Xen is the Xen Project's extension, org.xenproject.bootspec.v1 or .v2. nixpkgs wrote both
// for some releases and writes only version 2 since 26.05.
type Xen struct {
	// ExtensionVersion is 1 or 2.
	ExtensionVersion int
	// EFIPath is the path of xen.efi: efiPath in version 2, xen in version 1.
	EFIPath string
	// MultibootPath is the path of the multiboot binary, for other boot loaders. Version 1
	// has none; "" where absent.
	MultibootPath string
	// Version is Xen's own version, such as 4.20.2. Version 1 has none; "" where absent.
	Version string
	// Params is Xen's command line: params in version 2, xenParams in version 1. None where
	// the key is absent. An item may hold several parameters, separated by spaces.
	Params []string
}

// xen reads the newest Xen extension of a document, nil if there is none.
func (f *fields) xen(o object) *Xen {
	switch {
	case o.has(keyXenV2):
		ext := f.object(o, keyXenV2)
		f.require(ext, "efiPath")
		return &Xen{
			ExtensionVersion: 2,
			EFIPath:          f.str(ext, "efiPath", pathFault),
			MultibootPath:    f.str(ext, "multibootPath", optionalPathFault),
			Version:          f.str(ext, "version", textFault),
			Params:           f.list(ext, "params", textFault),
		}
	case o.has(keyXenV1):
		ext := f.object(o, keyXenV1)
		f.require(ext, "xen")
		return &Xen{
			ExtensionVersion: 1,
			EFIPath:          f.str(ext, "xen", pathFault),
			Params:           f.list(ext, "xenParams", textFault),
		}
	}
	return nil
}

// optionalPathFault is pathFault for a key that says "none" with an empty string.
func optionalPathFault(s string) string {
	if s == "" {
		return ""
	}
	return pathFault(s)
}

type xenV1 struct {
	Xen    string   `json:"xen"`
	Params []string `json:"xenParams"`
}

type xenV2 struct {
	EFIPath       string   `json:"efiPath"`
	MultibootPath string   `json:"multibootPath"`
	Params        []string `json:"params"`
	Version       string   `json:"version"`
}

// EncodeExtension returns a JSON object with the extension under its key, to be merged into
// a document. The same values give the same bytes, and [Parse] reads them back. What Parse
// would refuse, or version 1 could not say, is an error.
func (x Xen) EncodeExtension() ([]byte, error) {
	if err := x.validate(); err != nil {
		return nil, fmt.Errorf("encoding the Xen extension: %w", err)
	}
	params := append([]string{}, x.Params...) // [] for none, never null

	var ext map[string]any
	if x.ExtensionVersion == 1 {
		ext = map[string]any{keyXenV1: xenV1{x.EFIPath, params}}
	} else {
		ext = map[string]any{keyXenV2: xenV2{x.EFIPath, x.MultibootPath, params, x.Version}}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(ext); err != nil {
		return nil, fmt.Errorf("encoding the Xen extension: %w", err)
	}
	return out.Bytes(), nil
}

func (x Xen) validate() error {
	key, efiKey, paramsKey := keyXenV2, "efiPath", "params"
	switch x.ExtensionVersion {
	case 1:
		key, efiKey, paramsKey = keyXenV1, "xen", "xenParams"
		if x.MultibootPath != "" || x.Version != "" {
			return &Error{Path: key, Reason: "has no place for a multiboot path or a version"}
		}
	case 2:
	default:
		return &Error{Reason: fmt.Sprintf("there is no version %d of it, only 1 and 2", x.ExtensionVersion)}
	}
	var f fields
	check := func(path, reason string) {
		if reason != "" {
			f.fail(path, reason)
		}
	}
	check(join(key, efiKey), pathFault(x.EFIPath))
	check(join(key, "multibootPath"), optionalPathFault(x.MultibootPath))
	check(join(key, "version"), textFault(x.Version))
	for i, param := range x.Params {
		check(element(join(key, paramsKey), i), textFault(param))
	}
	return f.err
}
