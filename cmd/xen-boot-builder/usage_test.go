package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUsage holds the usage text and each command's help against golden files.
func TestUsage(t *testing.T) {
	t.Parallel()
	texts := map[string][]string{"usage.txt": {"help"}}
	for _, cmd := range commands() {
		texts["help-"+cmd.name+".txt"] = []string{"help", cmd.name}
	}
	for name, args := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, got, stderr := runInProcess(args, nil)
			if code != exitDone || stderr != "" {
				t.Fatalf("exit code %d, stderr %q", code, stderr)
			}
			for line := range strings.Lines(got) {
				if len(line) > 81 || strings.TrimRight(line, " \n")+"\n" != line {
					t.Errorf("a line is over 80 characters, or ends in a blank: %q", line)
				}
			}
			golden := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("%s (-golden +now; -update writes it anew):\n%s", golden, d)
			}
		})
	}
}
