// Command bench measures what docs/performance.md tells: the program's processor time and memory as whole processes, in
// turn with a program that does the least that the case needs (A B A B …), and prints the median of the ratios.
//
//	go run ./.ci/bench [-n RUNS] [CASE...]    the cases, or all
//	go run ./.ci/bench -keep DIR              lays out the machines below DIR and measures nothing: for profiles
//
// The counterparts are this same binary with the words "read", "hash", "empty", "copy" and "assemble" (see counterpart.go). It needs
// Go and, for keys, nothing else.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "measure" {
		measure(os.Args[2:])
		return
	}
	if len(os.Args) > 1 && counterparts[os.Args[1]] != nil {
		if err := counterparts[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	runs := flag.Int("n", 7, "counted `runs` of each command")
	keep := flag.String("keep", "", "lay out the machines below `DIR` and measure nothing")
	program := flag.String("program", "", "the `program` to measure, by default built from here")
	flag.Parse()
	if err := bench(*runs, *keep, *program, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(runs int, keep, program string, only []string) error {
	dir := keep
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "xbb-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	if program == "" {
		program = filepath.Join(dir, "xen-boot-builder")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./cmd/xen-boot-builder")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Println("| case | cpu, ms | counterpart | ratio (least-most) | wall ratio | memory, MB |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, c := range cases {
		if len(only) > 0 && !contains(only, c.name) {
			continue
		}
		m, err := c.layOut(filepath.Join(dir, strings.ReplaceAll(c.name, " ", "-")), program)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if keep != "" {
			fmt.Printf("%s: %q\n", c.name, m.ours)
			continue
		}
		r, err := compare(m, self, runs)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Printf("| %s | %s |\n", c.name, r)
		if err := os.RemoveAll(m.dir); err != nil {
			return err
		}
	}
	return nil
}

func contains(list []string, name string) bool {
	for _, s := range list {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}
