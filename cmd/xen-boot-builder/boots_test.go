package main

import (
	"debug/pe"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// boots says, by a reader that shares nothing with the program, whether every Xen entry on an ESP finds all its files
// and loader.conf starts an entry that exists. It knows the forms that the program writes, and no others. Entries
// of these names may be broken.
func boots(esp string, but ...string) error {
	var errs []error
	entries, err := filepath.Glob(filepath.Join(esp, "loader/entries/xen-*.conf"))
	if err != nil {
		return err
	}
	for _, file := range entries {
		if slices.Contains(but, filepath.Base(file)) {
			continue
		}
		if isBlank(file) {
			continue // systemd-boot leaves it out
		}
		if err := entryBoots(esp, file); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(file), err))
		}
	}
	images, err := filepath.Glob(filepath.Join(esp, "EFI/Linux/xen-*.efi"))
	if err != nil {
		return err
	}
	for _, file := range images {
		if isBlank(file) {
			continue
		}
		if err := imageBoots(file, ".config", ".kernel", ".ramdisk", ".osrel"); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(file), err))
		}
	}
	return errors.Join(append(errs, defaultExists(esp))...)
}

// isBlank reports whether systemd-boot finds nothing in a file: its first sector is newlines or zeros,
// or there is none.
func isBlank(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && strings.Trim(string(text[:min(len(text), 512)]), "\n\x00") == ""
}

func entryBoots(esp, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	values := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		values[key] = value
	}
	if values["efi"] == "" {
		return errors.New("no efi")
	}
	image := filepath.Join(esp, values["efi"])
	var config []byte
	if name, ok := strings.CutPrefix(values["options"], "xen.efi -cfg="); ok {
		if err := imageBoots(image); err != nil {
			return err
		}
		config, err = os.ReadFile(filepath.Join(filepath.Dir(image), name))
	} else {
		config, err = sectionOf(image, ".config")
	}
	if err != nil {
		return err
	}
	return configBoots(esp, filepath.Dir(image), string(config))
}

// configBoots looks for the files that a xen.cfg names.
func configBoots(esp, dir, config string) error {
	found := 0
	for line := range strings.Lines(config) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if key != "kernel" && key != "ramdisk" {
			continue
		}
		name, _, _ := strings.Cut(value, " ")
		name = strings.ReplaceAll(name, `\`, "/")
		if strings.HasPrefix(name, "/") {
			name = filepath.Join(esp, name)
		} else {
			name = filepath.Join(dir, name)
		}
		if info, err := os.Stat(name); err != nil || info.Size() == 0 {
			return fmt.Errorf("%s is missing or empty: %v", key, err)
		}
		found++
	}
	if found != 2 || !strings.HasPrefix(config, "[global]\ndefault=xen\n") {
		return fmt.Errorf("not a xen.cfg with kernel and ramdisk: %q", config)
	}
	return nil
}

// imageBoots wants a whole PE image with these sections.
func imageBoots(file string, sections ...string) error {
	f, err := pe.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, s := range f.Sections {
		if _, err := s.Data(); err != nil && s.Size > 0 {
			return fmt.Errorf("section %s: %w", s.Name, err)
		}
	}
	for _, name := range sections {
		if f.Section(name) == nil {
			return fmt.Errorf("no section %s", name)
		}
	}
	return nil
}

func sectionOf(file, name string) ([]byte, error) {
	f, err := pe.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := f.Section(name)
	if s == nil {
		return nil, fmt.Errorf("no section %s", name)
	}
	data, err := s.Data()
	return data[:min(len(data), int(s.VirtualSize))], err
}

// defaultExists looks for what loader.conf starts, as a glob.
func defaultExists(esp string) error {
	text, err := os.ReadFile(filepath.Join(esp, "loader/loader.conf"))
	if err != nil {
		return err
	}
	i := slices.IndexFunc(strings.Split(string(text), "\n"), func(line string) bool { return strings.HasPrefix(line, "default ") })
	if i < 0 {
		return fmt.Errorf("loader.conf has no default: %q", text)
	}
	pattern := strings.TrimPrefix(strings.Split(string(text), "\n")[i], "default ")
	for _, dir := range []string{"loader/entries", "EFI/Linux"} {
		if found, err := filepath.Glob(filepath.Join(esp, dir, pattern)); err == nil && len(found) > 0 {
			return nil
		}
	}
	return fmt.Errorf("loader.conf starts %s, which does not exist", pattern)
}
