package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// measured is what one process took.
type measured struct {
	cpu, wall time.Duration
	memory    int64 // KiB
}

func run(reset func() error, args []string) (m measured, err error) {
	if reset != nil {
		if err := reset(); err != nil {
			return m, err
		}
	}
	var out bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return m, fmt.Errorf("%q: %w\n%s", args, err, out.Bytes())
	}
	m.wall = time.Since(start)
	m.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	m.memory = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	return m, nil
}

// compare runs both in turn, after one run of each that does not count.
func compare(m machine, self string, runs int) (row string, err error) {
	theirs := append([]string{self}, m.theirs...)
	var cpu, wall []float64
	var ours, other []time.Duration
	var memory int64
	for i := range runs + 1 {
		a, err := run(m.reset, m.ours)
		if err != nil {
			return "", err
		}
		b, err := run(m.resetTheirs, theirs)
		if err != nil {
			return "", err
		}
		if i == 0 {
			continue
		}
		ours, other = append(ours, a.cpu), append(other, b.cpu)
		cpu = append(cpu, float64(a.cpu)/float64(b.cpu))
		wall = append(wall, float64(a.wall)/float64(b.wall))
		memory = max(memory, a.memory)
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
