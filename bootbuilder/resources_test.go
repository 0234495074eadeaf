package bootbuilder_test

import (
	"bytes"
	"debug/pe"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// maxMemory is what a run may take however large an image is, in KiB.
const maxMemory = 64 << 10

// TestResources makes a signed, unified image of 160 MB: as large as they get, on machines where the
// ESP is small and the installer runs beside a build. Its memory is bound; its time is logged
// beside that of objcopy and sbsign, for comparison.
func TestResources(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 500 MB")
	}
	m := layOutLarge(t)
	args := []string{m.program, "install", "--allow-unmounted", "--esp", m.esp, "--root", m.root, "--pki-bundle", m.keys}

	first := measureRun(t, args...)
	images, err := filepath.Glob(filepath.Join(m.esp, "EFI/Linux/xen-generation-1-*.efi"))
	if err != nil || len(images) != 1 {
		t.Fatalf("images: %v, %v", images, err)
	}
	info, err := os.Stat(images[0])
	if err != nil || info.Size() < int64(len(m.kernel)+len(m.initrd)) {
		t.Fatalf("the image has %d bytes, %v", info.Size(), err)
	}
	second := measureRun(t, args...)
	verify := measureRun(t, m.program, "verify", "--allow-unmounted", "--esp", m.esp, "--root", m.root,
		"--sign-cert", filepath.Join(m.keys, "keys/db/db.pem"))
	lock := measureRun(t, append(args, "--pcrlock-dir", filepath.Join(t.TempDir(), "pcrlock.d"))...)
	for name, u := range map[string]usage{"install": first, "install again": second, "verify": verify, "install with --pcrlock-dir": lock} {
		t.Logf("%-26s %v", name, u)
		if u.memory > maxMemory {
			t.Errorf("%s took %d KiB, more than %d", name, u.memory, maxMemory)
		}
	}
	m.beside(t, images[0], first)
}

// beside logs what the tools that people use by hand take for the same image.
func (m large) beside(t *testing.T, image string, ours usage) {
	for _, tool := range []string{"objcopy", "sbsign"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("%s is not installed: nothing to compare with", tool)
			return
		}
	}
	dir := t.TempDir()
	unsigned, signed := filepath.Join(dir, "unsigned.efi"), filepath.Join(dir, "signed.efi")
	args := []string{"objcopy"}
	f, err := pe.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	base := f.OptionalHeader.(*pe.OptionalHeader64).ImageBase
	for _, s := range f.Sections {
		switch s.Name {
		case ".config", ".osrel", ".cmdline", ".kernel", ".ramdisk":
			data, err := s.Data()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, s.Name)
			if err := os.WriteFile(file, data[:min(int(s.VirtualSize), len(data))], 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, "--add-section", s.Name+"="+file,
				"--change-section-vma", fmt.Sprintf("%s=%#x", s.Name, base+uint64(s.VirtualAddress)))
		}
	}
	objcopy := measureRun(t, append(args, m.xen, unsigned)...)
	sbsign := measureRun(t, "sbsign", "--key", filepath.Join(m.keys, "keys/db/db.key"),
		"--cert", filepath.Join(m.keys, "keys/db/db.pem"), "--output", signed, unsigned)
	t.Logf("%-26s %v", "objcopy", objcopy)
	t.Logf("%-26s %v", "sbsign", sbsign)
	t.Logf("install beside both: %.2f of the time (with fsync, which they leave out), %.2f of the memory",
		ours.time.Seconds()/(objcopy.time+sbsign.time).Seconds(), float64(ours.memory)/float64(max(objcopy.memory, sbsign.memory)))
}

// large is a machine with a generation whose image is large.
type large struct {
	program, root, esp, keys, xen string
	kernel, initrd                []byte
}

func layOutLarge(t *testing.T) large {
	t.Helper()
	m := large{program: filepath.Join(t.TempDir(), "xen-boot-builder"), root: t.TempDir(), esp: t.TempDir(), keys: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", m.program, "../cmd/xen-boot-builder").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	random := rand.NewChaCha8([32]byte{})
	m.kernel, m.initrd = make([]byte, 12<<20), make([]byte, 148<<20)
	for _, b := range [][]byte{m.kernel, m.initrd} {
		if _, err := random.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	root := fixtures.NewRoot(m.root)
	top, err := root.Add(fixtures.Generation{Number: 1, System: fixtures.System{Kernel: m.kernel, Initrd: m.initrd, Xen: &fixtures.Xen{}}})
	if err != nil {
		t.Fatal(err)
	}
	m.xen = root.Path(top.XenEFI)
	if _, err := root.InstallSystemdBoot(m.esp, fixtures.SystemdBoot{}); err != nil {
		t.Fatal(err)
	}
	if err := fixtures.LayOutKeys(m.keys, "db"); err != nil {
		t.Fatal(err)
	}
	return m
}

// usage is what a program took.
type usage struct {
	time   time.Duration
	memory int64 // peak resident memory in KiB
}

func (u usage) String() string {
	return fmt.Sprintf("%6.2f s %7.1f MiB", u.time.Seconds(), float64(u.memory)/1024)
}

// measured is set where the test binary runs a program in order to measure it: see measureRun.
const measured = "XEN_BOOT_BUILDER_TEST_MEASURES"

// measureRun runs a program, from a process of its own: Linux counts the memory of whoever starts a
// program towards that program's peak, and this process holds the image's parts.
func measureRun(t *testing.T, args ...string) usage {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"-test.run=^TestMeasuredProgram$", "--"}, args...)...)
	cmd.Env = append(os.Environ(), measured+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	var u usage
	if _, err := fmt.Sscanf(string(out), "%d %d", &u.time, &u.memory); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return u
}

// TestMeasuredProgram is the other half of measureRun, and no test.
func TestMeasuredProgram(t *testing.T) {
	if os.Getenv(measured) == "" {
		return
	}
	args := os.Args[3:]
	cmd := exec.Command(args[0], args[1:]...)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	took := time.Since(start)
	memory := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	fmt.Printf("%d %d\n", took.Nanoseconds(), memory)
}
