package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// changingCalls are the system calls by which a process changes a file system or brings it to the disk.
var changingCalls = strings.Join([]string{
	"open", "openat", "openat2", "creat", "write", "writev", "pwrite64", "pwritev", "pwritev2", "sendfile", "splice", "copy_file_range",
	"ftruncate", "truncate", "fallocate", "fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync",
	"rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "mknod", "mknodat",
	"link", "linkat", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat",
	"utimensat", "setxattr", "fsetxattr", "ioctl",
}, ",")

// sysCall is one of them, as strace logged it.
type sysCall struct {
	name string
	path string // what strace's -P finds it by: the first name among its arguments, or else the descriptor's path
	args string
	nth  int // of all calls of this name on this path, those that only read too
}

var (
	straceLine = regexp.MustCompile(`^[0-9]+ +([a-z0-9_]+)\((.*)$`)
	straceFD   = regexp.MustCompile(`^[0-9]+<([^>]*)>`)
	straceName = regexp.MustCompile(`, "([^"]*)"`)
	reads      = regexp.MustCompile(`^(open|openat|openat2|ioctl)$`)
	creates    = regexp.MustCompile(`O_(CREAT|TRUNC|WRONLY|RDWR)`)
)

// traced runs the program below strace and returns its changing calls below dir, in order.
func (b binary) traced(log, dir string, args ...string) ([]sysCall, processResult, error) {
	cmd := cleanCommand("strace", append([]string{"-f", "-qq", "-y", "-s", "0", "-e", "signal=none",
		"-e", "trace=" + "?" + strings.ReplaceAll(changingCalls, ",", ",?"), "-o", log, string(b)}, args...)...)
	r, err := runProcess(cmd)
	if err != nil {
		return nil, r, err
	}
	calls, err := readTrace(log, dir)
	return calls, r, err
}

func readTrace(log, dir string) ([]sysCall, error) {
	f, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var calls []sysCall
	seen := make(map[[2]string]int)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		m := straceLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		c := sysCall{name: m[1], args: m[2]}
		reading := reads.MatchString(c.name) && !creates.MatchString(c.args)
		fd := straceFD.FindStringSubmatch(c.args)
		if fd == nil {
			if strings.Contains(c.args, `"`+dir) && !reading {
				return nil, fmt.Errorf("a call by an absolute path, which this reader does not follow: %s", lines.Text())
			}
			continue
		}
		if fd[1] != dir && !strings.HasPrefix(fd[1], dir+"/") {
			continue
		}
		c.path = fd[1]
		if name := straceName.FindStringSubmatch(c.args); name != nil && !strings.Contains(c.name, "write") {
			c.path = name[1]
		}
		seen[[2]string{c.name, c.path}]++
		c.nth = seen[[2]string{c.name, c.path}]
		if !reading {
			calls = append(calls, c)
		}
	}
	return calls, lines.Err()
}

// injected runs the program with a fault at the nth call of this name on this path: by the path
// it is found whichever thread makes it. hit tells whether the fault took place.
func (b binary) injected(log string, c sysCall, nth int, fault string, args ...string) (r processResult, hit bool, err error) {
	return b.straced(log, c.path, []string{"trace=" + c.name, fmt.Sprintf("inject=%s:%s:when=%d", c.name, fault, nth)}, args...)
}

// straced runs the program under strace with these expressions, for the calls on one path.
func (b binary) straced(log, path string, expressions []string, args ...string) (r processResult, hit bool, err error) {
	words := []string{"-f", "-qq", "-s", "0", "-P", path, "-o", log}
	for _, e := range expressions {
		words = append(words, "-e", e)
	}
	cmd := cleanCommand("strace", append(append(words, string(b)), args...)...)
	cmd.Dir = filepath.Dir(log) // where no relative name of the ESP's means a file
	if r, err = runProcess(cmd); err != nil {
		return r, false, err
	}
	text, err := os.ReadFile(log)
	return r, strings.Contains(string(text), "(INJECTED)") || strings.Contains(string(text), "killed by SIGKILL"), err
}
