package fatimage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage"
)

const (
	typeESP      = "C12A7328-F81F-11D2-BA4B-00C04FC93EC9"
	typeXBOOTLDR = "BC13C2FF-59E6-4262-A352-B275FD6F7172"
	typeLinux    = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
)

// part is a partition of 20 MiB.
type part struct {
	kind string
	fat  bool
}

const partSize = 20 << 20

// partitioned makes a disk with sfdisk; the partitions start at 1 MiB.
func partitioned(t *testing.T, label string, sector int, parts ...part) string {
	t.Helper()
	image := sparse(t, int64(len(parts))*partSize+2<<20)
	script := fmt.Sprintf("label: %s\n", label)
	if sector != 512 {
		script = fmt.Sprintf("label: %s\nsector-size: %d\n", label, sector)
	}
	for i, p := range parts {
		script += fmt.Sprintf("start=%d, size=%d, type=%s\n", offset(i)/int64(sector), partSize/sector, p.kind)
	}
	tool(t, script, "sfdisk", "-q", image)
	for i, p := range parts {
		if p.fat {
			tool(t, "", "mkfs.vfat", "-F", "16", "-s", "1", "-S", fmt.Sprint(sector), "--offset", fmt.Sprint(offset(i)/int64(sector)), image, fmt.Sprint(partSize/1024))
		}
	}
	return image
}

func offset(i int) int64 { return 1<<20 + int64(i)*partSize }

// overwrite writes bytes into an image.
func overwrite(t *testing.T, image string, at int64, b ...byte) {
	t.Helper()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	check(t, err)
	defer f.Close()
	_, err = f.WriteAt(b, at)
	check(t, err)
}

// flip damages a byte of an image for sure: what is there may be random, and then any byte that is
// written is the one that was there in one run of 256.
func flip(t *testing.T, image string, at int64) {
	t.Helper()
	overwrite(t, image, at, ^read(t, image)[at])
}

func TestDisks(t *testing.T) {
	t.Parallel()
	plain := []part{{typeLinux, false}, {typeESP, true}, {typeLinux, false}}
	for name, c := range map[string]struct {
		label  string
		sector int
		parts  []part
		damage int64 // offset of a byte to flip, 0 for none
		boot   bool
	}{
		"GPT":                    {"gpt", 512, plain, 0, false},
		"GPT, 4096 byte sectors": {"gpt", 4096, plain, 0, false},
		"GPT with XBOOTLDR":      {"gpt", 512, append(plain[:2:2], part{typeXBOOTLDR, true}), 0, true},
		"GPT, header broken":     {"gpt", 512, plain, 512 + 60, false},
		"GPT, signature gone":    {"gpt", 512, plain, 512, false},
		"GPT, list broken":       {"gpt", 512, plain, 1024 + 5, false},
		"MBR":                    {"dos", 512, []part{{"83", false}, {"ef", true}, {"83", false}}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := partitioned(t, c.label, c.sector, c.parts...)
			if c.damage != 0 {
				flip(t, image, c.damage)
			}
			before := read(t, image)
			im := open(t, image)
			if (im.Boot() != nil) != c.boot {
				t.Fatalf("XBOOTLDR: %v, want %v", im.Boot(), c.boot)
			}
			write(t, im.ESP(), "loader/loader.conf", "timeout 3\n")
			if c.boot {
				write(t, im.Boot(), "loader/entries/xen.conf", "title x\n")
				if d := cmp.Diff(map[string]string{"loader/": "", "loader/entries/": "", "loader/entries/xen.conf": "title x\n"}, tree(t, im.Boot())); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
			}
			check(t, im.ESP().Sync())
			if got, want := im.ESP().Path("a"), image+"#2:/a"; got != want {
				t.Errorf("Path is %s, want %s", got, want)
			}
			at := func(i int) string { return fmt.Sprintf("%s@@%d", image, offset(i)) }
			if d := cmp.Diff(map[string]string{"loader/": "", "loader/loader.conf": "timeout 3\n"}, unpack(t, at(1))); d != "" {
				t.Errorf("ESP (-want +got):\n%s", d)
			}
			if c.boot {
				if d := cmp.Diff(map[string]string{"loader/": "", "loader/entries/": "", "loader/entries/xen.conf": "title x\n"}, unpack(t, at(2))); d != "" {
					t.Errorf("XBOOTLDR (-want +got):\n%s", d)
				}
			}
			after := read(t, image)
			end := offset(2)
			if c.boot {
				end = offset(3)
			}
			if !bytes.Equal(before[:offset(1)], after[:offset(1)]) || !bytes.Equal(before[end:], after[end:]) {
				t.Error("something outside of the partition changed")
			}
			single := filepath.Join(t.TempDir(), "esp.img")
			check(t, os.WriteFile(single, after[offset(1):offset(2)], 0o644))
			fsck(t, single)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	block := func(content string) func(t *testing.T) string {
		return func(t *testing.T) string {
			image := sparse(t, 1<<20)
			overwrite(t, image, 0, []byte(content)...)
			overwrite(t, image, 510, 0x55, 0xaa)
			return image
		}
	}
	for name, c := range map[string]struct {
		image func(t *testing.T) string
		want  string
		is    error
	}{
		"nothing":   {func(t *testing.T) string { return sparse(t, 0) }, "not a FAT file system", nil},
		"zeros":     {func(t *testing.T) string { return sparse(t, 1<<20) }, "not a FAT file system: no boot sector", nil},
		"absent":    {func(t *testing.T) string { return filepath.Join(t.TempDir(), "none") }, "", os.ErrNotExist},
		"directory": {func(t *testing.T) string { return t.TempDir() }, "directory", fatimage.ErrNotFile},
		"device":    {func(*testing.T) string { return "/dev/null" }, "mount it", fatimage.ErrNotFile},
		"exFAT":     {block("\xeb\x76\x90EXFAT   "), "exFAT", nil},
		"NTFS":      {block("\xeb\x52\x90NTFS    "), "NTFS", nil},
		"qcow2":     {func(t *testing.T) string { i := sparse(t, 1<<20); overwrite(t, i, 0, []byte("QFI\xfb")...); return i }, "qemu-img convert", nil},
		"cut short": {func(t *testing.T) string { i := mkfs(t, 2<<20); check(t, os.Truncate(i, 1<<20)); return i }, "only 1048576 are there", nil},
		"no ESP":    {func(t *testing.T) string { return partitioned(t, "gpt", 512, part{typeLinux, false}) }, "", fatimage.ErrNoESP},
		"two ESPs":  {func(t *testing.T) string { return partitioned(t, "gpt", 512, part{typeESP, true}, part{typeESP, true}) }, "partitions 1, 2", fatimage.ErrManyESPs},
		"empty ESP": {func(t *testing.T) string { return partitioned(t, "gpt", 512, part{typeESP, false}) }, "partition 1: not a FAT", nil},
		"GPT broken twice": {func(t *testing.T) string {
			i := partitioned(t, "gpt", 512, part{typeESP, true})
			flip(t, i, 512+60)
			flip(t, i, partSize+2<<20-512+60)
			return i
		}, "wrong checksum", nil},
		"GPT cut off": {func(t *testing.T) string {
			i := partitioned(t, "gpt", 512, part{typeESP, true})
			check(t, os.Truncate(i, 10<<20))
			return i
		}, "beyond the end", nil},
		"FIFO": {func(t *testing.T) string {
			i := filepath.Join(t.TempDir(), "fifo")
			check(t, syscall.Mkfifo(i, 0o600))
			return i
		}, "", fatimage.ErrNotFile},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			im, err := fatimage.Open(context.Background(), c.image(t))
			if err == nil {
				im.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error is %q, want %q, %v", err, c.want, c.is)
			}
		})
	}
}
