package xencfg

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// sectionName is the one section that Encode writes.
const sectionName = "xen"

// InvalidError says that a value can't be put into a xen.cfg.
type InvalidError struct {
	Field  string // "options", "kernel", "dom0's command line", "ramdisk", ...
	Value  string // the value refused
	Offset int    // where in Value the offending byte is; -1 where it is the whole
	Reason string
}

func (e *InvalidError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("%s: %s", e.Field, e.Reason)
	}
	return fmt.Sprintf("%s: byte %#02x at offset %d: %s", e.Field, e.Value[e.Offset], e.Offset, e.Reason)
}

// Encode writes the configuration as one section, which is the default.
//
// Blanks at both ends of Options and CmdLine mean nothing, and are left out. For
// everything else that Xen would not read back as it is, Encode fails with an
// [*InvalidError]: '#' and control bytes anywhere, text that is not UTF-8, file names
// with anything but printable ASCII or with '/', and a command line that starts like
// one of Xen's own keys.
func (c Config) Encode() ([]byte, error) {
	c.Options, c.CmdLine = trimBlanks(c.Options), trimBlanks(c.CmdLine)
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("encode xen.cfg: %w", err)
	}
	var b bytes.Buffer
	b.Grow(len(c.Options) + len(c.Kernel) + len(c.CmdLine) + len(c.Ramdisk) + 80) // what most have
	fmt.Fprintf(&b, "[global]\ndefault=%s\n\n[%s]\n", sectionName, sectionName)
	// Xen looks for options= after it has cut the kernel's line in two: first here, so
	// that nothing in that line can be taken for it.
	fmt.Fprintf(&b, "options=%s\n", c.Options)
	fmt.Fprintf(&b, "kernel=%s\n", strings.TrimRight(c.Kernel+" "+c.CmdLine, " "))
	for _, line := range []struct{ key, value string }{
		{fieldRamdisk, c.Ramdisk}, {fieldXSM, c.XSM}, {fieldUcode, c.Ucode}, {fieldDTB, c.DTB},
	} {
		if line.value != "" {
			fmt.Fprintf(&b, "%s=%s\n", line.key, line.value)
		}
	}
	return b.Bytes(), nil
}

func (c Config) check() error {
	if c.Kernel == "" {
		return &InvalidError{Field: fieldKernel, Offset: -1, Reason: "a kernel has to be named"}
	}
	for _, f := range []struct{ field, value string }{
		{fieldKernel, c.Kernel}, {fieldRamdisk, c.Ramdisk}, {fieldXSM, c.XSM}, {fieldUcode, c.Ucode}, {fieldDTB, c.DTB},
	} {
		if err := checkFileName(f.field, f.value); err != nil {
			return err
		}
	}
	if err := checkValue(fieldOptions, c.Options); err != nil {
		return err
	}
	if err := checkValue(fieldCmdLine, c.CmdLine); err != nil {
		return err
	}
	for _, key := range lateKeys {
		if strings.HasPrefix(c.CmdLine, key) {
			return &InvalidError{
				Field: fieldCmdLine, Value: c.CmdLine, Offset: -1,
				Reason: fmt.Sprintf("it starts with %q, which Xen would read as a line of its own", key),
			}
		}
	}
	return nil
}

// lateKeys is what Xen looks for after it has cut the kernel's line in two, so that
// dom0's command line is a line to it. (A video= counts for Xen in this form only.)
var lateKeys = [...]string{"[", "ramdisk=", "xsm=", "ucode=", "video=gfx-"}

// checkFileName refuses what Xen's loader can't hand to the firmware: it widens bytes
// to UCS-2 one by one, and a blank ends most names.
func checkFileName(field, name string) error {
	for i, c := range []byte(name) {
		var reason string
		switch {
		case c == '/':
			reason = `in a file name, '\' separates directories`
		case c == '#':
			reason = reasonComment
		case c <= ' ' || c > '~':
			reason = "a file name has to be printable ASCII without blanks"
		default:
			continue
		}
		return &InvalidError{Field: field, Value: name, Offset: i, Reason: reason}
	}
	return nil
}

const reasonComment = "Xen takes '#' for the start of a comment"

// checkValue refuses what ends a value early. Only text in UTF-8 passes, which can't
// start with byte 0xA0: Xen would drop that one as a blank.
func checkValue(field, value string) error {
	for i, r := range value {
		var reason string
		switch {
		case r == '#':
			reason = reasonComment
		case r < ' ' || r == 0x7f:
			reason = "Xen takes a control byte for the end of the line"
		case r == utf8.RuneError && !strings.HasPrefix(value[i:], string(utf8.RuneError)):
			reason = "not UTF-8"
		default:
			continue
		}
		return &InvalidError{Field: field, Value: value, Offset: i, Reason: reason}
	}
	return nil
}

func trimBlanks(s string) string { return strings.Trim(s, " ") }

// Join makes a command line of parameters. Empty ones are dropped. One that can't be
// put into a xen.cfg makes an [*InvalidError] that names it, as in
// `kernel parameter "foo#bar": byte 0x23 at offset 3: ...`; what says which kind of
// parameters they are.
func Join(what string, params []string) (string, error) {
	var keep []string
	for _, p := range params {
		if trimBlanks(p) == "" {
			continue
		}
		if err := checkValue("", p); err != nil {
			return "", checkValue(fmt.Sprintf("%s %q", what, p), p)
		}
		keep = append(keep, p)
	}
	return strings.Join(keep, " "), nil
}
