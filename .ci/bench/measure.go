package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// measured is what one process took.
type measured struct {
	CPU, Wall time.Duration
	Memory    int64 // KiB
}

// measure runs a command and prints what it took. It is a process of its own, and a small one: Linux counts what the
// parent takes at fork(2) into the child's peak of memory.
func measure(args []string) {
	var out bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "%q: %v\n%s", args, err, out.Bytes())
		os.Exit(1)
	}
	m := measured{Wall: time.Since(start), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.Memory = usage.Maxrss
	}
	_ = json.NewEncoder(os.Stdout).Encode(m)
}

func run(self string, reset func() error, args []string) (m measured, err error) {
	if reset != nil {
		if err := reset(); err != nil {
			return m, err
		}
	}
	cmd := exec.Command(self, append([]string{"measure"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(out, &m)
}

// compare runs both in turn, after one run of each that does not count.
func compare(m machine, self string, runs int) (row string, err error) {
	theirs := append([]string{self}, m.theirs...)
	var cpu, wall []float64
	var ours, other []time.Duration
	var memory int64
	for i := range runs + 1 {
		a, err := run(self, m.reset, m.ours)
		if err != nil {
			return "", err
		}
		b, err := run(self, m.resetTheirs, theirs)
		if err != nil {
			return "", err
		}
		if i == 0 {
			continue
		}
		ours, other = append(ours, a.CPU), append(other, b.CPU)
		cpu = append(cpu, float64(a.CPU)/float64(b.CPU))
		wall = append(wall, float64(a.Wall)/float64(b.Wall))
		memory = max(memory, a.Memory)
	}
	return fmt.Sprintf("%.1f | %.1f | %.2f (%.2f-%.2f) | %.2f | %.1f", ms(median(ours)), ms(median(other)),
		median(cpu), slices.Min(cpu), slices.Max(cpu), median(wall), float64(memory)/1024), nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median[T time.Duration | float64](list []T) T {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}
