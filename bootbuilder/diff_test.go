package bootbuilder

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// apply lets patch(1) make the new text out of the old one. A nil text is not a file.
func apply(t *testing.T, before []byte, diff string) (after []byte) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "loader.conf")
	if before != nil {
		if err := os.WriteFile(file, before, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("patch", "--strip=1", "--force", "--fuzz=0", "--binary", "--no-backup-if-mismatch", "--remove-empty-files")
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(diff)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "offset") {
		t.Fatalf("patch: %v: %s\n%s", err, out, diff)
	}
	after, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return after
}

// TestDiffIsAPatch: patch(1) makes the new text of the old one, without guessing at places.
func TestDiffIsAPatch(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "patch")
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	lines := []string{"", "a", "b", "title NixOS", "-- x", "++ x", "@@ -1 +1 @@", "\\ No newline at end of file", "ä ö", "tab\there", "cr\r"}
	text := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = lines[r.IntN(len(lines))]
		}
		return list
	}
	encode := func(list []string) []byte {
		s := strings.Join(list, "\n")
		if len(list) > 0 && (r.IntN(4) > 0 || list[len(list)-1] == "") {
			s += "\n"
		}
		return []byte(s)
	}
	for i := range inShort(20, 150) { // each is a process
		old := text(r.IntN(30))
		changed := slices.Clone(old)
		for range r.IntN(5) {
			at := r.IntN(len(changed) + 1)
			end := at + r.IntN(len(changed)-at+1)
			changed = slices.Replace(changed, at, min(end, at+4), text(r.IntN(4))...)
		}
		before, after := encode(old), encode(changed)
		diff := unifiedDiff("loader.conf", before, after)
		if (diff == "") != (string(before) == string(after)) {
			t.Fatalf("%q to %q: diff %q", before, after, diff)
		}
		if diff == "" {
			continue
		}
		if got := apply(t, before, diff); string(got) != string(after) {
			t.Fatalf("seed %d, case %d: patch makes %q of %q, want %q, by\n%s", seed, i, got, before, after, diff)
		}
	}
}

func TestDiffOfNoFile(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "patch")
	text := []byte("timeout 5\ndefault nixos-*\n")
	made := unifiedDiff("loader.conf", nil, text)
	if want := "--- /dev/null\n+++ b/loader.conf\n@@ -0,0 +1,2 @@\n+timeout 5\n+default nixos-*\n"; made != want {
		t.Error(cmp.Diff(want, made))
	}
	if got := apply(t, nil, made); string(got) != string(text) {
		t.Errorf("patch makes %q", got)
	}
	if got := apply(t, text, unifiedDiff("loader.conf", text, nil)); got != nil {
		t.Errorf("patch leaves %q", got)
	}
	if got := unifiedDiff("loader.conf", nil, nil); got != "" {
		t.Errorf("of two missing files: %q", got)
	}
}

// TestDiffAgainstDiff: where lines are distinct there is one shortest diff, and it is diff -u's.
func TestDiffAgainstDiff(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "diff")
	const seed = 2
	r := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	for i := range inShort(20, 100) { // each is a process
		var before, after []byte
		for n := range r.IntN(40) {
			switch r.IntN(8) {
			case 0:
				before = fmt.Appendf(before, "old %d\n", n)
			case 1:
				after = fmt.Appendf(after, "new %d\n", n)
			default:
				before, after = fmt.Appendf(before, "line %d\n", n), fmt.Appendf(after, "line %d\n", n)
			}
		}
		if r.IntN(3) == 0 {
			before = append(before, "end"...)
		}
		if r.IntN(3) == 0 {
			after = append(after, "end"...)
		}
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		if err := os.WriteFile(a, before, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(b, after, 0o644); err != nil {
			t.Fatal(err)
		}
		want, _ := exec.Command("diff", "-u", "--label=a/x", "--label=b/x", a, b).Output() // exit 1 where they differ
		if before == nil {
			before = []byte{}
		}
		if after == nil {
			after = []byte{}
		}
		if d := cmp.Diff(string(want), unifiedDiff("x", before, after)); d != "" {
			t.Fatalf("seed %d, case %d (-diff +ours):\n%s", seed, i, d)
		}
	}
}

// TestDiffOfLargeTexts compares the most that is read of a file.
func TestDiffOfLargeTexts(t *testing.T) {
	t.Parallel()
	firmware.Need(t, "patch")
	var before, after []byte
	for i := 0; len(before) < maxLoaderConf-10; i++ {
		before = fmt.Appendf(before, "%x\n", i)
	}
	for i := range 20 {
		after = fmt.Appendf(after, "option %d\n", i)
	}
	start := time.Now()
	diff := unifiedDiff("loader.conf", before, after)
	t.Logf("%v for %d bytes", time.Since(start), len(before))
	if got := apply(t, before, diff); string(got) != string(after) {
		t.Error("patch does not make the new text")
	}
}

// inShort is how often something is done: with -short, and without.
func inShort(short, full int) int {
	if testing.Short() {
		return short
	}
	return full
}
