package xencfg

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrNoKernel is what [Decode] wraps where no kernel is named. Xen starts none then,
// or the embedded one with an empty command line.
var ErrNoKernel = errors.New("no kernel= with a file name")

// Decode reads a xen.cfg as Xen does, the given section of it, or for "" the one that
// default= in [global] names. Without either, the first key in the file counts,
// whichever section it stands in.
//
// Xen cuts values in two in place, and looks for further keys in what it has left: in
// "kernel=vmlinuz ramdisk=x", both kernel and ramdisk are set. So does Decode. dtb=,
// which only Xen on Arm looks for, is read as it does there.
//
// It fails with [ErrNoKernel], and gives what else is set even then.
func Decode(b []byte, section string) (Config, error) {
	f := preParse(b)
	if section == "" {
		section = f.text(f.find("global", "default"))
	}
	var c Config
	// In the order of Xen, which the cutting makes matter.
	kernel := f.find(section, fieldKernel)
	c.DTB, _ = f.split(f.find(section, fieldDTB))
	c.Kernel, c.CmdLine = f.split(kernel)
	c.Ramdisk = f.text(f.find(section, fieldRamdisk))
	c.XSM = f.text(f.find(section, fieldXSM))
	c.Options = f.text(f.find(section, fieldOptions))
	ucode := f.find(section, fieldUcode)
	if ucode < 0 {
		ucode = f.find("global", fieldUcode)
	}
	c.Ucode, _ = f.split(ucode)
	if c.Kernel == "" {
		return c, fmt.Errorf("decode xen.cfg: section %q: %w", section, ErrNoKernel)
	}
	return c, nil
}

// file is a xen.cfg in which NULs stand for all that is not content. It ends with one.
type file []byte

// preParse does away with line ends, comments and blanks at the start of lines.
func preParse(b []byte) file {
	f := make(file, len(b)+1)
	copy(f, b)
	start, comment := true, false
	for i, c := range f {
		switch {
		case isControl(c):
			start, comment = true, false
		case comment, start && isSpace(c):
		case c == '#', start && c == ';':
			comment = true
		default:
			start = false
			continue
		}
		f[i] = 0
	}
	return f
}

// find gives the offset of a key's value, or -1. The empty section is all of the file.
func (f file) find(section, key string) int {
	match := section == ""
	for at := 0; at < len(f); {
		line := f[at : at+bytes.IndexByte(f[at:], 0)]
		switch {
		case len(line) > 0 && line[0] == '[' && section != "":
			if match {
				return -1 // the section ends, and no other of its name is looked for
			}
			match = bytes.HasPrefix(line[1:], []byte(section+"]"))
		case match && bytes.HasPrefix(line, []byte(key+"=")):
			value := at + len(key) + 1
			for isSpace(f[value]) {
				value++
			}
			return value
		}
		at += len(line) + 1
	}
	return -1
}

// text is the value at an offset.
func (f file) text(at int) string {
	if at < 0 {
		return ""
	}
	return string(f[at : at+bytes.IndexByte(f[at:], 0)])
}

// split cuts the value at an offset in two, in place: its first word, and what comes
// behind the blank after that.
func (f file) split(at int) (word, rest string) {
	if at < 0 {
		return "", ""
	}
	end := at
	for f[end] != 0 && !isSpace(f[end]) {
		end++
	}
	word = string(f[at:end])
	if f[end] != 0 {
		f[end] = 0
		rest = f.text(end + 1)
	}
	return word, rest
}

func isControl(c byte) bool { return c < ' ' || c == 0x7f }

// isSpace leaves out the control bytes: none are left where it is asked.
func isSpace(c byte) bool { return c == ' ' || c == 0xa0 }
