package nextboot

import (
	"cmp"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// ReadEntry is an entry of type #1 as its text has it. Whether the file that it names is there, and so whether it
// is Hidden, and its Toplevel are for the caller to find out.
func ReadEntry(file string, kind Kind, text *esp.Entry) Entry {
	get := func(key string) string {
		value, _ := text.Get(key)
		return value
	}
	return Entry{File: file, Kind: kind, SortKey: get("sort-key"), Version: get("version"), MachineID: get("machine-id")}
}

// ReadImage is an entry of type #2 as the image's section .osrel has it (os-release(5), read as systemd-boot reads it:
// bootspec_pick_name_version_sort_key). One without a name is not shown.
func ReadImage(file string, kind Kind, osrel string) Entry {
	values := map[string]string{}
	text, _, _ := strings.Cut(osrel, "\x00")
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.Trim(line, " \t")
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		value = strings.TrimLeft(value, "=")
		if n := len(value); n > 0 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1:max(1, n-1)]
		}
		values[key] = value
	}
	e := Entry{
		File: file, Kind: kind,
		SortKey: cmp.Or(values["IMAGE_ID"], values["ID"]),
		Version: cmp.Or(values["IMAGE_VERSION"], values["VERSION"], values["VERSION_ID"], values["BUILD_ID"]),
	}
	e.Hidden = cmp.Or(values["PRETTY_NAME"], values["IMAGE_ID"], values["NAME"], values["ID"]) == ""
	return e
}
