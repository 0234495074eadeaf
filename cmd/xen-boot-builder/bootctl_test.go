package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// bootctlEntry is an entry as systemd's bootctl lists it.
type bootctlEntry struct {
	ID, Path, Title, Version, SortKey, EFI, Linux, Options string
}

// testBootctl has bootctl read our entries, by a reader of its own.
func testBootctl(t *testing.T, b binary) {
	firmware.Need(t, "bootctl")
	title, version := "NixOS (with Xen Hypervisor)", "Generation 2 NixOS Xantusia 25.11.20251201.1f2e3d4 (Linux 6.12.58), built on 2025-12-02"
	t.Run("shared", func(t *testing.T) {
		t.Parallel()
		e := bootctlXen(t, b, "shared")
		image, err := filepath.Glob(filepath.Join(e.installed, "EFI/xen/xen-4.20.2-*.efi"))
		if err != nil || len(image) != 1 {
			t.Fatalf("images: %v, %v", image, err)
		}
		configs, err := filepath.Glob(filepath.Join(e.installed, "EFI/xen/xen-generation-2-*.cfg"))
		if err != nil || len(configs) != 1 {
			t.Fatalf("xen.cfg: %v, %v", configs, err)
		}
		want := bootctlEntry{
			ID: "xen-generation-2.conf", Title: title, Version: version, SortKey: "nixos",
			EFI:     strings.TrimPrefix(image[0], e.installed),
			Options: "xen.efi -cfg=" + filepath.Base(configs[0]),
			Path:    filepath.Join(e.esp, "loader/entries/xen-generation-2.conf"),
		}
		if d := cmp.Diff(want, e.second); d != "" {
			t.Error(d)
		}
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		e := bootctlXen(t, b, "embedded")
		want := bootctlEntry{
			ID: "xen-generation-2.conf", Title: title, Version: version, SortKey: "nixos",
			EFI:  "/EFI/nixos/xen-generation-2.efi",
			Path: filepath.Join(e.esp, "loader/entries/xen-generation-2.conf"),
		}
		if d := cmp.Diff(want, e.second); d != "" {
			t.Error(d)
		}
	})
	t.Run("unified", func(t *testing.T) {
		t.Parallel()
		e := bootctlXen(t, b, "unified")
		image, err := filepath.Glob(filepath.Join(e.installed, "EFI/Linux/xen-generation-2-*.efi"))
		if err != nil || len(image) != 1 {
			t.Fatalf("images: %v, %v", image, err)
		}
		// An image's version is made from bootspec and profile link, and the fixture's link is of today.
		day := regexp.MustCompile(`[-0-9]+$`)
		e.second.Version = day.ReplaceAllString(e.second.Version, "DAY")
		want := bootctlEntry{
			ID: filepath.Base(image[0]), Title: title, Version: day.ReplaceAllString(version, "DAY"), SortKey: "nixos",
			Path:    filepath.Join(e.esp, "EFI/Linux", filepath.Base(image[0])),
			Linux:   strings.TrimPrefix(image[0], e.installed+"/"),
			Options: "xen.efi",
		}
		e.second.Linux = strings.TrimPrefix(e.second.Linux, "/") // newer versions print one
		if d := cmp.Diff(want, e.second); d != "" {
			t.Error(d)
		}
	})
}

// testBesideBootctl: bootctl, list and status see the same Xen entries and the same default, whatever the entries are called,
// counted or not, by policies that start Xen and one that does not.
func testBesideBootctl(t *testing.T, b binary) {
	firmware.Need(t, "bootctl")
	r, err := runProcess(cleanCommand("bootctl", "--version"))
	if err != nil {
		t.Fatal(err)
	}
	version := strings.Fields(r.stdout + " ? ?")[1] // "systemd 252 (252.39-1~deb12u2)"
	for n, kind := range []string{"demo", "hash", "counted", "hash counted", "lanzaboote", "script"} {
		for i, layout := range []string{"shared", "embedded", "unified"} {
			if testing.Short() && i != n%3 {
				continue // each machine in one layout
			}
			// A test's name goes into paths, of which bootctl's complaints must not name Xen.
			for name, mode := range map[string]string{"sibling": "xen", "own": "nixos"} {
				t.Run(kind+"/"+layout+"/"+name, func(t *testing.T) {
					t.Parallel()
					m := mustLayOut(t, kind)
					// The systemd-boot of bootctl's own version: another one may well start something else.
					for _, file := range []string{"EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"} {
						image := fixtures.PE(fixtures.Section{Name: ".sdmagic", Data: []byte("#### LoaderInfo: systemd-boot " + version + " ####")})
						err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(m.esp, file)), 0o755), os.WriteFile(filepath.Join(m.esp, file), image, 0o644))
						if err != nil {
							t.Fatal(err)
						}
					}
					b.mustInstall(t, m, "--layout", layout, "--default", mode, "quiet")
					espDir := filepath.Join(t.TempDir(), "esp")
					if err := os.Mkdir(espDir, 0o755); err != nil {
						t.Fatal(err)
					}
					inNamespace(t, func() error {
						listed, def, err := bootctlOn(m.esp, espDir)
						if err != nil {
							return err
						}
						return besideBootctl(b, []string{"--esp", espDir, "--root", m.root, "--json"}, listed, def)
					})
				})
			}
		}
	}
}

// bootctlOn has bootctl list a copy of an ESP, which has to be a mount point, and name the default.
func bootctlOn(from, espDir string) (listed []bootctlEntry, def string, err error) {
	if err := errors.Join(mountTmpfs(espDir, 4<<20, 0), copyTree(from, espDir)); err != nil {
		return nil, "", err
	}
	text, err := bootctlList(espDir)
	if err != nil {
		return nil, "", err
	}
	m := bootctlDefaultID.FindStringSubmatch(text)
	if m == nil {
		return nil, "", fmt.Errorf("bootctl names no default:\n%s", text)
	}
	if text, err = bootctlList(espDir, "--json=short"); err == nil {
		listed, err = readBootctl([]byte(text))
	}
	return listed, m[1], err
}

type bootctlSeen struct {
	installed string       // where our program was run
	esp       string       // where bootctl saw it
	second    bootctlEntry // generation 2
}

// bootctlXen installs the demo machine, has bootctl list it, and checks what is the same for each layout.
// bootctl insists on a mount point.
func bootctlXen(t *testing.T, b binary, layout string) bootctlSeen {
	t.Helper()
	m := mustLayOut(t, "demo")
	b.mustInstall(t, m, "--layout", layout, "quiet")
	seen := bootctlSeen{installed: m.esp, esp: filepath.Join(t.TempDir(), "esp")}
	if err := os.Mkdir(seen.esp, 0o755); err != nil {
		t.Fatal(err)
	}
	var listed []bootctlEntry
	inNamespace(t, func() error {
		if err := mountTmpfs(seen.esp, 4<<20, 0); err != nil {
			return err
		}
		if err := copyTree(m.esp, seen.esp); err != nil {
			return err
		}
		text, err := bootctlList(seen.esp)
		if err != nil {
			return err
		}
		if !bootctlDefault.MatchString(text) {
			t.Errorf("generation 3 with Xen is not what bootctl sees as default:\n%s", text)
		}
		def := bootctlDefaultID.FindStringSubmatch(text)
		if text, err = bootctlList(seen.esp, "--json=short"); err == nil {
			listed, err = readBootctl([]byte(text))
		}
		if err == nil && def != nil {
			err = besideBootctl(b, []string{"--esp", seen.esp, "--root", m.root, "--json"}, listed, def[1])
		}
		return err
	})
	if t.Skipped() || t.Failed() {
		t.FailNow()
	}
	var xen []bootctlEntry
	for _, e := range listed {
		if strings.HasPrefix(e.ID, "xen-") {
			xen = append(xen, e)
		}
	}
	if len(xen) != 5 {
		t.Fatalf("bootctl lists %d Xen entries, want 5: %+v", len(xen), listed)
	}
	i := slices.IndexFunc(xen, func(e bootctlEntry) bool { return strings.HasPrefix(e.ID, "xen-generation-2") })
	seen.second = xen[i]
	return seen
}

// besideBootctl holds list and status against what bootctl said: the same Xen entries, and the same default.
func besideBootctl(b binary, flags []string, listed []bootctlEntry, def string) error {
	var list inspectionDocument
	var status statusDocument
	for command, into := range map[string]any{"list": &list, "status": &status} {
		r, err := runProcess(b.command(append([]string{command}, flags...)...))
		if err == nil {
			err = json.Unmarshal([]byte(r.stdout), into)
		}
		if err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, r.stderr)
		}
	}
	var want, got []string
	for _, e := range listed {
		if strings.HasPrefix(e.ID, "xen-") {
			want = append(want, e.ID)
		}
	}
	starts := ""
	for _, e := range list.ESPs[0].Entries {
		got = append(got, e.ID)
		if e.Default {
			starts = e.ID
		}
	}
	if s := list.ESPs[0].Starts; starts == "" && s != nil && !s.Xen {
		starts = s.Entry
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		return fmt.Errorf("bootctl and list see other entries (-bootctl +list):\n%s", d)
	}
	if next := status.ESPs[0].Next; starts != def || next == nil || next.Entry != def {
		return fmt.Errorf("bootctl says that %s is the default, list says %s, and status %v", def, starts, next)
	}
	return nil
}

// bootctlDefaultID is the id of the default entry in bootctl's text.
var bootctlDefaultID = regexp.MustCompile(`title: .* \(default\).*\n +id: (\S+)\n`)

// bootctlDefault is the default entry in bootctl's text.
var bootctlDefault = regexp.MustCompile(`title: .* \(default\).*\n +id: xen-generation-3(-[0-9a-f]{16})?\.(conf|efi)\n`)

// bootctlList runs bootctl list, which must not complain about an entry of ours.
func bootctlList(esp string, flags ...string) (string, error) {
	cmd := cleanCommand("bootctl", append([]string{"--esp-path=" + esp, "list"}, flags...)...)
	cmd.Env = append(cmd.Env, "SYSTEMD_RELAX_ESP_CHECKS=1")
	r, err := runProcess(cmd)
	if err == nil && (r.code != 0 || strings.Contains(r.stderr, "xen")) {
		err = fmt.Errorf("bootctl list: exit code %d: %s", r.code, r.stderr)
	}
	return r.stdout, err
}

// readBootctl reads a sequence of objects, as older versions print, or an array of them.
func readBootctl(text []byte) ([]bootctlEntry, error) {
	var list []bootctlEntry
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		return list, json.Unmarshal(text, &list)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	for dec.More() {
		var e bootctlEntry
		if err := dec.Decode(&e); err != nil {
			return nil, errors.Join(err, errors.New(string(text)))
		}
		list = append(list, e)
	}
	return list, nil
}
