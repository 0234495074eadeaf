package bootbuilder_test

import (
	"bufio"
	"debug/pe"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
)

// tree is all that one file system holds; see [crashfs.FS.Tree].
type tree map[string]string

// world is what a machine boots from. Without XBOOTLDR both are the same.
type world struct{ esp, boot tree }

func worldOf(m *crashfs.Machine, xbootldr bool) world {
	w := world{esp: read(m.FS(0))}
	w.boot = w.esp
	if xbootldr {
		w.boot = read(m.FS(1))
	}
	return w
}

// read is all of a file system but directories in the making, which nobody looks into.
func read(f *crashfs.FS) tree {
	t := tree(f.Tree())
	maps.DeleteFunc(t, func(name, _ string) bool { return strings.Contains("/"+name, "/XENBB") })
	return t
}

// checker says what is wrong with a world between two others. It has its own reading of
// entries, xen.cfg and images: with the code under test it shares none.
type checker struct {
	before, after world
	// known are all contents that are whole.
	known []tree
	// blanks says that an entry may say nothing for a while.
	blanks bool
	// another says that a run may have made what it did in another way: payload of ours may be another, too.
	another bool
	// excused are entries that were broken before: those may stay so, or go.
	excused map[string]bool
	// sections remembers the sections of images.
	sections map[string]string
}

func newChecker(before, after world) *checker {
	c := &checker{before: before, after: after, sections: make(map[string]string)}
	c.known = []tree{before.boot, after.boot, before.esp, after.esp}
	c.excused = make(map[string]bool)
	for _, why := range c.broken(before) {
		c.excused[why.entry] = true
	}
	return c
}

// orAs is a checker that takes what w holds for whole too: w is what a run ended with.
func (c *checker) orAs(w world) *checker {
	with := *c
	with.known = append(slices.Clip(c.known), w.boot, w.esp)
	with.another = true
	return &with
}

// diff compares what runs ended with. One that could not read an entry doesn't know whether the image that it names may be replaced, and
// chooses another name.
func (c *checker) diff(want, got world) string {
	if c.another {
		return diffFiles(want, got, withScriptNames)
	}
	return diffWorlds(want, got)
}

// fault is what is wrong with an entry.
type fault struct {
	entry string
	err   error
}

// check lists what is wrong: an entry that names something that is not whole, a default that names
// no entry, and a file that was to be left alone, or replaced, but is gone or changed.
func (c *checker) check(w world) []string {
	var wrong []string
	for _, f := range c.broken(w) {
		if !c.excused[f.entry] {
			wrong = append(wrong, fmt.Sprintf("%s: %v", f.entry, f.err))
		}
	}
	wrong = append(wrong, defaults(w)...)
	wrong = append(wrong, c.steady(c.before.boot, c.after.boot, w.boot)...)
	wrong = append(wrong, c.steady(c.before.esp, c.after.esp, w.esp)...)
	slices.Sort(wrong)
	return slices.Compact(wrong)
}

// steady wants every file that stands before and after to stand in between, and whole.
// loader.conf's keys may have a value of the time in between.
func (c *checker) steady(before, after, now tree) []string {
	var wrong []string
	for name, old := range before {
		if _, ok := after[name]; !ok || c.excused[name] || strings.HasSuffix(name, "/") {
			continue
		}
		have, ok := now[name]
		switch {
		case !ok && c.another && (strings.HasPrefix(name, "EFI/xen/") || strings.HasPrefix(name, "EFI/nixos/xen-")): // the entries say whether they miss it
		case !ok:
			wrong = append(wrong, name+" is gone")
		case name == "loader/loader.conf":
			if a, b := otherLines(have), otherLines(old); a != b {
				wrong = append(wrong, fmt.Sprintf("%s holds %q, was %q", name, a, b))
			}
		case c.blanks && isType1(name) && !says(name, have):
		case !c.knows(name, have):
			wrong = append(wrong, name+" holds neither its old nor its new content")
		}
	}
	return wrong
}

func otherLines(loaderConf string) string {
	var b strings.Builder
	for line := range strings.Lines(loaderConf) {
		if key, _, _ := strings.Cut(line, " "); key != "default" && key != "preferred" {
			b.WriteString(line)
		}
	}
	return unpadded(b.String())
}

// broken lists the entries that can't boot.
func (c *checker) broken(w world) []fault {
	var found []fault
	for _, t := range []tree{w.boot, w.esp} {
		for name, content := range t {
			var err error
			switch {
			case !says(name, content):
			case isType1(name):
				err = c.type1(t, content)
			case isType2(name):
				err = c.type2(t, name)
			}
			if err != nil {
				found = append(found, fault{name, err})
			}
		}
	}
	return found
}

func isType1(name string) bool {
	dir, base := path.Split(strings.ToLower(name))
	return dir == "loader/entries/" && strings.HasSuffix(base, ".conf") && base[0] != '.'
}

func isType2(name string) bool {
	dir, base := path.Split(strings.ToLower(name))
	return dir == "efi/linux/" && strings.HasSuffix(base, ".efi") && base[0] != '.'
}

// says reports whether systemd-boot makes anything of a file: neither of an entry of newlines and comments, nor of an image
// without its first sector, nor of a name without content.
func says(name, content string) bool {
	if isType2(name) {
		return strings.Trim(content[:min(512, len(content))], "\x00") != ""
	}
	for line := range strings.Lines(content) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return true
		}
	}
	return false
}

// type1 follows an entry of the Boot Loader Specification to all that it takes to boot.
func (c *checker) type1(t tree, entry string) error {
	keys := make(map[string]string)
	lines := bufio.NewScanner(strings.NewReader(entry))
	for lines.Scan() {
		key, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		keys[key] = strings.TrimSpace(value)
		if key == "linux" || key == "initrd" || key == "efi" || key == "devicetree" {
			if err := c.whole(t, strings.TrimPrefix(keys[key], "/")); err != nil {
				return err
			}
		}
	}
	image := strings.TrimPrefix(keys["efi"], "/")
	switch {
	case image == "" && keys["linux"] == "":
		return fmt.Errorf("it names nothing to start: %q", entry)
	case image == "":
		return nil
	}
	config, err := c.section(t[fold(t, image)], ".config")
	if err != nil {
		return fmt.Errorf("%s: %w", image, err)
	}
	if config == "" {
		cfg, ok := strings.CutPrefix(keys["options"], "xen.efi -cfg=")
		if !ok {
			return fmt.Errorf("%s has no .config, and the options name no xen.cfg", image)
		}
		cfg = path.Join(path.Dir(image), cfg)
		if err := c.whole(t, cfg); err != nil {
			return err
		}
		config = t[fold(t, cfg)]
	}
	return c.config(t, path.Dir(image), config)
}

// config looks for what a xen.cfg names.
func (c *checker) config(t tree, dir, text string) error {
	if !strings.Contains(text, "\n[xen]\n") {
		return fmt.Errorf("xen.cfg has no section xen: %q", text)
	}
	named := 0
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if key != "kernel" && key != "ramdisk" {
			continue
		}
		named++
		file, _, _ := strings.Cut(value, " ")
		if !strings.HasPrefix(file, `\`) {
			file = path.Join(dir, file)
		}
		if err := c.whole(t, strings.TrimPrefix(strings.ReplaceAll(file, `\`, "/"), "/")); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if named != 2 {
		return fmt.Errorf("xen.cfg does not name a kernel and a ramdisk: %q", text)
	}
	return nil
}

// type2 looks into an image that is an entry by itself.
func (c *checker) type2(t tree, name string) error {
	if err := c.whole(t, name); err != nil {
		return err
	}
	wanted := []string{".config", ".kernel", ".ramdisk", ".osrel", ".cmdline"}
	if strings.HasPrefix(path.Base(name), "nixos-") {
		wanted = []string{".linux", ".initrd", ".osrel", ".cmdline"}
	}
	for _, section := range wanted {
		content, err := c.section(t[name], section)
		switch {
		case err != nil:
			return err
		case content == "":
			return fmt.Errorf("no %s", section)
		case section == ".linux" || section == ".initrd":
			if err := c.whole(t, strings.TrimPrefix(strings.ReplaceAll(content, `\`, "/"), "/")); err != nil {
				return fmt.Errorf("%s: %w", section, err)
			}
		}
	}
	return nil
}

// whole wants a file, byte for byte as it was before the run or as it is to be after it.
func (c *checker) whole(t tree, name string) error {
	content, ok := t[fold(t, name)]
	if !ok {
		return fmt.Errorf("%s is missing", name)
	}
	if !c.knows(name, content) {
		return fmt.Errorf("%s is not whole: %d bytes that nobody wrote", name, len(content))
	}
	return nil
}

func (c *checker) knows(name, content string) bool {
	plain := func(s string) string { return s }
	if isPadded(name) {
		plain = unpadded
	}
	return content != "" && slices.ContainsFunc(c.known, func(t tree) bool {
		whole, ok := t[fold(t, name)]
		return ok && plain(whole) == plain(content)
	})
}

// fold finds a name in another letter case.
func fold(t tree, name string) string {
	if _, ok := t[name]; ok {
		return name
	}
	for other := range t {
		if strings.EqualFold(other, name) {
			return other
		}
	}
	return name
}

// section is what a section of an image holds, "" for none.
func (c *checker) section(image, name string) (string, error) {
	key := name + "\x00" + image
	if content, ok := c.sections[key]; ok {
		return content, nil
	}
	f, err := pe.NewFile(strings.NewReader(image))
	if err != nil {
		return "", err
	}
	content := ""
	if s := f.Section(name); s != nil {
		b, err := s.Data()
		if err != nil {
			return "", err
		}
		content = string(b[:min(len(b), int(s.VirtualSize))])
	}
	c.sections[key] = content
	return content, nil
}

// defaults wants what loader.conf starts to exist. systemd-boot looks at both partitions.
func defaults(w world) []string {
	var ids []string
	for _, t := range []tree{w.esp, w.boot} {
		for name, content := range t {
			if (isType1(name) || isType2(name)) && says(name, content) {
				id := strings.ToLower(path.Base(name))
				if stem, _, counted := strings.Cut(id, "+"); counted {
					id = stem + path.Ext(id)
				}
				ids = append(ids, id)
			}
		}
	}
	var wrong []string
	for line := range strings.Lines(w.esp["loader/loader.conf"]) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key != "default" && key != "preferred" {
			continue
		}
		value = strings.ToLower(strings.TrimSpace(value))
		if !slices.ContainsFunc(ids, func(id string) bool {
			ok, err := path.Match(value, id)
			return err == nil && ok || value == id
		}) {
			wrong = append(wrong, fmt.Sprintf("%s %s names no entry", key, value))
		}
	}
	return wrong
}
