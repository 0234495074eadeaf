package efivars_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/efivars"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

const guid = "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

// TestRead reads what a dom0 that systemd-boot 252 started has in its efivarfs.
func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list, err := filepath.Glob("testdata/252/*.hex")
	if err != nil || len(list) < 5 {
		t.Fatalf("%d dumps, %v", len(list), err)
	}
	for _, file := range list {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, strings.TrimSuffix(filepath.Base(file), ".hex")), b)
	}
	got, err := efivars.At(dir).Read()
	if err != nil {
		t.Fatal(err)
	}
	want := efivars.Loader{
		Info:     "systemd-boot 252.39-1~deb12u2",
		Selected: "xen-generation-7.conf",
		PartUUID: "66666666-7777-8888-9999-aaaaaaaaaaaa",
		Features: 0x7ff,
		OneShot:  "nixos-generation-7.conf",
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.Features&efivars.EntryOneShot == 0 || !efivars.At(dir).Exists() {
		t.Error("one shot is not known")
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{t.TempDir(), "/nonexistent"} {
		s := efivars.At(dir)
		if l, err := s.Read(); err != nil || l != (efivars.Loader{}) {
			t.Errorf("%+v, %v", l, err)
		}
		if s.Exists() {
			t.Error("there are variables in " + dir)
		}
		if err := s.ClearOneShot(); err != nil {
			t.Error(err)
		}
	}
	if err := efivars.At("/nonexistent").SetOneShot("xen-generation-7.conf"); err == nil || !strings.Contains(err.Error(), "LoaderEntryOneShot") {
		t.Error(err)
	}
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		hex, text string
		bad       bool
	}{
		{"", "", false},
		{"0700", "", false},
		{"07000000", "", false},
		{"070000006100", "a", false}, // some firmware leaves the NUL out
		{"070000006100000062000000", "a", false},
		{"0700000061", "", true},
	} {
		dir := t.TempDir()
		b, _ := hex.DecodeString(tt.hex)
		write(t, filepath.Join(dir, "LoaderEntryDefault"+guid), b)
		l, err := efivars.At(dir).Read()
		if l.Default != tt.text || (err != nil) != tt.bad {
			t.Errorf("%s: %q, %v", tt.hex, l.Default, err)
		}
	}
}

func TestOneShot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "LoaderEntryOneShot"+guid)
	s := efivars.At(dir)
	for _, id := range []string{"xen-generation-7-specialisation-long.conf", "xé.efi"} {
		if err := s.SetOneShot(id); err != nil {
			t.Fatal(err)
		}
		if l, err := s.Read(); err != nil || l.OneShot != id {
			t.Errorf("%q, %v", l.OneShot, err)
		}
	}
	if got := read(t, file); got != "07000000"+"7800e9002e00650066006900"+"0000" {
		t.Error(got)
	}
	for _, bad := range []string{"", "a\x00b"} {
		if err := s.SetOneShot(bad); err == nil {
			t.Errorf("%q can be written", bad)
		}
	}
	for range 2 {
		if err := s.ClearOneShot(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Error(err)
	}
}

func TestInstalled(t *testing.T) {
	t.Parallel()
	text := func(info string) []byte {
		return []byte("MZ....#### LoaderInfo: broken" + "\x00#### LoaderInfo: " + info + " ####....")
	}
	for _, tt := range []struct {
		files map[string][]byte
		want  string
	}{
		{nil, ""},
		{map[string][]byte{"EFI/systemd/systemd-bootx64.efi": text("systemd-boot 252.39-1~deb12u2"), "EFI/BOOT/BOOTX64.EFI": text("systemd-boot 250")},
			"systemd-boot 252.39-1~deb12u2"},
		{map[string][]byte{"EFI/BOOT/BOOTX64.EFI": text("systemd-boot 262.1")}, "systemd-boot 262.1"},
		{map[string][]byte{"EFI/BOOT/BOOTX64.EFI": []byte("#### LoaderInfo: systemd-stub 262 ####")}, ""},
		{map[string][]byte{"EFI/BOOT/grubx64.efi": text("systemd-boot 262.1")}, ""},
	} {
		dir := t.TempDir()
		for name, b := range tt.files {
			write(t, filepath.Join(dir, name), b)
		}
		fsys, err := esp.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := efivars.Installed(fsys); got != tt.want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, tt.want)
		}
	}
}

// TestInstalledDebian reads the real program of Debian's package.
func TestInstalledDebian(t *testing.T) {
	t.Parallel()
	const file = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Skip("systemd-boot-efi is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "EFI/systemd/systemd-bootx64.efi"), b)
	fsys, err := esp.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := efivars.Installed(fsys); !strings.HasPrefix(got, "systemd-boot 2") || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
