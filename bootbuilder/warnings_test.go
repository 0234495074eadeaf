package bootbuilder_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestAdvice: what Xen would cut or take for something else, at the limit and one byte over it.
func TestAdvice(t *testing.T) {
	t.Parallel()
	plain := fixtures.System{Xen: &fixtures.Xen{}}
	with := func(change func(*fixtures.System, *fixtures.Xen)) fixtures.System {
		s := plain
		x := *plain.Xen
		s.Xen = &x
		change(&s, &x)
		return s
	}
	option := func(length int) fixtures.System {
		return with(func(_ *fixtures.System, x *fixtures.Xen) { x.Params = []string{"x=" + strings.Repeat("y", length-2)} })
	}
	arm := fixtures.XenImage(fixtures.XenOptions{Machine: fixtures.ARM64})
	for name, c := range map[string]struct {
		system fixtures.System
		layout bootbuilder.Layout
		want   []string
	}{
		"plain":                  {system: plain},
		"option of 127 bytes":    {system: option(127)},
		"option of 128 bytes":    {system: option(128), want: []string{`^generation 1: options: Xen reads 127 bytes of an option and cuts "y" off "x=y+"$`}},
		"command line of 1023":   {system: lineOf(t, 1023, bootbuilder.LayoutShared)},
		"command line of 1024":   {system: lineOf(t, 1024, bootbuilder.LayoutShared), want: []string{`^generation 1: .*it has 1024 bytes, of which 1023 arrive; Xen cuts off "z"$`}},
		"1023 in a unified one":  {system: lineOf(t, 1023, bootbuilder.LayoutUnified), layout: bootbuilder.LayoutUnified},
		"1024 in a unified one":  {system: lineOf(t, 1024, bootbuilder.LayoutUnified), layout: bootbuilder.LayoutUnified, want: []string{`it has 1024 bytes`}},
		"1024 in an embedded":    {system: lineOf(t, 1024, bootbuilder.LayoutEmbedded), layout: bootbuilder.LayoutEmbedded, want: []string{`it has 1024 bytes`}},
		"two dashes":             {system: with(func(_ *fixtures.System, x *fixtures.Xen) { x.Params = []string{"a", "--", "b c"} }), want: []string{`what follows " -- " goes to dom0's command line: "b c"`}},
		"two dashes in a word":   {system: with(func(_ *fixtures.System, x *fixtures.Xen) { x.Params = []string{"a--b", "--c"} })},
		"a no-break space":       {system: with(func(s *fixtures.System, _ *fixtures.Xen) { s.Params = []string{"a=\u00e0"} }), want: []string{`byte 0xa0`}},
		"devicetree on x86":      {system: with(func(s *fixtures.System, _ *fixtures.Xen) { s.DeviceTree = "a/b.dtb" }), want: []string{`^generation 1: its devicetree is left out: Xen on x86_64-linux takes none$`}},
		"devicetree on ARM":      {system: with(func(s *fixtures.System, _ *fixtures.Xen) { s.DeviceTree, s.Platform = "a/b.dtb", "aarch64-linux" })},
		"Xen for another system": {system: with(func(_ *fixtures.System, x *fixtures.Xen) { x.Image = arm }), want: []string{`^generation 1: its Xen image is for .*, its system is x86_64-linux$`}},
		"system unknown to us":   {system: with(func(s *fixtures.System, _ *fixtures.Xen) { s.Platform = "riscv64-linux" })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newMachine(t)
			r.add(fixtures.Generation{Number: 1, System: c.system})
			r.rebuild()
			r.options.Layout = c.layout
			report := r.install()
			wantMatches(t, advice(report), c.want...)
			wantMatches(t, warnings(report))
			if !r.verify().OK() {
				t.Errorf("verify: %+v", r.verify())
			}
		})
	}
}

// TestCommandLineARM64: on aarch64 the kernel's name does not count, and a command line that is longer than what arrives is no
// matter of a warning: one byte more is lost, two are a Xen that says nothing.
func TestCommandLineARM64(t *testing.T) {
	t.Parallel()
	for length, fits := range map[int]bool{1022: true, 1023: true, 1024: false, 1025: false} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			t.Parallel()
			r := newMachine(t)
			system := fixtures.System{
				Platform: "aarch64-linux", Params: []string{"z"},
				Xen: &fixtures.Xen{Image: fixtures.XenImage(fixtures.XenOptions{Machine: fixtures.ARM64})},
			}
			probe := r.add(fixtures.Generation{Number: 1, System: system})
			r.must(r.root.Delete(probe))
			system.Params = []string{strings.Repeat("z", length-len("init="+probe.Init+" "))}
			r.add(fixtures.Generation{Number: 1, System: system})
			system.Params = nil // the default generation starts in any case
			r.add(fixtures.Generation{Number: 2, System: system})
			r.rebuild()
			report := r.install()
			wantMatches(t, advice(report))
			if r.exists("loader/entries/xen-generation-1.conf") != fits {
				t.Errorf("there is an entry: %v, want %v", !fits, fits)
			}
			if fits {
				return
			}
			wantOut(t, report, "xen-generation-1", bootbuilder.BadParameter, fmt.Sprintf("has %d bytes: Xen on aarch64 hands over 1023", length))
		})
	}
}

// lineOf is a system whose kernel line has so many bytes: file name, blank, init= and parameters.
func lineOf(t *testing.T, bytes int, layout bootbuilder.Layout) fixtures.System {
	t.Helper()
	r := newMachine(t)
	probe := fixtures.System{Xen: &fixtures.Xen{}, Params: []string{"z"}}
	top := r.add(fixtures.Generation{Number: 1, System: probe})
	kernel := map[bootbuilder.Layout]string{
		bootbuilder.LayoutShared:   `\EFI\nixos\` + filepath.Base(filepath.Dir(top.Kernel)) + "-bzImage.efi",
		bootbuilder.LayoutEmbedded: filepath.Base(filepath.Dir(top.Kernel)) + "-bzImage.efi",
		bootbuilder.LayoutUnified:  "kernel",
	}[layout]
	probe.Params = []string{strings.Repeat("z", bytes-len(kernel+" init="+top.Init+" "))}
	return probe
}

// efivars is the directory of a machine's EFI variables.
func efivars(t *testing.T, secureBoot string) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{"SecureBoot": secureBoot, "SetupMode": "\x06\x00\x00\x00\x00"} {
		writeTo(t, filepath.Join(dir, name+"-8be4df61-93ca-11d2-aa0d-00e098032b8c"), value)
	}
	return dir
}

const (
	enforcing = "\x06\x00\x00\x00\x01"
	relaxed   = "\x06\x00\x00\x00\x00"
)

// TestSecureBootWithoutKey: what the firmware will refuse is installed, but does not become
// the default by itself.
func TestSecureBootWithoutKey(t *testing.T) {
	t.Parallel()
	const refusal = `^Secure Boot is on and nothing is signed: the firmware will refuse to start .*/EFI/xen/xen-4\.20\.2-[0-9a-f]{20}\.efi, ` +
		`which is not signed \(Access Denied\), and systemd-boot will show its menu again`
	for name, c := range map[string]struct {
		variable string
		mode     bootbuilder.DefaultMode
		warnings []string
		advice   []string
		want     string // what loader.conf starts
	}{
		"on":                {enforcing, bootbuilder.DefaultXen, []string{refusal + `; NixOS therefore stays the default \(--pki-bundle or --sign-key and --sign-cert sign the images\)$`}, nil, "nixos-generation-1.conf"},
		"on, NixOS starts":  {enforcing, bootbuilder.DefaultNixOS, []string{refusal + `$`}, nil, "nixos-generation-1.conf"},
		"off":               {relaxed, bootbuilder.DefaultXen, nil, nil, "xen-generation-1.conf"},
		"a broken variable": {"\x01", bootbuilder.DefaultXen, nil, []string{`^whether Secure Boot is on is not known: .*1 bytes that are not a boolean$`}, "xen-generation-1.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newMachine(t)
			r.addXen(1)
			r.rebuild()
			r.options.EFIVars, r.options.Default = efivars(t, c.variable), c.mode
			report := r.install()
			wantMatches(t, warnings(report), c.warnings...)
			wantMatches(t, advice(report), c.advice...)
			if got := r.read("loader/loader.conf"); !strings.Contains(got, "default "+c.want+"\n") {
				t.Errorf("loader.conf is %q, want %s", got, c.want)
			}
			if !r.exists("loader/entries/xen-generation-1.conf") {
				t.Error("there is no entry")
			}
			if again := r.install(); again.Changed {
				t.Error("a second run has changes to make")
			}
		})
	}
	t.Run("no EFI", func(t *testing.T) {
		t.Parallel()
		r := newMachine(t)
		r.addXen(1)
		r.rebuild()
		r.options.EFIVars = filepath.Join(t.TempDir(), "missing")
		wantMatches(t, append(warnings(r.install()), advice(r.install())...))
	})
	t.Run("without Xen", func(t *testing.T) {
		t.Parallel()
		r := newMachine(t)
		r.add(fixtures.Generation{Number: 1})
		r.rebuild()
		r.options.EFIVars = efivars(t, enforcing)
		wantMatches(t, warnings(r.install()))
	})
}

// TestEditor: a signed system whose options anybody can edit is worth a word.
func TestEditor(t *testing.T) {
	t.Parallel()
	signer := testSigner(t, "db")
	const advised = `/loader/loader\.conf leaves systemd-boot's editor on: .*\(set editor no\)$`
	for name, c := range map[string]struct {
		options  bootbuilder.Options
		variable string
		line     string // appended to loader.conf
		want     []string
	}{
		"signed":                {options: bootbuilder.Options{Certificate: signer.Certificate()}, want: []string{advised}},
		"signed, editor no":     {options: bootbuilder.Options{Certificate: signer.Certificate()}, line: "editor no\n"},
		"signed, editor yes":    {options: bootbuilder.Options{Certificate: signer.Certificate()}, line: "editor yes\n", want: []string{advised}},
		"signed, relaxed":       {options: bootbuilder.Options{Certificate: signer.Certificate()}, variable: relaxed, want: []string{advised}},
		"unsigned":              {options: bootbuilder.Options{Layout: bootbuilder.LayoutUnified}},
		"unsigned, enforcing":   {options: bootbuilder.Options{Layout: bootbuilder.LayoutUnified}, variable: enforcing, want: []string{advised}},
		"shared with a signer":  {options: bootbuilder.Options{Certificate: signer.Certificate(), Layout: bootbuilder.LayoutShared}},
		"signed, editor broken": {options: bootbuilder.Options{Certificate: signer.Certificate()}, line: "editor maybe\n", want: []string{advised}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newMachine(t)
			r.addXen(1)
			r.rebuild()
			c.options.Root = r.root.Dir()
			if c.variable != "" {
				c.options.EFIVars = efivars(t, c.variable)
			}
			r.options = c.options
			if c.options.Certificate != nil {
				r.sign(signer)
			}
			r.rewrite("loader/loader.conf", func(s string) string { return s + c.line })
			wantMatches(t, advice(r.install()), c.want...)
		})
	}
}

// TestNoLoader: entries that nothing reads are worth a word, where NixOS' installer wasn't there before us.
func TestNoLoader(t *testing.T) {
	t.Parallel()
	r := newMachine(t)
	r.addXen(1)
	r.options.From = bootbuilder.FromProfiles
	wantMatches(t, advice(r.install()), `^no boot loader is installed on .*: run bootctl install$`)
	r.write("EFI/BOOT/BOOTX64.EFI", "systemd-boot")
	wantMatches(t, advice(r.install()))
	r.must(os.RemoveAll(filepath.Join(r.esp, "EFI/BOOT")))
	r.write("EFI/systemd/systemd-bootx64.efi", "systemd-boot")
	wantMatches(t, advice(r.install()))
}

func TestLoaderConfMissing(t *testing.T) {
	t.Parallel()
	r := newMachine(t)
	r.addXen(1)
	r.rebuild()
	r.must(os.Remove(filepath.Join(r.esp, "loader/loader.conf")))
	wantMatches(t, warnings(r.install()), `^loader\.conf is missing: systemd-boot starts the first of its menu$`)
	if r.exists("loader/loader.conf") {
		t.Error("a loader.conf was made")
	}
}
