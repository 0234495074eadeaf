package fatimage_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage"
)

// zigzag is an image of few bytes on the disk and 100 GiB to its file system: all files of its root
// directory are one chain of steps clusters, which jumps between the ends of the table with
// each step.
func zigzag(t *testing.T, steps, files int) string {
	t.Helper()
	const reserved = 32
	clusters := int64(200 << 20)
	if testing.Short() {
		clusters = 20 << 20
	}
	tableSectors := uint32((clusters+2)*4/512 + 1)
	image := sparse(t, (reserved+int64(tableSectors)+clusters)*512)
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	check(t, err)
	defer f.Close()
	put := func(b []byte, at int64) {
		_, err := f.WriteAt(b, at)
		check(t, err)
	}
	le := binary.LittleEndian
	boot := make([]byte, 512)
	copy(boot, "\xeb\x58\x90hostile ")
	le.PutUint16(boot[11:], 512)
	boot[13], boot[16], boot[21] = 1, 1, 0xf8
	le.PutUint16(boot[14:], reserved)
	le.PutUint32(boot[32:], reserved+tableSectors+uint32(clusters))
	le.PutUint32(boot[36:], tableSectors)
	le.PutUint32(boot[44:], 2)
	boot[510], boot[511] = 0x55, 0xaa
	put(boot, 0)

	// The root directory is the clusters from 2 on.
	root := make([]byte, (files*32+511)/512*512)
	dirClusters := uint32(len(root) / 512)
	first := 2 + dirClusters
	for i := range files {
		e := root[32*i:]
		copy(e, fmt.Sprintf("%08d   ", i))
		e[11] = 0x20
		le.PutUint16(e[20:], uint16(first>>16))
		le.PutUint16(e[26:], uint16(first))
		le.PutUint32(e[28:], uint32(steps*512))
	}
	put(root, (reserved+int64(tableSectors))*512)

	low := make([]byte, 4*(int(first)+steps/2))
	high := make([]byte, 4*steps/2)
	last := uint32(clusters)
	for c := range dirClusters {
		le.PutUint32(low[4*(2+c):], 3+c)
	}
	le.PutUint32(low[4*(first-1):], 0x0fffffff)
	for i := range uint32(steps / 2) {
		up, down := first+i, last-i
		le.PutUint32(low[4*up:], down)
		next := up + 1
		if i == uint32(steps/2)-1 {
			next = 0x0fffffff
		}
		le.PutUint32(high[len(high)-4*int(i+1):], next)
	}
	put(low, reserved*512)
	put(high, reserved*512+4*(int64(last)+1)-int64(len(high)))
	return image
}

// readEnd reads the last byte of a file, for which its chain has to be known.
func readEnd(boot esp.FS, name string) error {
	f, err := boot.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = f.ReadAt(make([]byte, 1), info.Size()-1)
	return err
}

// TestZigzag: each cluster is walked once, whatever leads to it.
func TestZigzag(t *testing.T) {
	t.Parallel()
	steps := 400_000
	if testing.Short() {
		steps = 100_000
	}
	image := zigzag(t, steps, 2000)
	im, err := fatimage.Open(soon(t, 60*time.Second), image)
	check(t, err)
	defer im.Close()
	boot := im.ESP()
	list, err := boot.ReadDir(".")
	if err != nil || len(list) != 2000 {
		t.Fatalf("%d files, %v", len(list), err)
	}
	for _, e := range list {
		check(t, readEnd(boot, e.Name()))
	}
	check(t, boot.Remove(list[0].Name()))
	if err := boot.Sync(); !errors.Is(err, fatimage.ErrDamaged) {
		t.Errorf("error is %v", err)
	}
}

// TestZigzagIsCancelled: a walk ends with its context.
func TestZigzagIsCancelled(t *testing.T) {
	t.Parallel()
	image := zigzag(t, 1_600_000, 1)
	soon(t, 60*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	im, err := fatimage.Open(ctx, image)
	check(t, err)
	defer im.Close()
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := readEnd(im.ESP(), "00000000"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if _, err := fatimage.Open(ctx, image); !errors.Is(err, context.Canceled) {
		t.Errorf("opened with a context that has ended: %v", err)
	}
}

// TestOffsetInName: mtools takes "@@" in a name for an offset into the file before it.
func TestOffsetInName(t *testing.T) {
	t.Parallel()
	for i, name := range []string{"disk.img@@0", "disk.img@@1M", "@@0", "c:"} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			other := mkfs(t, 2<<20)
			for _, dir := range []string{filepath.Dir(other), filepath.Join(filepath.Dir(other), "disk.img@@2S")} {
				check(t, os.MkdirAll(dir, 0o755))
				image := filepath.Join(dir, name)
				check(t, os.WriteFile(image, read(t, mkfs(t, 2<<20)), 0o644))
				before := read(t, other)
				boot := open(t, image).ESP()
				write(t, boot, "DIR/a@@7.conf", "content\n")
				write(t, boot, "gone", "x")
				check(t, boot.Sync())
				check(t, boot.Remove("gone"))
				write(t, boot, "DIR/a@@8.conf", "content\n")
				check(t, boot.Sync())
				if !bytes.Equal(before, read(t, other)) {
					t.Fatal("another file was written")
				}
				want := map[string]string{"DIR/": "", "DIR/a@@7.conf": "content\n", "DIR/a@@8.conf": "content\n"}
				plain := filepath.Join(t.TempDir(), "plain")
				check(t, os.WriteFile(plain, read(t, image), 0o644))
				if d := cmp.Diff(want, unpack(t, plain)); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
				fsck(t, plain)
			}
		})
	}
}

// TestToolsEnd has an mdel that runs without end, as the real one can: it ends with the context, and its
// children with it.
func TestToolsEnd(t *testing.T) {
	soon(t, 60*time.Second)
	image := mkfs(t, 2<<20)
	write(t, open(t, image).ESP(), "unsynced", "x") // tools are there, or skip
	boot := open(t, image).ESP()
	write(t, boot, "a", "b")
	check(t, boot.Sync())

	bin := t.TempDir()
	pids := filepath.Join(bin, "pids")
	check(t, os.WriteFile(filepath.Join(bin, "mdel"), []byte("#!/bin/sh\nsleep 300 & echo $! >"+pids+"; echo $$ >>"+pids+"; while :; do sleep 300; done\n"), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	ctx, cancel := context.WithCancel(t.Context())
	im, err := fatimage.Open(ctx, image)
	check(t, err)
	defer im.Close()
	check(t, im.ESP().Remove("a"))
	go func() {
		for range 1000 {
			if b, err := os.ReadFile(pids); err == nil && bytes.Count(b, []byte("\n")) == 2 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	if err := im.ESP().Sync(); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	for pid := range strings.FieldsSeq(string(read(t, pids))) {
		wantGone(t, pid)
	}
}

func wantGone(t *testing.T, pid string) {
	t.Helper()
	if n, err := strconv.Atoi(pid); err != nil || n <= 1 {
		t.Fatalf("%q is not a process number", pid)
	}
	for range 500 {
		b, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if _, rest, _ := strings.Cut(string(b), ") "); err != nil || strings.HasPrefix(rest, "Z") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %s is still there", pid)
}
