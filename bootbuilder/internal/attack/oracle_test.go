package attack_test

import (
	"bytes"
	"crypto/sha256"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

func haveTool(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// keyFiles are a key pair's files; tests only read them.
func keyFiles(t *testing.T, name string) (key, cert string) {
	t.Helper()
	pair, err := fixtures.Keys(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key, cert = filepath.Join(dir, "key"), filepath.Join(dir, "cert")
	if err := errors.Join(os.WriteFile(key, pair.Key, 0o600), os.WriteFile(cert, pair.Cert, 0o600)); err != nil {
		t.Fatal(err)
	}
	return key, cert
}

var signedByTool sync.Map // what sbsign made, by key and image: signing is most of what a machine takes

// sbsign signs an image as distributions do.
func sbsign(t *testing.T, keyName string, image []byte) []byte {
	t.Helper()
	id := fmt.Sprintf("%s %x", keyName, sha256.Sum256(image))
	if done, ok := signedByTool.Load(id); ok {
		return done.([]byte)
	}
	if !haveTool("sbsign") {
		t.Skip("sbsign is missing")
	}
	key, cert := keyFiles(t, keyName)
	file := filepath.Join(t.TempDir(), "image.efi")
	if err := os.WriteFile(file, image, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sbsign", "--key", key, "--cert", cert, "--output", file, file).CombinedOutput(); err != nil {
		t.Fatalf("sbsign: %v: %s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	signedByTool.Store(id, data)
	return data
}

var verdicts sync.Map // what the tools said, by image

// verifiesForTools asks sbverify and osslsigncode whether an image is signed with the owner's certificate. A tool that
// is missing is not asked; judged says whether any was.
func verifiesForTools(t *testing.T, image []byte) (judged bool, err error) {
	t.Helper()
	type verdict struct {
		judged bool
		err    error
	}
	id := sha256.Sum256(image)
	if v, ok := verdicts.Load(id); ok {
		return v.(verdict).judged, v.(verdict).err
	}
	_, cert := keyFiles(t, "db")
	file := filepath.Join(t.TempDir(), "image.efi")
	if err := os.WriteFile(file, image, 0o600); err != nil {
		t.Fatal(err)
	}
	var v verdict
	for _, argv := range [][]string{
		{"sbverify", "--cert", cert, file},
		{"osslsigncode", "verify", "-CAfile", cert, "-in", file},
	} {
		if !haveTool(argv[0]) {
			continue
		}
		v.judged = true
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			v.err = errors.Join(v.err, fmt.Errorf("%s: %w: %s", argv[0], err, out))
		}
	}
	verdicts.Store(id, v)
	return v.judged, v.err
}

// written are the files that a run made or changed.
func written(before, after map[string]string) map[string]string {
	files := make(map[string]string)
	for name, data := range after {
		if old, ok := before[name]; !ok || old != data {
			files[name] = data
		}
	}
	return files
}

// sections reads an image's sections.
func sections(image []byte) (map[string][]byte, *pe.File, error) {
	f, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, nil, err
	}
	list := make(map[string][]byte)
	for _, s := range f.Sections {
		var data []byte
		if s.Offset != 0 {
			if data, err = s.Data(); err != nil {
				return nil, nil, fmt.Errorf("section %s: %w", s.Name, err)
			}
			data = data[:min(len(data), int(s.VirtualSize))]
		}
		if _, twice := list[s.Name]; twice {
			return nil, nil, fmt.Errorf("two sections %s", s.Name)
		}
		list[s.Name] = data
	}
	return list, f, nil
}

// initOf is the toplevel that a xen.cfg starts.
func initOf(config string) string {
	for line := range strings.Lines(config) {
		if !strings.HasPrefix(line, "kernel=") {
			continue
		}
		for _, word := range strings.Fields(line) {
			if init, ok := strings.CutPrefix(word, "init="); ok {
				return path.Dir(init)
			}
		}
	}
	return ""
}

// xenEntry is an entry that starts Xen, read apart from the program.
type xenEntry struct {
	id             string
	toplevel       string
	config         string
	kernel, initrd []byte
	image          []byte
	unified        bool
	imageName      string
}

// xenEntries reads every Xen entry on $BOOT that is complete.
func (m *machine) xenEntries() (list []xenEntry) {
	m.t.Helper()
	images, _ := filepath.Glob(filepath.Join(m.boot, "EFI/Linux/xen-*.efi"))
	for _, file := range images {
		data, err := os.ReadFile(file)
		m.must(err)
		s, _, err := sections(data)
		if err != nil || s[".config"] == nil {
			continue
		}
		config := strings.TrimRight(string(s[".config"]), "\x00")
		base := strings.TrimSuffix(filepath.Base(file), ".efi")
		id, _, _ := strings.Cut(base, "+")
		list = append(list, xenEntry{
			id: id[:max(0, strings.LastIndexByte(id, '-'))], toplevel: initOf(config), config: config,
			kernel: s[".kernel"], initrd: s[".ramdisk"], image: data, unified: true, imageName: "EFI/Linux/" + filepath.Base(file),
		})
	}
	entries, _ := filepath.Glob(filepath.Join(m.boot, "loader/entries/xen-*.conf"))
	for _, file := range entries {
		text, err := os.ReadFile(file)
		m.must(err)
		values := make(map[string]string)
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			values[key] = value
		}
		e := xenEntry{id: strings.TrimSuffix(filepath.Base(file), ".conf"), imageName: strings.TrimPrefix(values["efi"], "/")}
		if e.image, err = os.ReadFile(filepath.Join(m.boot, e.imageName)); err != nil {
			continue
		}
		if cfg, ok := strings.CutPrefix(values["options"], "xen.efi -cfg="); ok {
			text, err := os.ReadFile(filepath.Join(m.boot, path.Dir(e.imageName), cfg))
			if err != nil {
				continue
			}
			e.config = string(text)
		} else {
			s, _, err := sections(e.image)
			if err != nil {
				continue
			}
			e.config = strings.TrimRight(string(s[".config"]), "\x00")
		}
		e.toplevel = initOf(e.config)
		for line := range strings.Lines(e.config) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			name, _, _ := strings.Cut(value, " ")
			name = strings.ReplaceAll(name, `\`, "/")
			if !strings.HasPrefix(name, "/") {
				name = path.Join(path.Dir(e.imageName), name)
			}
			switch key {
			case "kernel":
				e.kernel, err = os.ReadFile(filepath.Join(m.boot, name))
			case "ramdisk":
				e.initrd, err = os.ReadFile(filepath.Join(m.boot, name))
			}
			if err != nil {
				m.t.Errorf("%s: %v", e.id, err)
			}
		}
		list = append(list, e)
	}
	return list
}

// wantConfig is what a unified image's xen.cfg has to be.
func wantConfig(top *fixtures.Toplevel) string {
	return fmt.Sprintf("[global]\ndefault=xen\n\n[xen]\noptions=%s\nkernel=kernel %s\n",
		strings.Join(top.System.Xen.Params, " "), strings.Join(append([]string{"init=" + top.Init}, top.System.Params...), " "))
}

// checkImage holds a unified image against the store: each byte of it has to come from there, or be a text that this
// test makes itself.
func checkImage(e xenEntry, top *fixtures.Toplevel) error {
	have, f, err := sections(e.image)
	if err != nil {
		return err
	}
	base, b, err := sections(top.System.Xen.Image)
	if err != nil {
		return err
	}
	if e.config != wantConfig(top) {
		return fmt.Errorf(".config is %q, want %q", e.config, wantConfig(top))
	}
	if string(have[".cmdline"]) != "xen.efi" {
		return fmt.Errorf(".cmdline is %q", have[".cmdline"])
	}
	if err := checkOSRelease(string(have[".osrel"]), top); err != nil {
		return err
	}
	if !bytes.Equal(have[".kernel"], top.System.Kernel) {
		return errors.New(".kernel is not the store's")
	}
	withSecrets := append(slices.Clone(top.System.Initrd), top.System.Secrets...)
	if !bytes.Equal(have[".ramdisk"], top.System.Initrd) && !bytes.Equal(have[".ramdisk"], withSecrets) {
		return errors.New(".ramdisk is not the store's, nor that with the generation's own secrets")
	}
	for name := range have {
		if _, ok := base[name]; !ok && !slices.Contains([]string{".config", ".osrel", ".cmdline", ".kernel", ".ramdisk"}, name) {
			return fmt.Errorf("a section %s, of which nobody knows", name)
		}
	}
	return checkBase(f, have, b, base)
}

// checkOSRelease wants what the menu shows to come from link and bootspec.
func checkOSRelease(text string, top *fixtures.Toplevel) error {
	title := "NixOS"
	if top.Profile != "" {
		title += " [" + top.Profile + "]"
	}
	if top.Specialisation != "" {
		title += " (" + top.Specialisation + ")"
	}
	form := regexp.MustCompile(fmt.Sprintf("^ID=\"(%s|lanza)\"\nPRETTY_NAME=\"%s\"\nVERSION_ID=\"%s, built on [0-9-]{10}\"\n$",
		regexp.QuoteMeta(top.System.SortKey), regexp.QuoteMeta(title+" (with Xen Hypervisor)"),
		regexp.QuoteMeta(fmt.Sprintf("Generation %d %s", top.Number, top.System.Label))))
	if !form.MatchString(text) {
		return fmt.Errorf(".osrel is %q", text)
	}
	return nil
}

// checkBase holds the sections and the headers of the hypervisor against the store's image.
func checkBase(f *pe.File, have map[string][]byte, b *pe.File, base map[string][]byte) error {
	for i, s := range b.Sections {
		got := f.Sections[i].SectionHeader
		want := s.SectionHeader
		got.Offset, want.Offset = 0, 0 // raw data may move up
		if got != want {
			return fmt.Errorf("section %s is %+v, was %+v", s.Name, got, want)
		}
		was, is := slices.Clone(base[s.Name]), slices.Clone(have[s.Name])
		if s.Name == ".buildid" { // a debug directory says where in the file its data lie
			clear(was[24:28])
			clear(is[24:28])
		}
		if !bytes.Equal(was, is) {
			return fmt.Errorf("section %s is not that of the store's Xen", s.Name)
		}
	}
	got, want := *f.OptionalHeader.(*pe.OptionalHeader64), *b.OptionalHeader.(*pe.OptionalHeader64)
	if got.AddressOfEntryPoint != want.AddressOfEntryPoint || got.ImageBase != want.ImageBase || got.Subsystem != want.Subsystem {
		return fmt.Errorf("entry point, base or subsystem differ: %+v, was %+v", got, want)
	}
	return nil
}

// judge holds what a run did against the rules. before is what was on the partitions, wanted the generations
// that have to have an entry and no others; may are those that may or may not have one.
func (m *machine) judge(before map[string]string, wanted map[string]bool, may []string, mayCopy bool) {
	m.t.Helper()
	after := m.snapshot()
	for name, data := range written(before, after) {
		if strings.Contains(data, hostSecret) {
			m.t.Errorf("%s: a file of the host was copied to the ESP", name)
		}
		if !strings.Contains(data, marker) || strings.HasSuffix(name, "loader/loader.conf") {
			continue
		}
		if mayCopy && !m.signed && (strings.HasPrefix(name, "EFI/xen/initrd-") || strings.HasPrefix(name, "EFI/Linux/xen-")) {
			continue
		}
		m.t.Errorf("%s: bytes of the attacker's were copied", name)
	}
	if _, err := os.Lstat(m.root.Path(trace)); !errors.Is(err, fs.ErrNotExist) {
		m.t.Errorf("a program of the attacker's was run (%v)", err)
	}
	m.judgeEntries(before, after, wanted, may)
}

// judgeEntries wants an entry for each wanted generation, made of the store's bytes where the run made and signed it.
func (m *machine) judgeEntries(before, after map[string]string, wanted map[string]bool, may []string) {
	m.t.Helper()
	byPath := make(map[string]string)
	for name, top := range m.tops {
		byPath[top.Path] = name
	}
	fresh := written(before, after)
	found := make(map[string]bool)
	for _, e := range m.xenEntries() {
		name, known := byPath[e.toplevel]
		if !known && strings.HasPrefix(e.imageName, "evil/") {
			continue // a hand-written entry that has a name of ours is left alone
		}
		if !known {
			m.t.Errorf("%s starts %s, which is not a generation", e.id, e.toplevel)
			continue
		}
		found[name] = true
		if !wanted[name] && !slices.Contains(may, name) {
			m.t.Errorf("generation %s has an entry, %s", name, e.id)
		}
		_, made := fresh[e.imageName]
		if !e.unified || !made {
			continue
		}
		if err := checkImage(e, m.tops[name]); err != nil && m.signed {
			m.t.Errorf("%s: %v", e.imageName, err)
		}
		if m.signed {
			if _, err := verifiesForTools(m.t, e.image); err != nil {
				m.t.Errorf("%s: %v", e.imageName, err)
			}
		}
	}
	for name := range wanted {
		if !found[name] && !slices.Contains(may, name) {
			m.t.Errorf("generation %s, which is genuine, has no entry", name)
		}
	}
}

// relative is a name below a directory.
func relative(dir, name string) string {
	rel, err := filepath.Rel(dir, name)
	if err != nil {
		return name
	}
	return filepath.ToSlash(rel)
}

// securityEntry is where in an image the optional header says where its signatures are.
func securityEntry(image []byte) int {
	return int(binary.LittleEndian.Uint32(image[0x3c:])) + 4 + 20 + 112 + 4*8
}

// moveSignature gives an image the signature of another one.
func moveSignature(m *machine, from, to []byte) []byte {
	m.t.Helper()
	if !haveTool("sbsign") {
		m.t.Skip("sbsign is missing")
	}
	entry := securityEntry(from)
	at, size := binary.LittleEndian.Uint32(from[entry:]), binary.LittleEndian.Uint32(from[entry+4:])
	if size == 0 {
		m.t.Fatal("the image is not signed")
	}
	to = slices.Clone(to)
	for len(to)%8 != 0 {
		to = append(to, 0)
	}
	binary.LittleEndian.PutUint32(to[securityEntry(to):], uint32(len(to)))
	binary.LittleEndian.PutUint32(to[securityEntry(to)+4:], size)
	return append(to, from[at:at+size]...)
}

// patchHash changes the hash of an initrd in a genuine stub.
func patchHash(m *machine, stub []byte, top *fixtures.Toplevel, initrd []byte) []byte {
	m.t.Helper()
	was, is := sha256.Sum256(append(slices.Clone(top.System.Initrd), top.System.Secrets...)), sha256.Sum256(initrd)
	if !bytes.Contains(stub, was[:]) {
		m.t.Fatal("the stub has no such hash")
	}
	return bytes.Replace(stub, was[:], is[:], 1)
}
