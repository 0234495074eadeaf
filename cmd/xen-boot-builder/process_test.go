package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// testNoOp counts what a run that has nothing to do changes or syncs: nothing.
func testNoOp(t *testing.T, b binary) {
	firmware.Need(t, "strace")
	for _, layout := range []string{"shared", "embedded", "unified"} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			m := mustLayOut(t, "demo")
			log := filepath.Join(t.TempDir(), "log")
			for run, want := range []bool{true, false} {
				calls, r, err := b.traced(log, m.esp, m.flags("--layout", layout)...)
				if err != nil || r.code != exitDone {
					t.Fatalf("exit code %d, %v: %s", r.code, err, r.stderr)
				}
				// The first run shows that the count is one.
				if (len(calls) > 0) != want {
					t.Errorf("run %d makes %d calls that change the ESP: %v", run+1, len(calls), calls)
				}
			}
		})
	}
}

// testTwoAtOnce has two hooks run at the same time, as two rebuilds would.
func testTwoAtOnce(t *testing.T, b binary) {
	single := mustLayOut(t, "demo")
	want := b.mustInstall(t, single, "quiet")
	times := 20
	if testing.Short() {
		times = 5
	}
	for range times {
		m := mustLayOut(t, "demo")
		results := make(chan processResult, 2)
		for range cap(results) {
			go func() {
				r, err := runProcess(b.command(m.flags("quiet")...))
				if err != nil {
					r.code, r.stderr = -1, err.Error()
				}
				results <- r
			}()
		}
		for range cap(results) {
			if r := <-results; r.code != exitDone || r.stdout+r.stderr != "" {
				t.Fatalf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
			}
		}
		if d := cmp.Diff(want, mustSnapshot(t, m.esp)); d != "" {
			t.Fatalf("two at once left something else than one (-one +two):\n%s", d)
		}
	}
}

// testTerminated ends a run as systemd does when a rebuild is cancelled.
func testTerminated(t *testing.T, b binary) {
	firmware.Need(t, "strace")
	for _, signal := range []string{"TERM", "INT"} {
		t.Run(signal, func(t *testing.T) {
			t.Parallel()
			m := mustLayOut(t, "demo")
			before := mustSnapshot(t, m.esp)
			// The signal comes as clusters are taken for the first file, and is noticed beside the run, by another
			// thread: that has a second, for the first write to the file lasts as long.
			r, _, err := b.straced(filepath.Join(t.TempDir(), "log"), firstPayload(t, b, m), []string{
				"trace=fallocate,write,pwrite64", "inject=fallocate:signal=" + signal + ":when=1", "inject=write,pwrite64:delay_enter=1000000:when=1",
			}, m.flags("info")...)
			if err != nil {
				t.Fatal(err)
			}
			if r.code != exitFailed {
				t.Errorf("exit code %d, want %d", r.code, exitFailed)
			}
			wantComplaint(t, r.stderr)
			// It says what happened, and not what was planned.
			if !strings.Contains(r.stdout, headline+"failed.  (") || strings.Contains(r.stdout, "\n+ ") || !strings.Contains(r.stdout, "\nNo change: ") ||
				!strings.Contains(r.stdout, "\nboots next: 3 without Xen   ") || !strings.Contains(r.stdout, "not reached") {
				t.Errorf("stdout:\n%s", r.stdout)
			}
			if want := "signal"; !strings.Contains(r.stderr, want) && !strings.Contains(r.stderr, "interrupted") {
				t.Errorf("stderr does not say that a signal ended it:\n%s", r.stderr)
			}
			after := mustSnapshot(t, m.esp)
			delete(after, "EFI/xen/") // an empty directory, which the next run takes
			wantSame(t, "it was stopped before any entry changed, and something is left", before, after)
			b.mustInstall(t, m, "quiet")
			if err := boots(m.esp); err != nil {
				t.Error(err)
			}
		})
	}
}

// firstPayload is the first file of payload that an install writes.
func firstPayload(t *testing.T, b binary, m machine) string {
	t.Helper()
	r := b.mustRun(t, m.flags("--dry-run", "debug")...)
	made := regexp.MustCompile(`(?m)write (\S+/EFI/xen/\S+\.efi) `).FindStringSubmatch(r.stdout)
	if made == nil {
		t.Fatalf("no payload is written:\n%s%s", r.stdout, r.stderr)
	}
	return made[1]
}

// testFailsHalfway has the disk fail once the entries are there, at loader.conf: the report has what was done, and
// not what was not.
func testFailsHalfway(t *testing.T, b binary) {
	firmware.Need(t, "strace")
	m := mustLayOut(t, "demo")
	conf := sysCall{name: "pwrite64", path: filepath.Join(m.esp, "loader/loader.conf")}
	r, hit, err := b.injected(filepath.Join(t.TempDir(), "log"), conf, 1, "error=EIO", m.flags("--json")...)
	if err != nil || !hit {
		t.Fatalf("the fault did not take place: %v", err)
	}
	var got document
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || len(got.ESPs) != 1 {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	report := got.ESPs[0]
	if r.code != exitFailed || !report.Changed || report.LoaderConf != nil || report.Error == "" || report.Summary.Added != 5 ||
		report.Next == nil || report.Next.Now.Entry != "nixos-generation-3.conf" || report.Next.Now.Xen {
		t.Errorf("exit code %d: %s", r.code, r.stdout)
	}
}

// testProgressBar has a slow disk: on a terminal a bar shows how far it is, and is gone by the end.
func testProgressBar(t *testing.T, b binary) {
	firmware.Need(t, "strace")
	for streams, want := range map[string]bool{"both": true, "stdout": false} {
		t.Run(streams, func(t *testing.T) {
			t.Parallel()
			m := mustLayOut(t, "demo")
			slow := firstPayload(t, b, m)
			cmd := cleanCommand("strace", append([]string{"-f", "-qq", "-P", slow, "-e", "inject=pwrite64:delay_exit=1200000",
				"-o", "/dev/null", string(b)}, m.flags()...)...)
			printed, err := onTerminal(cmd, streams, 80)
			if err != nil {
				t.Fatal(err)
			}
			if bar := strings.Contains(string(printed), "%"); bar != want {
				t.Errorf("a bar is shown: %v, want %v: %q", bar, want, printed)
			}
			lines := strings.Split(string(printed), "\r")
			if last := strings.TrimPrefix(lines[len(lines)-1], "\x1b[2K"); last != headline+"done.\n" {
				t.Errorf("the last line is %q", last)
			}
		})
	}
}

// testNobodyReads runs it where its output can't be written, as in `nixos-rebuild | head`: that is no reason
// to leave a job half done.
func testNobodyReads(t *testing.T, b binary) {
	single := mustLayOut(t, "demo")
	want := b.mustInstall(t, single, "quiet")
	run := func(name, script string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mustLayOut(t, "demo")
			cmd := cleanCommand("sh", append([]string{"-c", script, string(b)}, m.flags("debug")...)...)
			if _, err := runProcess(cmd); err != nil {
				t.Fatal(err)
			}
			wantSame(t, "the ESP is not as after another run", want, mustSnapshot(t, m.esp))
		})
	}
	run("stdout and stderr closed", `"$0" "$@" >&- 2>&-`)
	run("full disk", `"$0" "$@" > /dev/full 2>&1`)
	t.Run("broken pipe", func(t *testing.T) {
		t.Parallel()
		m := mustLayOut(t, "demo")
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		defer w.Close()
		cmd := b.command(m.flags("debug")...)
		cmd.Stdout, cmd.Stderr = w, w
		result, err := runProcess(cmd)
		if err != nil || result.code != exitDone {
			t.Errorf("exit code %d, %v", result.code, err)
		}
		wantSame(t, "the ESP is not as after another run", want, mustSnapshot(t, m.esp))
	})
}

// testWaits has a run wait for another one, and say for whom.
func testWaits(t *testing.T, b binary) {
	m := mustLayOut(t, "demo")
	dir, err := esp.OpenDir(m.esp)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	unlock, err := dir.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(2*time.Second, unlock)
	r := b.mustRun(t, m.flags()...)
	if r.code != exitDone {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	want := regexp.MustCompile(fmt.Sprintf(`^%s: note: waiting for another run( \(pid %d\))?\n$`, program, os.Getpid()))
	if !want.MatchString(r.stderr) {
		t.Errorf("stderr: %q", r.stderr)
	}
}
