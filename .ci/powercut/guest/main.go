// guest - what the VM needs beside busybox: marks in the write log, tree listings, copies that leave equal files alone.
package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func main() {
	a := os.Args[2:]
	switch os.Args[1] {
	case "mark": // DEV SECTOR TEXT: one direct write, so that no page cache is flushed by it
		mark(a[0], a[1], a[2])
	case "tree": // DIR: sha256, size and name of all files
		tree(a[0])
	case "overlay": // SRC DST: make DST hold SRC's files, as NixOS' installer would: equal ones are left alone; nixos-*.conf not in SRC go
		overlay(a[0], a[1])
	case "df": // DIR
		var st syscall.Statfs_t
		must(syscall.Statfs(a[0], &st))
		fmt.Println(int64(st.Bavail)*st.Bsize, st.Bsize, st.Bavail)
	case "fill": // FILE KEEPFREE: write a file that leaves KEEPFREE bytes
		var st syscall.Statfs_t
		must(syscall.Statfs(filepath.Dir(a[0]), &st))
		keep, err := strconv.ParseInt(a[1], 10, 64)
		must(err)
		n := (int64(st.Bavail)*st.Bsize - keep) / st.Bsize * st.Bsize
		f, err := os.Create(a[0])
		must(err)
		buf := make([]byte, 1<<16)
		for n > 0 {
			k := min(n, int64(len(buf)))
			_, err := f.Write(buf[:k])
			must(err)
			n -= k
		}
		must(f.Sync())
		must(f.Close())
	case "logwrites":
		logWrites(a[0], a[1], a[2], a[3])
	case "delay":
		delayed(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	case "time": // LABEL COMMAND...: how long a command takes
		timed(os.Args[2], os.Args[3:])
	case "logdump":
		logDump(a[0], a[1])
	case "loop":
		loopDev(a[0])
	}
}

func mark(dev, sector, text string) {
	f, err := os.OpenFile(dev, os.O_WRONLY|syscall.O_DIRECT, 0)
	must(err)
	n, err := strconv.ParseInt(sector, 10, 64)
	must(err)
	raw := make([]byte, 8192)
	off := 4096 - int(uintptr(unsafe.Pointer(&raw[0]))%4096)
	b := raw[off : off+512]
	copy(b, "MARK "+text+"\n")
	_, err = f.WriteAt(b, n*512)
	must(err)
	must(f.Close())
}

func tree(dir string) {
	var out []string
	must(filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, p)
		if err != nil {
			out = append(out, fmt.Sprintf("ERR %v", err))
			return nil
		}
		if d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			out = append(out, fmt.Sprintf("EIO - %s", rel))
			return nil
		}
		out = append(out, fmt.Sprintf("%x %d %s", sha256.Sum256(b), len(b), rel))
		return nil
	}))
	sort.Strings(out)
	fmt.Println(strings.Join(out, "\n"))
}

func overlay(src, dst string) {
	must(filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		must(err)
		rel, _ := filepath.Rel(src, p)
		to := filepath.Join(dst, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		b, err := os.ReadFile(p)
		must(err)
		if old, err := os.ReadFile(to); err == nil && bytes.Equal(old, b) {
			return nil
		}
		return os.WriteFile(to, b, 0o644)
	}))
	list, _ := filepath.Glob(dst + "/loader/entries/nixos-*.conf")
	for _, p := range list {
		if _, err := os.Stat(filepath.Join(src, "loader/entries", filepath.Base(p))); err != nil {
			must(os.Remove(p))
		}
	}
}

// timed runs a command and prints what it took: wall and processor time, in milliseconds.
func timed(label string, args []string) {
	cmd := exec.Command(args[0], args[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		fmt.Printf("%s\n", out.Bytes())
		must(err)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	fmt.Printf("TIME %s %d %d\n", label, wall.Milliseconds(), cpu.Milliseconds())
}
