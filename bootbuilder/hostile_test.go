package bootbuilder_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// victim is a machine on which generation 2 of 3 is about to be spoiled.
type victim struct {
	*machine
	top *fixtures.Toplevel
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{machine: newMachine(t)}
	v.addXen(1)
	v.top = v.add(fixtures.Generation{Number: 2, System: fixtures.System{Xen: &fixtures.Xen{Version: "4.19.3"}}})
	v.addXen(3)
	v.rebuild()
	return v
}

// store is where a file of the store lies on this machine.
func (v *victim) store(file string) string { return v.root.Path(file) }

// replace puts something else in the place of a file.
func (v *victim) replace(file string, with func(string) error) {
	v.t.Helper()
	v.must(os.RemoveAll(file))
	v.must(with(file))
}

func fifo(file string) error      { return syscall.Mkfifo(file, 0o644) }
func directory(file string) error { return os.Mkdir(file, 0o755) }
func loop(file string) error      { return os.Symlink(filepath.Base(file), file) }

func link(target string) func(string) error {
	return func(file string) error { return os.Symlink(target, file) }
}

func holding(text string) func(string) error {
	return func(file string) error { return os.WriteFile(file, []byte(text), 0o644) }
}

// zero is a device that never ends.
func (v *victim) zero(file string) error {
	err := syscall.Mknod(file, syscall.S_IFCHR|0o644, 1<<8|5)
	if errors.Is(err, syscall.EPERM) {
		v.t.Skip("making a device takes root")
	}
	return err
}

// patient installs, and doesn't wait for ever.
func (v *victim) patient() (r run) {
	v.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r = v.tryInstall()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		v.t.Fatal("install hangs")
	}
	return r
}

// left wants generation 2 left out with one warning, and the others installed.
func (v *victim) left(warning string) {
	t := v.t
	t.Helper()
	r := v.patient()
	v.must(r.Err)
	if got := ids(r.Report, installedNow...); !slices.Equal(got, []string{"xen-generation-1", "xen-generation-3"}) {
		t.Errorf("installed are %q", got)
	}
	if got := warnings(r.Report); len(got) != 1 || !regexp.MustCompile(warning).MatchString(got[0]) {
		t.Errorf("warnings are %q, want one that matches %q", got, warning)
	}
	for _, e := range v.verify().Entries {
		if len(e.Problems) > 0 && e.ID != "xen-generation-2.conf" {
			t.Errorf("verify %s: %q", e.ID, e.Problems)
		}
	}
}

// TestHostileDocuments spoils what generation 2 brings, on an empty $BOOT and on one
// that holds its whole entry, which then has to stay.
func TestHostileDocuments(t *testing.T) {
	t.Parallel()
	bootJSON := func(with func(string) error) func(*victim) {
		return func(v *victim) { v.replace(v.store(v.top.Path+"/boot.json"), with) }
	}
	change := func(old, new string) func(*victim) {
		return func(v *victim) {
			file := v.store(v.top.Path + "/boot.json")
			b, err := os.ReadFile(file)
			v.must(err)
			if !bytes.Contains(b, []byte(old)) {
				v.t.Fatalf("%s does not hold %s", file, old)
			}
			v.must(os.WriteFile(file, bytes.ReplaceAll(b, []byte(old), []byte(new)), 0o644))
		}
	}
	xenEFI := func(with func(string) error) func(*victim) {
		return func(v *victim) { v.replace(v.store(v.top.XenEFI), with) }
	}
	for name, c := range map[string]struct {
		spoil   func(*victim)
		warning string
	}{
		"FIFO":                  {bootJSON(fifo), `boot.json: not a regular file`},
		"directory":             {bootJSON(directory), `boot.json: not a regular file`},
		"device":                {func(v *victim) { bootJSON(v.zero)(v) }, `boot.json: not a regular file`},
		"symlink loop":          {bootJSON(loop), `boot.json: too many levels of symbolic links`},
		"symlink out":           {bootJSON(link("../../../../../../../../../etc/passwd")), `boot.json leads to .*/etc/passwd, which is not in the store`},
		"absolute symlink out":  {bootJSON(link("/etc/passwd")), `boot.json leads to .*/etc/passwd, which is not in the store`},
		"magic link":            {bootJSON(link("/proc/self/exe")), `boot.json leads to .*/proc/self/exe, which is not in the store`},
		"empty":                 {bootJSON(holding("")), `boot.json: `},
		"36 MB of brackets":     {bootJSON(holding(strings.Repeat("[", 36<<20))), `boot.json: .*1048576`},
		"1 MB of brackets":      {bootJSON(holding(strings.Repeat("[", 1<<20))), `boot.json: `},
		"1 MB of objects":       {bootJSON(holding(strings.Repeat(`{"a":`, 1<<17))), `boot.json: `},
		"NUL bytes":             {bootJSON(holding(strings.Repeat("\x00", 100))), `boot.json: `},
		"no UTF-8":              {bootJSON(holding("{\"\xff\": 1}")), `boot.json: `},
		"no object":             {bootJSON(holding("[]")), `boot.json: `},
		"Xen out of the store":  {change(`"efiPath": "/nix`, `"efiPath": "/nix/../../nix`), `efiPath.*not a clean path`},
		"Xen relative":          {change(`"efiPath": "/nix`, `"efiPath": "nix`), `efiPath.*not an absolute path`},
		"kernel with a newline": {change(`"loglevel=4"`, `"loglevel=4\nkernel=evil"`), `line break`},
		"Xen with a newline":    {change(`"dom0_max_vcpus=4"`, `"a\nkernel=evil"`), `line break`},
		"Xen with a tab":        {change(`"dom0_max_vcpus=4"`, `"a\tb"`), `Xen parameter "a.*b": byte 0x09`},
		"Xen with a hash":       {change(`"dom0_max_vcpus=4"`, `"a#b"`), `Xen parameter "a#b": byte 0x23.*comment`},
		"label with a newline":  {change(`"label": "NixOS`, `"label": "NixOS\ninit=evil`), `line break`},
		"specialisation ..":     {change(`"org.nixos.specialisation.v1": {}`, `"org.nixos.specialisation.v1": {"..": {}}`), `can't be called`},
		"specialisation a/b":    {change(`"org.nixos.specialisation.v1": {}`, `"org.nixos.specialisation.v1": {"../a/b": {}}`), `slash`},
		"specialisation a LF b": {change(`"org.nixos.specialisation.v1": {}`, `"org.nixos.specialisation.v1": {"a\nb": {}}`), `control byte`},
		"Xen is a FIFO":         {xenEFI(fifo), `xen-4.19.3.efi: not a regular file`},
		"Xen is a directory":    {xenEFI(directory), `xen-4.19.3.efi: not a regular file`},
		"Xen is a device":       {func(v *victim) { xenEFI(v.zero)(v) }, `xen-4.19.3.efi: not a regular file`},
		"Xen is a loop":         {xenEFI(loop), `xen-4.19.3.efi: too many levels`},
		"Xen is a link out":     {xenEFI(link("/bin/sh")), `xen-4.19.3.efi leads to .*/bin/sh, which is not in the store`},
		"Xen is empty":          {xenEFI(holding("")), `xen-4.19.3.efi: file is empty`},
		"Xen is not an image":   {xenEFI(holding("#!/bin/sh\n")), `xen-4.19.3.efi: `},
		"Xen is cut off":        {xenEFI(holding(string(fixtures.XenImage(fixtures.XenOptions{}))[:600])), `xen-4.19.3.efi: `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			c.spoil(v)
			v.left(c.warning)
			if v.exists("loader/entries/xen-generation-2.conf") {
				t.Error("it has an entry")
			}
		})
		t.Run(name+" later", func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			v.install()
			before := v.files()
			c.spoil(v)
			v.left(c.warning)
			if diff := diffTrees(before, v.files()); diff != "" {
				t.Errorf("what stood is not left alone:\n%s", diff)
			}
		})
	}
}

// TestHostileEntries rewrites generation 2's NixOS entry.
func TestHostileEntries(t *testing.T) {
	t.Parallel()
	const entry = "loader/entries/nixos-generation-2.conf"
	line := func(key, value string) func(*victim) {
		return func(v *victim) {
			v.rewrite(entry, func(s string) string {
				return regexp.MustCompile(`(?m)^`+key+` .*$`).ReplaceAllLiteralString(s, key+" "+value)
			})
		}
	}
	file := func(with func(string) error) func(*victim) {
		return func(v *victim) { v.replace(filepath.Join(v.boot(), entry), with) }
	}
	onESP := func(name string, with func(string) error) func(*victim) {
		return func(v *victim) {
			v.must(with(filepath.Join(v.boot(), name)))
			line("linux", "/"+name)(v)
		}
	}
	for name, c := range map[string]struct {
		spoil func(*victim)
		// warning is that of a generation left out; "" for one that gets its kernel from the store.
		warning string
	}{
		"linux ..":               {line("linux", "../../../etc/shadow"), ""},
		"linux .. absolute":      {line("linux", "/EFI/../../../etc/shadow"), ""},
		"linux .. backslashes":   {line("linux", `\..\..\etc\shadow`), ""},
		"linux is a directory":   {line("linux", "/EFI/nixos"), ""},
		"linux is the root":      {line("linux", "/"), ""},
		"linux is missing":       {line("linux", "/EFI/nixos/gone.efi"), ""},
		"linux has NUL's like":   {line("linux", "/EFI/\x01"), ""},
		"linux is a link out":    {onESP("EFI/k.efi", link("/etc/passwd")), ""},
		"linux is a long way up": {onESP("EFI/k.efi", link(strings.Repeat("../", 40)+"etc/passwd")), ""},
		"linux is a FIFO":        {onESP("EFI/k.efi", fifo), ""},
		"linux is a device":      {func(v *victim) { onESP("EFI/k.efi", v.zero)(v) }, ""},
		"linux is empty":         {onESP("EFI/k.efi", holding("")), ""},
		"initrd ..":              {line("initrd", "/../../etc/shadow"), ""},
		"FIFO":                   {file(fifo), `nixos-generation-2.conf: not a regular file`},
		"device":                 {func(v *victim) { file(v.zero)(v) }, `nixos-generation-2.conf: not a regular file`},
		"symlink loop":           {file(loop), `nixos-generation-2.conf: `},
		"symlink out":            {file(link("/etc/passwd")), `nixos-generation-2.conf: .*escapes`},
		"empty":                  {file(holding("")), `nixos-generation-2.conf: no init=`},
		"too large":              {file(holding(strings.Repeat("# \n", 30_000))), `nixos-generation-2.conf: file is too large`},
		"NUL":                    {file(holding("title a\x00b\n")), `nixos-generation-2.conf: .*NUL`},
		"no UTF-8":               {file(holding("title \xff\n")), `nixos-generation-2.conf: .*UTF-8`},
		"no init":                {line("options", "root=fstab"), `no init=`},
		"init relative":          {line("options", "init=nix/store/x/init"), `init=nix/store/x/init is not a clean absolute path`},
		"init ..":                {line("options", "init=/nix/store/../../etc/init"), `is not a clean absolute path`},
		"init elsewhere":         {line("options", "init=/etc/init"), `names /etc, which no profile link of .* leads to`},
		"title with a control":   {line("title", "a\x1b[31mb"), `control`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			c.spoil(v)
			if c.warning != "" {
				v.left(c.warning)
				return
			}
			r := v.patient()
			v.must(r.Err)
			if got := ids(r.Report, installedNow...); len(got) != 3 {
				t.Errorf("installed are %q, warnings %q", got, warnings(r.Report))
			}
			for _, e := range v.verify().Entries {
				if len(e.Problems) > 0 {
					t.Errorf("verify %s: %q", e.ID, e.Problems)
				}
			}
			config := v.read(v.cfg("xen-generation-2"))
			if want := filepath.Base(filepath.Dir(v.top.Kernel)) + "-bzImage.efi"; !strings.Contains(config, want) {
				t.Errorf("its xen.cfg does not name the kernel %s:\n%s", want, config)
			}
			if strings.Contains(config, "..") {
				t.Errorf("its xen.cfg climbs:\n%s", config)
			}
		})
	}
}
