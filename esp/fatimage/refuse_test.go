package fatimage_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	boot := open(t, mkfs(t, 2<<20)).ESP()
	write(t, boot, "dir/file", "x")
	create := func(name string) func() error {
		return func() error { _, err := boot.Create(name); return err }
	}
	for name, c := range map[string]struct {
		do   func() error
		want error // nil: any
	}{
		"wildcard":                {create("a*b"), nil},
		"drive":                   {create("x:y"), nil},
		"ends with a dot":         {create("trail."), nil},
		"begins with a space":     {create(" lead"), nil},
		"beyond the BMP":          {create("grün-😀"), nil},
		"not UTF-8":               {create("gr\xfcn"), nil},
		"newline":                 {create("a\nb"), nil},
		"too long":                {create(strings.Repeat("n", 256)), nil},
		"climbs out":              {create("../x"), fs.ErrInvalid},
		"exists":                  {create("DIR/FILE"), fs.ErrExist},
		"no directory":            {create("none/x"), fs.ErrNotExist},
		"file as a directory":     {create("dir/file/x"), syscall.ENOTDIR},
		"directory exists":        {func() error { return boot.Mkdir("Dir") }, fs.ErrExist},
		"directory with bracket":  {func() error { return boot.Mkdir("d[1]") }, nil},
		"directory not empty":     {func() error { return boot.Remove("dir") }, syscall.ENOTEMPTY},
		"remove nothing":          {func() error { return boot.Remove("none") }, fs.ErrNotExist},
		"remove the root":         {func() error { return boot.Remove(".") }, fs.ErrInvalid},
		"open a directory":        {func() error { _, err := boot.Open("dir"); return err }, esp.ErrNotRegular},
		"list a file":             {func() error { _, err := boot.ReadDir("dir/file"); return err }, syscall.ENOTDIR},
		"rename onto a directory": {func() error { return boot.Rename("dir/file", "dir") }, syscall.EISDIR},
		"rename to a bad name":    {func() error { return boot.Rename("dir/file", "dir/a?") }, nil},
	} {
		err := c.do()
		var pathErr *fs.PathError
		if !errors.As(err, &pathErr) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want a PathError of %v", name, err, c.want)
		}
	}
	check(t, boot.Sync())
	if d := cmp.Diff(map[string]string{"dir/": "", "dir/file": "x"}, tree(t, boot)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestFull(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(boot esp.FS) error{
		"clusters": func(boot esp.FS) error {
			return esp.WriteBytes(boot, "big", make([]byte, 2<<20))
		},
		"root directory": func(boot esp.FS) error {
			for i := range 300 {
				if err := esp.WriteBytes(boot, "file-with-a-long-name-"+strconv.Itoa(i), nil); err != nil {
					return err
				}
			}
			return nil
		},
		"clusters, by a directory": func(boot esp.FS) error {
			space, err := boot.Space()
			if err != nil {
				return err
			}
			if err := boot.Mkdir("dir"); err != nil {
				return err
			}
			if err := esp.WriteBytes(boot, "big", make([]byte, space.Free-space.Cluster)); err != nil {
				return err
			}
			for i := range 300 {
				if err := esp.WriteBytes(boot, "dir/file-with-a-long-name-"+strconv.Itoa(i), nil); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := mkfs(t, 1<<20, "-F", "12")
			before := read(t, image)
			im := open(t, image)
			err := fill(im.ESP())
			if err == nil {
				err = im.ESP().Sync()
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("error is %v, want ENOSPC", err)
			}
			check(t, im.Close())
			if !bytes.Equal(before, read(t, image)) {
				t.Error("the image changed")
			}
			if left := siblings(t, image); len(left) != 1 {
				t.Errorf("left beside the image: %q", left)
			}
		})
	}
}

func TestFillsUp(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 1<<20, "-F", "12")
	boot := open(t, image).ESP()
	for range 2 {
		space, err := boot.Space()
		check(t, err)
		content := noise(int(space.Free), 'f')
		check(t, esp.WriteBytes(boot, "all", []byte(content)))
		check(t, boot.Sync())
		if space, err = boot.Space(); err != nil || space.Free != 0 {
			t.Errorf("free: %d, %v", space.Free, err)
		}
		if tree(t, boot)["all"] != content {
			t.Error("content differs")
		}
		fsck(t, image)
		check(t, boot.Remove("all"))
	}
}

func TestMissingTools(t *testing.T) {
	image := mkfs(t, 2<<20)
	t.Setenv("PATH", t.TempDir())
	boot := open(t, image).ESP()
	if _, err := boot.ReadDir("."); err != nil {
		t.Errorf("reading needs no tools: %v", err)
	}
	if _, err := boot.Create("a"); err == nil || !strings.Contains(err.Error(), "mtools") {
		t.Errorf("error is %v", err)
	}
}

func TestFAT32OfFewClusters(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 10<<20, "-F", "32")
	boot := open(t, image).ESP()
	if list, err := boot.ReadDir("."); err != nil || len(list) != 0 {
		t.Errorf("ReadDir: %v %v", list, err)
	}
	if err := boot.Mkdir("EFI"); err == nil || !strings.Contains(err.Error(), "FAT32 of 20") {
		t.Errorf("error is %v", err)
	}
}

func TestReadOnlyImage(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 2<<20)
	check(t, os.Chmod(image, 0o444))
	if os.Getuid() == 0 { // whom a mode does not keep from writing
		if out, err := exec.Command("chattr", "+i", image).CombinedOutput(); err != nil {
			t.Fatalf("chattr +i: %v: %s", err, out)
		}
		t.Cleanup(func() { check(t, exec.Command("chattr", "-i", image).Run()) })
	}
	boot := open(t, image).ESP()
	if _, err := boot.Space(); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Space: %v", err)
	}
	if _, err := boot.Create("a"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Create: %v", err)
	}
}
