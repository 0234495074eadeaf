package xencfg_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/xencfg"
)

// FuzzEncode: what Encode accepts is what Decode, and so Xen, reads back.
func FuzzEncode(f *testing.F) {
	f.Add("dom0_mem=4096M", "k.efi", "init=/init quiet", "i.efi", "", "", "")
	f.Add(" a -- b ", `\EFI\k`, " [x", "r", "x", "u", "d")
	f.Add("\xa0", "k", "ramdisk=", "", "", "", "")
	f.Add("à\u00a0", "k", "\u0085à", "", "", "", "")
	f.Fuzz(func(t *testing.T, options, kernel, cmdLine, ramdisk, xsm, ucode, dtb string) {
		c := xencfg.Config{Options: options, Kernel: kernel, CmdLine: cmdLine, Ramdisk: ramdisk, XSM: xsm, Ucode: ucode, DTB: dtb}
		_ = xencfg.Warnings(c, xencfg.X86)
		b, err := c.Encode()
		if err != nil {
			if _, ok := errors.AsType[*xencfg.InvalidError](err); !ok {
				t.Errorf("got %v, want an InvalidError", err)
			}
			return
		}
		c.Options, c.CmdLine = strings.Trim(c.Options, " "), strings.Trim(c.CmdLine, " ")
		for _, section := range []string{"", "xen"} {
			got, err := xencfg.Decode(b, section)
			if err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			if diff := cmp.Diff(c, got); diff != "" {
				t.Errorf("read back from section %q:\n%s\n%s", section, diff, b)
			}
		}
	})
}

// FuzzDecode: Decode agrees with another reading of Xen's rules.
func FuzzDecode(f *testing.F) {
	for _, c := range decodeCases {
		f.Add([]byte(c.text), c.section)
	}
	f.Fuzz(func(t *testing.T, b []byte, section string) {
		if strings.ContainsRune(section, 0) {
			t.Skip("no section's name has a NUL")
		}
		got, err := xencfg.Decode(b, section)
		if want := modelDecode(b, section); got != want || (err == nil) != (want.Kernel != "") {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

// A modelLine is a line of a xen.cfg as Xen sees it: without comment, and without
// blanks at its start.
type modelLine struct{ text string }

// model is Xen's parser over a list of lines, where the package works on bytes in place.
type model struct{ lines []*modelLine }

func newModel(b []byte) *model {
	m := &model{}
	line := []byte{}
	for _, c := range append(slices.Clone(b), '\n') {
		if c >= 0x20 && c != 0x7f {
			line = append(line, c)
			continue
		}
		text := strings.TrimLeftFunc(string(latin1(line)), isModelBlank)
		text, _, _ = strings.Cut(text, "#")
		if text != "" && text[0] != ';' {
			m.lines = append(m.lines, &modelLine{text})
		}
		line = line[:0]
	}
	return m
}

func (m *model) value(section, key string) (*modelLine, string) {
	in := section == ""
	for _, l := range m.lines {
		if strings.HasPrefix(l.text, "[") && section != "" {
			if in {
				break
			}
			in = strings.HasPrefix(l.text, "["+section+"]")
		} else if v, ok := strings.CutPrefix(l.text, key+"="); ok && in {
			return l, strings.TrimLeftFunc(v, isModelBlank)
		}
	}
	return nil, ""
}

// word cuts a line behind its value's first word, and makes the rest a line.
func (m *model) word(l *modelLine, value string) (first, rest string) {
	i := strings.IndexFunc(value, isModelBlank)
	if l == nil || i < 0 {
		return value, ""
	}
	blank := len(string([]rune(value[i:])[0]))
	first, rest = value[:i], value[i+blank:]
	l.text = strings.TrimSuffix(l.text, value[i:])
	at := slices.Index(m.lines, l)
	m.lines = slices.Insert(m.lines, at+1, &modelLine{rest})
	return first, rest
}

func modelDecode(b []byte, section string) xencfg.Config {
	m := newModel(b)
	section = string(latin1([]byte(section)))
	if section == "" {
		_, section = m.value("global", "default")
	}
	var c xencfg.Config
	kernel, value := m.value(section, "kernel")
	c.DTB, _ = m.word(m.value(section, "dtb"))
	c.Kernel, c.CmdLine = m.word(kernel, value)
	_, c.Ramdisk = m.value(section, "ramdisk")
	_, c.XSM = m.value(section, "xsm")
	_, c.Options = m.value(section, "options")
	ucode, value := m.value(section, "ucode")
	if ucode == nil {
		ucode, value = m.value("global", "ucode")
	}
	c.Ucode, _ = m.word(ucode, value)
	for _, s := range []*string{&c.Options, &c.Kernel, &c.CmdLine, &c.Ramdisk, &c.XSM, &c.Ucode, &c.DTB} {
		*s = bytesOf(*s)
	}
	return c
}

func isModelBlank(r rune) bool { return r == ' ' || r == 0xa0 }

// latin1 makes each byte a character, so that the strings package deals in bytes.
func latin1(b []byte) []rune {
	var r []rune
	for _, c := range b {
		r = append(r, rune(c))
	}
	return r
}

func bytesOf(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}
