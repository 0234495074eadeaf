package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestBootVariant starts the extra entries of a generation: one with more parameters for Xen, and one with microcode.
func TestBootVariant(t *testing.T) {
	t.Parallel()
	lab := newBootLab(t)
	// QEMU's processor takes no microcode, so that all there is to see is what Xen's loader reads.
	microcode := []byte(strings.Repeat("microcode\n", 420))
	for _, c := range []struct {
		name, layout, file string
		params             []string // of Xen, beside the generation's own
		microcode          int      // bytes of it
	}{
		{name: "verbose", layout: "shared", file: `{"xenParams": ["guest_loglvl=all", "sync_console"]}`, params: []string{"guest_loglvl=all", "sync_console"}},
		{name: "microcode", layout: "embedded", file: `{"ucode": "` + bootMicrocode + `"}`, microcode: len(microcode)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sys := newBootSystem(t, lab.assets)
			if _, err := sys.root.InstallSystemdBoot(sys.esp, fixtures.SystemdBoot{NoMenu: true, Loader: bootRead(t, lab.assets.SystemdBoot)}); err != nil {
				t.Fatal(err)
			}
			bootWrite(t, sys.root.Path(bootMicrocode), microcode)
			file := filepath.Join(t.TempDir(), "variant.json")
			bootWrite(t, file, []byte(c.file))
			sys.install(t, "--layout", c.layout, "--variant", c.name+"="+file)

			id := "xen-generation-3-variant-" + c.name + ".conf"
			// The machine's own way to choose an entry shows no menu.
			sys.write(t, "loader/loader.conf", []byte("timeout 1\ndefault "+id+"\n"))
			verdict := lab.boot(t, firmware.Machine{Image: sys.esp})
			bootWantLinux(t, verdict, sys.newest)
			if want := "NixOS (with Xen Hypervisor, " + c.name + ")"; !strings.Contains(verdict.Log, want) {
				t.Errorf("the menu has no %s", want)
			}
			if want := strings.Join(slices.Concat(sys.newest.System.Xen.Params, c.params), " "); !strings.Contains(verdict.Log, want+"\n") {
				t.Errorf("Xen does not say that it got %s: %v", want, verdict)
			}
			if got := bootLoaded(t, verdict.Log, "-amd.bin.efi"); got != c.microcode {
				t.Errorf("Xen's loader read %d bytes of microcode, want %d", got, c.microcode)
			}
		})
	}
}

// bootMicrocode is where the fixture has microcode, as a path of that system.
const bootMicrocode = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-microcode/amd.bin"

// bootLoaded is how many bytes Xen's loader says that it reads of a file whose name ends so; 0 for no such file.
func bootLoaded(t *testing.T, log, name string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)` + regexp.QuoteMeta(name) + `: 0x([0-9a-f]+)-0x([0-9a-f]+)`).FindStringSubmatch(log)
	if m == nil {
		return 0
	}
	from, err1 := strconv.ParseInt(m[1], 16, 64)
	to, err2 := strconv.ParseInt(m[2], 16, 64)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return int(to - from)
}
