package secureboot_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

func TestReadState(t *testing.T) {
	t.Parallel()
	const none = "none"
	for _, c := range []struct {
		name              string
		secureBoot, setup string // the variables' bytes, or none
		want              secureboot.State
		fails             bool
	}{
		{"enabled", "\x06\x00\x00\x00\x01", "\x06\x00\x00\x00\x00", secureboot.State{Enabled: true, Known: true}, false},
		{"disabled", "\x06\x00\x00\x00\x00", "\x06\x00\x00\x00\x00", secureboot.State{Known: true}, false},
		{"setup mode", "\x06\x00\x00\x00\x00", "\x06\x00\x00\x00\x01", secureboot.State{SetupMode: true, Known: true}, false},
		{"no setup mode", "\x06\x00\x00\x00\x01", none, secureboot.State{Enabled: true, Known: true}, false},
		{"no variables", none, none, secureboot.State{}, false},
		{"without attributes", "\x01", none, secureboot.State{}, true},
		{"too long", "\x06\x00\x00\x00\x01\x00", none, secureboot.State{}, true},
		{"not a boolean", "\x06\x00\x00\x00\x02", none, secureboot.State{}, true},
		{"setup mode not a boolean", "\x06\x00\x00\x00\x01", "", secureboot.State{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, data := range map[string]string{"SecureBoot": c.secureBoot, "SetupMode": c.setup} {
				if data != none {
					writeFile(t, filepath.Join(dir, name+"-8be4df61-93ca-11d2-aa0d-00e098032b8c"), []byte(data))
				}
			}
			got, err := secureboot.ReadState(dir)
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("%+v, error %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestReadStateWithoutEFI(t *testing.T) {
	t.Parallel()
	got, err := secureboot.ReadState(filepath.Join(t.TempDir(), "missing"))
	if got.Known || err != nil {
		t.Errorf("%+v, error %v", got, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secureboot.ReadState(file); err == nil {
		t.Error("a file for a directory: no error")
	}
}
