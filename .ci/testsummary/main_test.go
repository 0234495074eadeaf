package main

import (
	"strings"
	"testing"
)

func TestSummarise(t *testing.T) {
	t.Parallel()
	const passed = `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n"
	for _, test := range []struct {
		name, in string
		good     bool
		out      string
	}{
		{
			name: "passed",
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}` + "\n" + passed +
				`{"Action":"output","Package":"p","Output":"PASS\n"}` + "\n" +
				`{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}` + "\n" +
				`{"Action":"pass","Package":"p"}` + "\n",
			good: true,
			out:  "ok  \tp\t0.1s\n1 passed, 0 failed, 0 skipped\n",
		},
		{
			name: "failed",
			in: passed + `{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN TestB\n"}` + "\n" +
				`{"Action":"output","Package":"p","Test":"TestB","Output":"got 1\n"}` + "\n" +
				`{"Action":"fail","Package":"p","Test":"TestB"}` + "\n",
			out: "got 1\n1 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "skipped",
			in: passed + `{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: no\n"}` + "\n" +
				`{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}` + "\n" +
				`{"Action":"skip","Package":"p","Test":"TestB"}` + "\n",
			out: "SKIP p TestB: b_test.go:1: no\n1 passed, 0 failed, 1 skipped\n",
		},
		{
			name: "a package without tests is no skipped test",
			in:   passed + `{"Action":"skip","Package":"q"}` + "\n",
			good: true,
			out:  "1 passed, 0 failed, 0 skipped\n",
		},
		{
			name: "does not build",
			in: passed + `{"Action":"build-output","ImportPath":"p","Output":"p.go:1: undefined\n"}` + "\n" +
				`{"Action":"fail","Package":"p"}` + "\n",
			out: "p.go:1: undefined\n1 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "slow ones, the slowest first",
			in: passed + `{"Action":"pass","Package":"p","Test":"TestB","Elapsed":1.5}` + "\n" +
				`{"Action":"pass","Package":"p","Test":"TestC","Elapsed":12.25}` + "\n" +
				`{"Action":"pass","Package":"p","Test":"TestD","Elapsed":0.9}` + "\n" +
				`{"Action":"pass","Package":"p","Elapsed":30}` + "\n",
			good: true,
			out:  "SLOW   12.2 s p TestC\nSLOW    1.5 s p TestB\n4 passed, 0 failed, 0 skipped\n",
		},
		{name: "nothing ran", in: "go: no go.mod", out: "go: no go.mod0 passed, 0 failed, 0 skipped\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			good, err := summarise(strings.NewReader(test.in), &out)
			if err != nil || good != test.good || out.String() != test.out {
				t.Errorf("got %v, %v, %q\nwant %v, %q", good, err, out.String(), test.good, test.out)
			}
		})
	}
}
