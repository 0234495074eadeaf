package xencfg

import (
	"fmt"
	"strings"
)

const (
	// MaxCmdLine is how many bytes of dom0's command line arrive, the kernel's file
	// name that Xen 4.19 and newer put in front of it included (PV guests' start info).
	MaxCmdLine = 1023

	// MaxOption is how many bytes of one of its own options Xen reads.
	MaxOption = 127
)

// Warning is about a value that arrives, but not as it was meant.
type Warning struct {
	Field   string // as in [InvalidError]
	Message string
}

func (w Warning) String() string { return w.Field + ": " + w.Message }

// Arch is what a Xen was made for.
type Arch int

// The two that have an EFI loader.
const (
	X86 Arch = iota
	ARM
)

// Warnings says what Xen, or Linux as dom0, will silently cut or take for something
// else. On aarch64 nothing of dom0's command line is cut that the caller lets through, and " -- " has no meaning: only
// __start_xen of x86 looks for it (Xen 4.17 and 4.20).
func Warnings(c Config, arch Arch) []Warning {
	var list []Warning
	warn := func(field, format string, args ...any) {
		list = append(list, Warning{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	options, cmdLine := trimBlanks(c.Options), trimBlanks(c.CmdLine)

	xen, dom0, passedOn := strings.Cut(options, " -- ")
	for _, o := range strings.Split(xen, " ") {
		if len(o) > MaxOption {
			warn(fieldOptions, "Xen reads %d bytes of an option and cuts %q off %q", MaxOption, o[MaxOption:], o)
		}
	}
	switch {
	case passedOn && arch == ARM:
		warn(fieldOptions, `Xen on aarch64 takes what follows " -- " for options of its own: %q`, trimBlanks(dom0))
	case passedOn:
		warn(fieldOptions, `what follows " -- " goes to dom0's command line: %q`, trimBlanks(dom0))
	}

	// An upper bound: older Xen leaves the name out, and an embedded kernel is "kernel".
	line := trimBlanks(c.Kernel + " " + cmdLine)
	if passedOn {
		line += " " + trimBlanks(dom0)
	}
	if arch == X86 && len(line) > MaxCmdLine {
		warn(fieldCmdLine, "with the kernel's file name in front it has %d bytes, of which %d arrive; Xen cuts off %q",
			len(line), MaxCmdLine, line[MaxCmdLine:])
	}
	if i := strings.IndexByte(cmdLine, 0xa0); i >= 0 {
		word := cmdLine[strings.LastIndexByte(cmdLine[:i], ' ')+1:]
		word, _, _ = strings.Cut(word, " ")
		warn(fieldCmdLine, "Linux takes byte 0xa0 for a blank, which is a part of a character in %q", word)
	}
	return list
}
