// Command testsummary reads the output of `go test -json` and prints what a
// reader of a CI log wants: a line per package, everything that a failed test
// said, every skipped test with its reason, the slowest tests, and the sums. It exits 1 when a test
// failed, was skipped, or when none ran.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	good, err := summarise(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// event is one line of `go tool test2json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds
}

// summarise reports whether at least one test ran, and all of them passed.
func summarise(in io.Reader, out io.Writer) (good bool, err error) {
	type key struct{ pkg, test string }
	said := map[key][]string{}
	var skipped []string
	var slow []slowTest
	passes, failures := 0, 0
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line == "" && err == io.EOF {
			break
		}
		if err != nil && err != io.EOF {
			return false, fmt.Errorf("reading test events: %w", err)
		}
		var e event
		if json.Unmarshal([]byte(line), &e) != nil {
			// The go command's own complaints are no JSON.
			fmt.Fprint(out, line)
			continue
		}
		if e.Test != "" && e.Elapsed >= 1 {
			slow = append(slow, slowTest{e.Elapsed, e.Package + " " + e.Test})
		}
		test := key{e.Package, e.Test}
		switch {
		case e.Action == "build-output":
			fmt.Fprint(out, e.Output)
		case e.Action == "output" && e.Test == "":
			if e.Output != "PASS\n" && e.Output != "FAIL\n" {
				fmt.Fprint(out, e.Output)
			}
		case e.Action == "output":
			if !strings.HasPrefix(e.Output, "=== ") {
				said[test] = append(said[test], e.Output)
			}
		case e.Action == "fail":
			// A package fails without a test of its own: it may not build.
			failures++
			fmt.Fprint(out, strings.Join(said[test], ""))
		case e.Action == "skip" && e.Test != "":
			skipped = append(skipped, fmt.Sprintf("SKIP %s %s: %s", e.Package, e.Test, reason(said[test])))
		case e.Action == "pass" && e.Test != "":
			passes++
			delete(said, test)
		}
	}
	slices.Sort(skipped)
	for _, skip := range skipped {
		fmt.Fprintln(out, skip)
	}
	slices.SortStableFunc(slow, func(a, b slowTest) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, test := range slow[:min(len(slow), mostSlow)] {
		fmt.Fprintf(out, "SLOW %6.1f s %s\n", test.seconds, test.name)
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", passes, failures, len(skipped))
	return passes > 0 && failures == 0 && len(skipped) == 0, nil
}

// slowTest is one that took a second or more.
type slowTest struct {
	seconds float64
	name    string
}

// mostSlow is how many of them are named.
const mostSlow = 20

// reason is what a skipped test said, on one line.
func reason(said []string) string {
	said = slices.DeleteFunc(said, func(line string) bool { return strings.Contains(line, "--- SKIP: ") })
	return strings.Join(strings.Fields(strings.Join(said, " ")), " ")
}
