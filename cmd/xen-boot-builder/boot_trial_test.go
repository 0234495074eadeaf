package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// Parameters of Xen with which it comes up, and with which it panics while it makes dom0.
var (
	goodXen = []string{"console=com1", "com1=115200", "dom0_mem=640M,max:640M", "dom0_max_vcpus=1"}
	badXen  = []string{"console=com1", "com1=115200", "dom0_mem=8M,max:8M"}
	// hungXen stops there and waits for somebody to reset the machine.
	hungXen = append(slices.Clone(badXen), "noreboot")
)

// TestBootTrial is a Xen on trial on a machine of real parts: firmware whose variables stay from boot to boot,
// systemd-boot, Xen, a Linux in which the program runs as on NixOS, on the mounted ESP and with efivarfs.
func TestBootTrial(t *testing.T) {
	t.Parallel()
	lab := newBootLab(t)
	modules := firmware.NeedModules(t, lab.assets)
	firmware.Need(t, "go")
	program := buildProgram(t)

	t.Run("comes up, and a later one panics", func(t *testing.T) {
		t.Parallel()
		m := newTrialMachine(t, lab, modules, program, "")
		first := m.add(t, 3, goodXen)
		m.rebuild(t, fixtures.SystemdBoot{})

		m.wantNixOS(t, m.boot(t, `xbb install --default try info
			xbb status`))
		for _, want := range []string{"next boot: 3 on Xen", "on trial; after that: 3 without Xen"} {
			if !strings.Contains(m.out, want) {
				t.Errorf("install does not say %q:\n%s", want, m.out)
			}
		}

		// The shot: Xen starts once, and there it is blessed, by a check that has to succeed.
		m.wantXen(t, m.boot(t, `xbb status
			fails bless --check false
			xbb bless --check 'test -e /proc/xen -o -e /sys/hypervisor/type'
			xbb status`), first)
		if want := "has proven itself, and starts by default"; !strings.Contains(m.out, want) {
			t.Errorf("bless does not say %q:\n%s", want, m.out)
		}

		// Now it starts by itself. The second blessing changes nothing.
		m.wantXen(t, m.boot(t, `sums >/before
			xbb bless
			sums >/after
			cmp /before /after && echo JOB-SAME`), first)
		if !strings.Contains(m.out, "JOB-SAME") || !strings.Contains(m.out, "has proven itself already") {
			t.Errorf("the second blessing:\n%s", m.out)
		}

		// A later generation, whose NixOS entry NixOS' own installer makes the default. It proves itself, too.
		second := m.add(t, 4, append(slices.Clone(goodXen), "loglvl=all"))
		m.rebuild(t, fixtures.SystemdBoot{})
		m.wantNixOS(t, m.boot(t, `xbb install --default try info
			xbb install --default try info`))
		if want := "on trial; after that: 3 on Xen"; strings.Count(m.out, want) != 2 {
			t.Errorf("install does not say %q, both times:\n%s", want, m.out)
		}
		m.wantXen(t, m.boot(t, `xbb bless`), second)

		// One more, which does not come up.
		m.add(t, 5, badXen)
		m.rebuild(t, fixtures.SystemdBoot{})
		m.wantNixOS(t, m.boot(t, `xbb install --default try info`))
		if want := "on trial; after that: 4 on Xen"; !strings.Contains(m.out, want) {
			t.Errorf("install does not say %q:\n%s", want, m.out)
		}
		m.wantPanic(t)
		// The power comes back.
		m.wantXen(t, m.boot(t, `xbb status
			xbb install --default try info`), second)
		if want := "was not blessed: it is not tried again"; !strings.Contains(m.out, want) {
			t.Errorf("install does not say %q:\n%s", want, m.out)
		}
	})

	t.Run("hangs, with XBOOTLDR", func(t *testing.T) {
		t.Parallel()
		m := newTrialMachine(t, lab, modules, program, "")
		m.extended = filepath.Join(filepath.Dir(m.esp), "extended")
		third := m.add(t, 3, hungXen)
		fourth := m.add(t, 4, goodXen)
		if err := m.root.SetDefault(third); err != nil {
			t.Fatal(err)
		}
		m.rebuild(t, fixtures.SystemdBoot{})
		m.wantNixOS(t, m.boot(t, `xbb install --default try`))
		if want := regexp.MustCompile(`(?m)^next boot: 3 on Xen \S+, on trial; after that: 3 without Xen$`); !want.MatchString(m.out) {
			t.Errorf("install does not say %q:\n%s", want, m.out)
		}
		if v := m.boot(t, "", `Panic on CPU 0`, `Manual reset required`); v.State != firmware.Booted {
			t.Fatalf("want a Xen that hangs: %v", v)
		}

		// A power cycle later NixOS is back, and tries the other generation.
		m.wantNixOS(t, m.boot(t, `xbb install --default try
			xbb try 4`))
		if want := "was not blessed: it is not tried again"; !strings.Contains(m.out, want) {
			t.Errorf("install does not say %q:\n%s", want, m.out)
		}

		// That one is blessed, and hangs at once. What is proven is on the disk by then.
		m.wantXen(t, m.boot(t, `xbb bless
			echo JOB-HANGS >/dev/console
			while :; do busybox sleep 1; done`, `JOB-HANGS`), fourth)
		m.wantXen(t, m.boot(t, `xbb status`), fourth)
		if _, err := os.Stat(filepath.Join(m.extended, "EFI/xen/proven")); err != nil {
			t.Error(err)
		}
	})

	t.Run("panics, and resets by itself", func(t *testing.T) {
		t.Parallel()
		m := newTrialMachine(t, lab, modules, program, "")
		m.add(t, 3, badXen)
		m.rebuild(t, fixtures.SystemdBoot{})
		m.wantNixOS(t, m.boot(t, `xbb install --default try info`))
		m.reboots = true
		v := m.boot(t, `xbb status`, `Panic on CPU 0`, `^JOB-DONE`)
		m.wantNixOS(t, v)
		if panics, job := strings.Index(v.Log, "Panic on CPU 0"), strings.Index(v.Log, "JOB-DONE"); panics < 0 || job < panics {
			t.Errorf("Xen did not panic first: %v", v)
		}
	})

	t.Run("counted image falls back", func(t *testing.T) {
		t.Parallel()
		m := newTrialMachine(t, lab, modules, program, "")
		m.add(t, 3, badXen)
		m.rebuild(t, fixtures.SystemdBoot{Tries: 2})
		m.install(t, "--layout", "unified")
		for _, want := range []string{"+2.efi", "+1-1.efi"} {
			m.wantImage(t, want)
			m.wantPanic(t)
		}
		m.wantImage(t, "+0-2.efi")
		m.wantNixOS(t, m.boot(t, `xbb status`))
	})

	t.Run("counted image is blessed", func(t *testing.T) {
		t.Parallel()
		m := newTrialMachine(t, lab, modules, program, systemdBlessBoot(t))
		first := m.add(t, 3, goodXen)
		m.rebuild(t, fixtures.SystemdBoot{Tries: 2})
		m.install(t, "--layout", "unified")
		m.wantImage(t, "+2.efi")
		m.wantXen(t, m.boot(t, `ls /esp/EFI/Linux
			SYSTEMD_RELAX_ESP_CHECKS=1 /usr/bin/systemd-bless-boot --path=/esp status
			SYSTEMD_RELAX_ESP_CHECKS=1 /usr/bin/systemd-bless-boot --path=/esp good
			ls /esp/EFI/Linux
			xbb list`), first)
		if !strings.Contains(m.out, "+1-1.efi") {
			t.Errorf("it was not counted down:\n%s", m.out)
		}
		m.wantImage(t, "")
		m.wantXen(t, m.boot(t, `xbb list`), first)
	})
}

// buildProgram builds the program as it is delivered: without cgo.
func buildProgram(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), program)
	build := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

// systemdBlessBoot is a directory with the real program and the libraries that it is linked with.
func systemdBlessBoot(t *testing.T) string {
	t.Helper()
	const file = "/lib/systemd/systemd-bless-boot"
	firmware.Need(t, file, "ldd")
	out, err := exec.Command("ldd", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string]string{"usr/bin/systemd-bless-boot": file}
	for _, lib := range regexp.MustCompile(`(/\S+) \(0x`).FindAllStringSubmatch(string(out), -1) {
		files[lib[1]] = lib[1]
	}
	for name, from := range files {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, bootRead(t, from), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// trialJob is what the Linux of these machines does when it is up: it mounts the ESP, unpacks the
// disk of the NixOS, and runs the job that the test left on the ESP.
const trialJob = `
for m in %s; do busybox insmod /modules/$m.ko || echo "JOB-LACKS $m"; done
for a in ls mkdir ln cp cmp md5sum find sync umount tar chmod touch test reboot sort; do busybox ln -sf busybox /bin/$a; done
mkdir -p /esp /run /tmp /etc
mount -t efivarfs efivarfs /sys/firmware/efi/efivars || echo JOB-NO-EFIVARS
for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/vda1 ] || sleep 1; done
mount -t vfat /dev/vda1 /esp || echo JOB-NO-ESP
tar -xf /esp/test/root.tar -C / || echo JOB-NO-ROOT
touch /etc/NIXOS
for word in $(cat /proc/cmdline); do case $word in init=*) init=${word#init=} ;; esac; done
ln -s ${init%%/init} /run/booted-system
if [ -b /dev/vda2 ]; then
	mkdir /extended
	mount -t vfat /dev/vda2 /extended || echo JOB-NO-XBOOTLDR
	boot="--boot /extended"
fi
xbb() { echo "JOB-RUN $*"; /usr/bin/xen-boot-builder "$@" --esp /esp $boot 2>&1 || echo "JOB-FAILED $*"; }
fails() { echo "JOB-RUN $*"; /usr/bin/xen-boot-builder "$@" --esp /esp $boot 2>&1 && echo "JOB-SUCCEEDED $*"; }
sums() { find /esp -type f ! -path '/esp/test/*' | sort | busybox xargs md5sum; }
. /esp/test/job.sh >/esp/test/out.txt 2>&1
cat /esp/test/out.txt
umount /esp || echo JOB-BUSY
[ -z "$boot" ] || umount /extended || echo JOB-BUSY
sync
echo JOB-DONE
`

// trialMachine is a machine whose disk and variables stay from boot to boot.
type trialMachine struct {
	lab     *bootLab
	root    *fixtures.Root
	extra   string // a directory that is unpacked below its root, too; "" for none
	program string
	system  fixtures.System // of each generation, but for Xen's parameters
	esp     string          // the ESP as a tree, while the machine is off
	// extended is XBOOTLDR, the same way; "" for none.
	extended string
	image    string // the disk, once it was on
	vars     string
	reboots  bool
	out      string // what the last job said
}

func newTrialMachine(t *testing.T, lab *bootLab, modules map[string]string, program, extra string) *trialMachine {
	t.Helper()
	dir := t.TempDir()
	m := &trialMachine{
		lab: lab, root: fixtures.NewRoot(filepath.Join(dir, "root")), extra: extra, program: program,
		esp: filepath.Join(dir, "esp"), image: filepath.Join(dir, "disk.img"), vars: filepath.Join(dir, "vars.fd"),
	}
	if err := os.WriteFile(m.vars, bootRead(t, "/usr/share/OVMF/OVMF_VARS_4M.fd"), 0o644); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"job": fmt.Sprintf(trialJob, strings.Join(firmware.Modules(), " "))}
	for name, content := range modules {
		files[name] = content
	}
	initrd := bootRead(t, lab.assets.Initrd)
	for len(initrd)%4 != 0 {
		initrd = append(initrd, 0)
	}
	m.system = fixtures.System{
		Kernel: bootRead(t, lab.assets.Kernel),
		Initrd: append(initrd, firmware.Cpio(files)...),
		Params: []string{"console=ttyS0,115200", "console=hvc0", "loglevel=4", "panic=5"},
	}
	return m
}

// add is a new generation of the system profile.
func (m *trialMachine) add(t *testing.T, number int, xen []string) *fixtures.Toplevel {
	t.Helper()
	s := m.system
	s.Xen = &fixtures.Xen{Image: bootRead(t, m.lab.assets.Xen), Params: xen}
	top, err := m.root.Add(fixtures.Generation{Number: number, System: s})
	if err != nil {
		t.Fatal(err)
	}
	return top
}

// rebuild runs NixOS' own installer on the ESP.
func (m *trialMachine) rebuild(t *testing.T, options fixtures.SystemdBoot) {
	t.Helper()
	options.Names, options.Boot = fixtures.ContentHashNames, m.extended
	options.Loader, options.NoMenu = bootRead(t, m.lab.assets.SystemdBoot), true
	if _, err := m.root.InstallSystemdBoot(m.esp, options); err != nil {
		t.Fatal(err)
	}
}

// install runs the program while the machine is off.
func (m *trialMachine) install(t *testing.T, args ...string) {
	t.Helper()
	sys := &bootSystem{root: m.root, esp: m.esp}
	sys.install(t, args...)
}

// boot switches the machine on, and waits for its job to be done unless other lines are expected.
func (m *trialMachine) boot(t *testing.T, job string, expect ...string) firmware.Verdict {
	t.Helper()
	m.provide(t, job)
	if err := firmware.DiskImageExtended(t.Context(), m.esp, m.extended, m.image); err != nil {
		t.Fatal(err)
	}
	if len(expect) == 0 {
		expect = []string{`^JOB-DONE`}
	}
	var patterns []*regexp.Regexp
	for _, e := range expect {
		patterns = append(patterns, regexp.MustCompile(e))
	}
	v := m.lab.boot(t, firmware.Machine{
		Image: m.image, Vars: m.vars, SaveVars: m.vars, SaveImage: m.image, Reboots: m.reboots,
	}, patterns...)
	m.takeOut(t)
	return v
}

// provide puts the job and what it needs on the ESP.
func (m *trialMachine) provide(t *testing.T, job string) {
	t.Helper()
	var disk bytes.Buffer
	w := tar.NewWriter(&disk)
	trees := []string{m.root.Dir(), m.extra}
	for _, tree := range trees {
		if tree == "" {
			continue
		}
		if err := w.AddFS(os.DirFS(tree)); err != nil {
			t.Fatal(err)
		}
	}
	binary := bootRead(t, m.program)
	if err := w.WriteHeader(&tar.Header{Name: "usr/bin/xen-boot-builder", Mode: 0o755, Size: int64(len(binary))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(binary); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sys := &bootSystem{esp: m.esp}
	sys.write(t, "test/root.tar", disk.Bytes())
	sys.write(t, "test/job.sh", []byte(job+"\n"))
	if err := os.RemoveAll(filepath.Join(m.esp, "test/out.txt")); err != nil {
		t.Fatal(err)
	}
}

// takeOut makes the tree of the ESP what is on the disk.
func (m *trialMachine) takeOut(t *testing.T) {
	t.Helper()
	m.takeOutOf(t, "@@1M", m.esp)
	if m.extended != "" {
		table := bootCommand(t, "sfdisk", "--dump", m.image)
		second := regexp.MustCompile(`start= *(\d+).*name="XBOOTLDR"`).FindStringSubmatch(table)
		if second == nil {
			t.Fatalf("no XBOOTLDR in %s", table)
		}
		m.takeOutOf(t, "@@"+second[1]+"s", m.extended)
	}
	out, err := os.ReadFile(filepath.Join(m.esp, "test/out.txt"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	m.out = string(out)
	t.Logf("the job said:\n%s", m.out)
	if strings.Contains(m.out, "JOB-FAILED") || strings.Contains(m.out, "JOB-SUCCEEDED") {
		t.Error("the job failed")
	}
}

// takeOutOf makes a tree what is on a partition, which is at an offset of the disk in mtools' way of naming it.
func (m *trialMachine) takeOutOf(t *testing.T, at, tree string) {
	t.Helper()
	if err := os.RemoveAll(tree); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	bootCommand(t, "mcopy", "-s", "-m", "-Q", "-n", "-i", m.image+at, "::/*", tree)
}

// wantNixOS wants that a Linux without Xen came up.
func (m *trialMachine) wantNixOS(t *testing.T, v firmware.Verdict) {
	t.Helper()
	if v.State != firmware.Booted || v.Xen != "" {
		t.Fatalf("want NixOS without Xen: %v", v)
	}
}

// wantXen wants that this generation came up as dom0.
func (m *trialMachine) wantXen(t *testing.T, v firmware.Verdict, want *fixtures.Toplevel) {
	t.Helper()
	if v.State != firmware.Booted || v.Xen == "" || !strings.Contains(v.CmdLine, want.Init) {
		t.Fatalf("want dom0 with %s, got %q: %v", want.Init, v.CmdLine, v)
	}
}

// wantPanic switches the machine on, wants Xen to panic, and pulls the plug.
func (m *trialMachine) wantPanic(t *testing.T) {
	t.Helper()
	if v := m.boot(t, "", `Panic on CPU 0`); v.State != firmware.Booted {
		t.Fatalf("want a panic of Xen: %v", v)
	}
}

// wantImage wants one image of ours, whose name ends so; "" is one without a counter.
func (m *trialMachine) wantImage(t *testing.T, suffix string) {
	t.Helper()
	images, err := filepath.Glob(filepath.Join(m.esp, "EFI/Linux/xen-*.efi"))
	if err != nil || len(images) != 1 {
		t.Fatalf("images %q, %v", images, err)
	}
	if name := filepath.Base(images[0]); !strings.HasSuffix(name, suffix) || suffix == "" && strings.Contains(name, "+") {
		t.Fatalf("the image is %s, want …%s", name, suffix)
	}
}
