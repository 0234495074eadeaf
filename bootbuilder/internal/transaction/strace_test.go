package transaction_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
)

// tracedDir names the directory that a copy of the test works on, under strace.
const tracedDir = "XBB_TEST_TRACED_DIR"

// TestStepsAreAll holds the steps against the system calls of a run: those that change something, all of them, in order.
func TestStepsAreAll(t *testing.T) {
	for _, s := range []scenario{named("first"), named("first, many names"), named("new Xen"), named("new images"), named("a long entry, changed")} {
		t.Run(s.name, func(t *testing.T) {
			if dir := os.Getenv(tracedDir); dir != "" {
				s.traced(t, dir)
				return
			}
			if _, err := exec.LookPath("strace"); err != nil {
				t.Skip(err)
			}
			dir := t.TempDir()
			for name, text := range s.before.files() {
				must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
				must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
			}
			out := filepath.Join(t.TempDir(), "strace")
			cmd := exec.Command("strace", "-f", "-y", "-qq", "-o", out, "-e", "signal=none",
				"-e", "trace=openat,openat2,unlinkat,renameat,renameat2,mkdirat,fsync,syncfs,sync_file_range,fallocate,ftruncate,pwrite64,write",
				os.Args[0], "-test.run=^"+t.Name()+"$")
			cmd.Env = append(os.Environ(), tracedDir+"="+dir)
			stdout, err := cmd.CombinedOutput()
			if err != nil {
				t.Skipf("strace: %v\n%s", err, stdout)
			}
			trace, err := os.ReadFile(out)
			must(t, err)
			_, steps, ok := strings.Cut(string(stdout), "steps:\n")
			if !ok {
				t.Fatalf("%s", stdout)
			}
			steps, _, _ = strings.Cut(steps, "end\n")
			if d := cmp.Diff(strings.Split(steps, "\n"), strings.Split(systemCalls(string(trace), dir), "\n")); d != "" {
				t.Errorf("the steps and the system calls differ (-steps +calls):\n%s", d)
			}
		})
	}
}

// traced is the run in the traced process. It prints the system calls that the steps stand for.
func (s scenario) traced(t *testing.T, dir string) {
	d, err := esp.OpenDir(dir)
	must(t, err)
	defer d.Close()
	// What is to change is found out on a copy in memory.
	m := machine(s.before, crashfs.Geometry{Cluster: 4096})
	c, err := s.after.change(m.FS(0))
	must(t, err)
	for _, list := range []*[]transaction.Place{&c.Leftovers, &c.StaleEntries, &c.StaleImages, &c.StalePayload} {
		for i := range *list {
			(*list)[i].FS = d
		}
	}
	for i := range c.Blank {
		c.Blank[i].FS = d
	}
	for i := range c.Writes {
		c.Writes[i].FS = d
	}
	if c.LoaderConf != nil {
		c.LoaderConf.FS = d
	}
	c.ESP, c.Boot = d, d
	steps, err := transaction.Plan(c)
	must(t, err)
	var b bytes.Buffer
	for step := range steps.All() {
		for _, call := range calls(step) {
			fmt.Fprintln(&b, call)
		}
	}
	_, err = steps.Run(t.Context(), transaction.Observer{})
	must(t, err)
	fmt.Printf("steps:\n%send\n", b.String())
}

// calls are the system calls that a step stands for.
func calls(s transaction.Step) []string {
	name := s.Place.Name
	switch s.Op {
	case transaction.OpDrop:
		return []string{"unlink " + name}
	case transaction.OpMkdir:
		return []string{"mkdir " + name}
	case transaction.OpRename:
		return []string{"rename " + name + " " + s.To}
	case transaction.OpCreate:
		if s.At != "" {
			return []string{"create " + s.At}
		}
		return []string{"create " + name}
	case transaction.OpAllocate:
		return []string{fmt.Sprintf("fallocate %s %d", name, s.Size)}
	case transaction.OpStart, transaction.OpSend:
		return []string{"sync_file_range " + name}
	case transaction.OpSyncFile, transaction.OpSyncDir, transaction.OpSyncHeld:
		return []string{"fsync " + name}
	case transaction.OpFlushTables:
		return []string{"fsync ."}
	case transaction.OpFlush:
		return []string{"syncfs .", "fsync ."}
	case transaction.OpSync:
		return []string{"syncfs ."}
	case transaction.OpBlank, transaction.OpPatch:
		return []string{fmt.Sprintf("write %s %d at %d", name, len(s.Text), s.Offset)}
	case transaction.OpFill:
		return []string{"write " + name}
	case transaction.OpHead:
		return []string{fmt.Sprintf("write %s %d at 0", name, esp.SectorSize)}
	case transaction.OpHold, transaction.OpUpdate, transaction.OpRelease, transaction.OpWritable, transaction.OpSpace:
		return nil // change nothing
	}
	return []string{s.String()}
}

var (
	callLine = regexp.MustCompile(`^\d+ +(\w+)\((.*)\) += (\d+|-1 \w+).*$`)
	argument = regexp.MustCompile(`(?:\d+|AT_FDCWD)<([^>]*)>`)
	quoted   = regexp.MustCompile(`"([^"]*)"`)
)

// systemCalls are those of a trace that change something below dir, in the form of calls.
func systemCalls(trace, dir string) string {
	var b strings.Builder
	filled := ""
	for line := range strings.Lines(trace) {
		m := callLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil || strings.HasPrefix(m[3], "-1") {
			continue
		}
		places := argument.FindAllStringSubmatch(m[2], -1)
		if len(places) == 0 {
			continue
		}
		if !strings.HasPrefix(places[0][1], dir) {
			continue
		}
		below := func(i int) string {
			name := strings.Trim(strings.TrimPrefix(strings.TrimSuffix(places[i][1], " (deleted)"), dir), "/")
			return filepath.Join(".", name)
		}
		base := below(0)
		join := func(i int) string {
			return filepath.Join(below(i), quoted.FindAllStringSubmatch(m[2], -1)[i][1])
		}
		fields := strings.Split(m[2], ", ")
		last := fields[len(fields)-1]
		call := ""
		switch m[1] {
		case "openat", "openat2":
			if strings.Contains(m[2], "O_CREAT") {
				call = "create " + join(0)
			}
		case "unlinkat":
			call = "unlink " + join(0)
		case "mkdirat":
			call = "mkdir " + join(0)
		case "renameat", "renameat2":
			call = "rename " + join(0) + " " + join(1)
		case "fsync", "syncfs", "sync_file_range":
			call = m[1] + " " + base
		case "fallocate":
			call = fmt.Sprintf("fallocate %s %s", base, last)
		case "ftruncate":
			call = "ftruncate " + base
		case "pwrite64":
			call = fmt.Sprintf("write %s %s at %s", base, fields[len(fields)-2], last)
			if payload := strings.HasPrefix(base, "EFI/xen/") || strings.HasPrefix(base, "EFI/Linux/") && last != "0"; payload || strings.HasSuffix(base, ".tmp") {
				call = "write " + base // in as many pieces as it takes
			}
		case "write":
			call = "write " + base
		}
		if call == "" || call == filled && strings.HasPrefix(call, "write ") {
			continue
		}
		filled = call
		fmt.Fprintln(&b, call)
	}
	return b.String()
}
