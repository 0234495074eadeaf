// Package xencfg writes and reads xen.cfg, the configuration of Xen's EFI loader, the
// way that loader reads it.
//
// The specification is the loader's source, xen/common/efi/boot.c as of Xen 4.22, and
// for what comes of command lines later, xen/common/kernel.c and xen/arch/x86/setup.c.
// It has no quoting and no errors: what it doesn't understand it skips, and what is too
// long it cuts. So values that would not arrive as they are get refused ([Config.Encode]),
// or warned of ([Warnings]) where Xen or Linux cuts them later.
//
// What there is to know of the syntax:
//   - Every control byte ends a line, a tab too. '#' starts a comment anywhere in a
//     line, ';' at its start.
//   - Blanks at the start of a line and behind '=' are dropped. Others count.
//   - Byte 0xA0 is a blank, whatever character it is a part of.
//   - The first match wins: section, key, everything.
//   - What follows a kernel's file name is read as a line of its own once the name has
//     been cut off, so dom0's command line can hold keys (see [Decode]).
//
// Left out: chain= (following it needs files; [Named] gives the names), video=, and the "-- options" and section
// names of EFI load options.
package xencfg

// Config is what a xen.cfg says.
type Config struct {
	Options string // Xen's command line
	Kernel  string // dom0's kernel: a file name, `\` separates directories
	CmdLine string // dom0's command line, without the kernel's name
	Ramdisk string // a file name, or empty
	XSM     string // a file name, or empty
	Ucode   string // a file name, or empty
	DTB     string // a file name, or empty; Arm only
}

// The names of a Config's fields in errors and warnings: the keys of xen.cfg, and for
// dom0's command line, which has none of its own, what it is.
const (
	fieldOptions = "options"
	fieldKernel  = "kernel"
	fieldCmdLine = "dom0's command line"
	fieldRamdisk = "ramdisk"
	fieldXSM     = "xsm"
	fieldUcode   = "ucode"
	fieldDTB     = "dtb"
)
