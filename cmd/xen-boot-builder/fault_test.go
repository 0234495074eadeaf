package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// testFaults kills a real process at each of its file-changing system calls, and makes each of them fail
// in turn. Whatever it leaves boots, and the next run completes it.
func testFaults(t *testing.T, b binary) {
	firmware.Need(t, "strace")
	for _, layout := range []string{"shared", "unified"} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && layout != "shared" {
				t.Skip("not run with -short: each fault is a process below strace")
			}
			l := newFaultLab(t, b, layout)
			faults := []string{"signal=KILL", "error=ENOSPC", "error=EIO", "error=EROFS"}
			step := 1
			if testing.Short() {
				step = 19
			}
			// Two at a time: most of it is waiting for strace.
			var wg sync.WaitGroup
			slots := make(chan struct{}, 2)
			n := 0
			for _, fault := range faults {
				for _, c := range l.calls {
					if n++; n%step != 0 {
						continue
					}
					at := fmt.Sprintf("%d-%s", n, c.name)
					slots <- struct{}{}
					wg.Go(func() {
						defer func() { <-slots }()
						if err := l.inject(filepath.Join(l.dir, at), c, fault); err != nil {
							t.Errorf("%s at %s of %s (%d): %v", fault, c.name, c.path, c.nth, err)
						}
					})
				}
			}
			wg.Wait()
			t.Logf("%d calls, %d runs, %d faults", len(l.calls), n/step, l.hits)
			if len(l.calls) < 20 {
				t.Errorf("there are only %d calls to disturb", len(l.calls))
			}
		})
	}
}

// swept is the Xen entry of a generation whose kernel and initrd the installer before us has swept away already.
const swept = "xen-generation-1.conf"

// faultLab is a machine before a run that adds, changes and removes.
type faultLab struct {
	b            binary
	dir, layout  string
	root, before string
	start, end   map[string]string // the ESP before and after an undisturbed run
	calls        []sysCall
	mu           sync.Mutex
	hits         int
}

func newFaultLab(t *testing.T, b binary, layout string) *faultLab {
	t.Helper()
	l := &faultLab{b: b, dir: t.TempDir(), layout: layout}
	l.root, l.before = filepath.Join(l.dir, "root"), filepath.Join(l.dir, "before")
	root := fixtures.NewRoot(l.root)
	add := func(number int, version string) *fixtures.Toplevel {
		top, err := root.Add(fixtures.Generation{Number: number, System: fixtures.System{Xen: &fixtures.Xen{Version: version}}})
		if err != nil {
			t.Fatal(err)
		}
		return top
	}
	install := func() {
		if _, err := root.InstallSystemdBoot(l.before, fixtures.SystemdBoot{}); err != nil {
			t.Fatal(err)
		}
	}
	gone := add(1, "4.19.3")
	add(2, "4.20.2")
	install()
	m := machine{root: l.root, esp: l.before, boot: l.before}
	b.mustInstall(t, m, "--layout", layout, "quiet")
	if err := root.Delete(gone); err != nil {
		t.Fatal(err)
	}
	add(3, "4.21.0")
	install()
	// An entry that is there, but wrong, is replaced in place.
	wrong := filepath.Join(l.before, "loader/entries/xen-generation-2.conf")
	if layout == "shared" {
		if err := os.WriteFile(wrong, append(mustRead(t, wrong), "architecture x64\n"...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l.start = mustSnapshot(t, l.before)
	m.esp = filepath.Join(l.dir, "undisturbed")
	m.boot = m.esp
	if err := copyTree(l.before, m.esp); err != nil {
		t.Fatal(err)
	}
	calls, r, err := b.traced(filepath.Join(l.dir, "log"), m.esp, l.args(m.esp)...)
	if err != nil || r.code != exitDone || r.stderr != "" {
		t.Fatalf("undisturbed: exit code %d, %v: %s", r.code, err, r.stderr)
	}
	for i := range calls { // paths are those of another copy in each run
		if rest, ok := strings.CutPrefix(calls[i].path, m.esp); ok {
			calls[i].path = "ESP" + rest
		}
	}
	l.calls, l.end = calls, mustSnapshot(t, m.esp)
	if cmp.Equal(l.start, l.end) {
		t.Fatal("the run changes nothing")
	}
	if err := boots(m.esp); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *faultLab) args(esp string) []string {
	return []string{"--root", l.root, "--esp", esp, "--layout", l.layout, "quiet"}
}

// inject makes a copy of the machine, has a run fail, and looks at what is left.
func (l *faultLab) inject(dir string, c sysCall, fault string) error {
	esp := filepath.Join(dir, "esp")
	if err := copyTree(l.before, esp); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if rest, ok := strings.CutPrefix(c.path, "ESP"); ok {
		c.path = esp + rest
	}
	r, hit, err := l.b.injected(filepath.Join(dir, "log"), c, c.nth, fault, l.args(esp)...)
	if err != nil {
		return err
	}
	if !hit && c.nth > 1 {
		return nil // strace counts for each thread, and the thread was another one this time
	}
	if !hit {
		return errors.New("the fault did not take place")
	}
	l.mu.Lock()
	l.hits++
	l.mu.Unlock()
	left, err := fixtures.Snapshot(esp)
	if err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(fault, "signal="):
	case r.code == exitDone:
		// A fault that does not matter is passed over; then all has to be done.
		if d := cmp.Diff(l.end, left); d != "" {
			return fmt.Errorf("it says that all is done, and this is missing:\n%s", d)
		}
	case r.code != exitFailed || !strings.HasPrefix(r.stderr, program+": error: "):
		return fmt.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	if err := errors.Join(l.whole(left), boots(esp, swept)); err != nil {
		return err
	}
	if r, err = runProcess(l.b.command(l.args(esp)...)); err != nil || r.code != exitDone || r.stderr != "" {
		return fmt.Errorf("the next run: exit code %d, %v: %s", r.code, err, r.stderr)
	}
	if left, err = fixtures.Snapshot(esp); err != nil {
		return err
	}
	if d := cmp.Diff(l.end, left); d != "" {
		return fmt.Errorf("the next run did not complete it (-undisturbed +now):\n%s", d)
	}
	return nil
}

// staged are names that nobody looks up; a killed run leaves them.
var staged = regexp.MustCompile(`(^|/)\.xen-boot-builder-[^/]*\.tmp(/|$)`)

// whole says that nothing is lost and nothing wrong can be started: each file has its bytes of before or of after
// the run, none is missing that is in both, and what is neither says nothing to systemd-boot and is named by no entry.
func (l *faultLab) whole(left map[string]string) error {
	names := maps.Clone(l.start)
	maps.Copy(names, l.end)
	maps.Copy(names, left)
	named := namedFiles(left)
	for name := range names {
		content, ok := left[name]
		before, wasThere := l.start[name]
		after, willBe := l.end[name]
		switch {
		case staged.MatchString(name):
		case ok && (wasThere && content == before || willBe && content == after):
		case !ok && !(wasThere && willBe):
		// In the making, or about to go.
		case ok && !(wasThere && willBe) && saysNothing(name, content) && !named[path.Base(name)]:
		// Longer by newlines at its end, as space for what is to come.
		case name == "loader/loader.conf" && strings.TrimRight(content, "\n") == strings.TrimRight(before, "\n"):
		default:
			return fmt.Errorf("%s is neither what it was nor what it should be: %q", name, content)
		}
	}
	return nil
}

// saysNothing reports whether systemd-boot passes over a file: payload, an entry of newlines, an image whose first sector
// is zeros.
func saysNothing(name, content string) bool {
	switch path.Dir(name) {
	case "EFI/xen":
		return true
	case "loader/entries":
		return strings.Trim(content, "\n") == ""
	case "EFI/Linux":
		return strings.Trim(content[:min(len(content), 512)], "\x00") == ""
	}
	return false
}

// namedFiles are the last parts of all names in entries, and in each xen.cfg that one of them names.
func namedFiles(tree map[string]string) map[string]bool {
	named := make(map[string]bool)
	note := func(text string) {
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \n\\/=", r) }) {
			named[word] = true
		}
	}
	for name, text := range tree {
		if path.Dir(name) == "loader/entries" {
			note(text)
		}
	}
	for name, text := range tree {
		if strings.HasSuffix(name, ".cfg") && named[path.Base(name)] {
			note(text)
		}
	}
	return named
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
