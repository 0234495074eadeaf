package fatimage_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage"
)

// kinds are file systems as mkfs.vfat makes them.
var kinds = map[string]struct {
	size    int64
	options []string
}{
	"FAT12":                   {2 << 20, []string{"-F", "12"}},
	"FAT12 odd clusters":      {3<<20 + 512, []string{"-F", "12", "-s", "2"}},
	"FAT16":                   {20 << 20, []string{"-F", "16"}},
	"FAT32":                   {64 << 20, []string{"-F", "32", "-s", "1"}},
	"FAT32 large clusters":    {300 << 20, []string{"-F", "32", "-s", "8"}},
	"FAT16 4096 byte sectors": {40 << 20, []string{"-F", "16", "-S", "4096", "-s", "1"}},
	"FAT32 one table":         {64 << 20, []string{"-F", "32", "-s", "1", "-f", "1"}},
}

func TestWriteAndReadBack(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := mkfs(t, kind.size, kind.options...)
			boot := open(t, image).ESP()
			want := map[string]string{
				"loader/":                                "",
				"loader/entries/":                        "",
				"EFI/":                                   "",
				"EFI/xen/":                               "",
				"EFI/xen/empty":                          "",
				"loader/loader.conf":                     "default xen-*\n",
				"EFI/xen/XEN.EFI":                        noise(700_000, 'x'),
				"EFI/xen/xen-4.20.4-abc.efi":             noise(65536, 'y'),
				"EFI/xen/a b+c,d;e=f.cfg":                "awkward\n",
				"EFI/xen/[x]a&b_$x[1]-%~'`@!#(){}^.conf": "awkward too\n",
				"EFI/xen/-dash":                          "no option\n",
				"EFI/xen/" + strings.Repeat("n", 195):    "long\n",
				"startup.nsh":                            "in the root folder\n",
			}
			for i := range 60 {
				want["loader/entries/xen-generation-"+strings.Repeat("1", i%7)+string(rune('a'+i%26))+string(rune('A'+i/26))+".conf"] = noise(i*100, 'e')
			}
			for name, content := range want {
				if !strings.HasSuffix(name, "/") {
					write(t, boot, name, content)
				}
			}
			before := read(t, image)
			if d := cmp.Diff(want, tree(t, boot)); d != "" {
				t.Errorf("before Sync (-want +got):\n%s", d)
			}
			if !bytes.Equal(before, read(t, image)) {
				t.Fatal("the image changed before Sync")
			}
			check(t, boot.Sync())
			if d := cmp.Diff(want, tree(t, boot)); d != "" {
				t.Errorf("after Sync (-want +got):\n%s", d)
			}
			if d := cmp.Diff(want, unpack(t, image)); d != "" {
				t.Errorf("mtools sees something else (-want +got):\n%s", d)
			}
			fsck(t, image)
			if left := siblings(t, image); len(left) != 1 {
				t.Errorf("left beside the image: %q", left)
			}

			// And all of it away again, but for one.
			for _, name := range []string{"EFI/xen/-dash", "EFI/xen/[x]a&b_$x[1]-%~'`@!#(){}^.conf"} {
				check(t, boot.Remove(name))
				delete(want, name)
			}
			for name := range want {
				if strings.HasPrefix(name, "loader/") && !strings.HasSuffix(name, "/") {
					check(t, boot.Remove(name))
				}
			}
			check(t, boot.Remove("loader/entries"))
			check(t, boot.Remove("loader"))
			for name := range want {
				if strings.HasPrefix(name, "loader/") {
					delete(want, name)
				}
			}
			check(t, boot.Sync())
			if d := cmp.Diff(want, unpack(t, image)); d != "" {
				t.Errorf("after removal (-want +got):\n%s", d)
			}
			fsck(t, image)
		})
	}
}

// TestReadsWhatOthersWrote reads a tree that mtools wrote, fragmented and with names of all sorts.
func TestReadsWhatOthersWrote(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 64<<20, "-F", "32", "-s", "1", "-n", "LABEL")
	dir := t.TempDir()
	names := []string{"UPPER.TXT", "lower.txt", "Mixed.Txt", "grün-€-😀.conf", "x", "no-extension-at-all", "two.dots.conf"}
	for i, name := range names {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(noise(5000*i, 'o')), 0o644))
		tool(t, "", "mcopy", "-i", image, filepath.Join(dir, name), "::/")
	}
	tool(t, "", "mdel", "-i", image, "::/x", "::/two.dots.conf") // leaves gaps
	check(t, os.WriteFile(filepath.Join(dir, "big"), []byte(noise(3_000_000, 'b')), 0o644))
	tool(t, "", "mcopy", "-i", image, filepath.Join(dir, "big"), "::/")
	boot := open(t, image).ESP()
	if d := cmp.Diff(unpack(t, image), tree(t, boot)); d != "" {
		t.Errorf("(-mtools +ours):\n%s", d)
	}
	free := strings.ReplaceAll(tool(t, "", "mdir", "-i", image, "::/"), " ", "")
	space, err := boot.Space()
	check(t, err)
	if !strings.Contains(free, strconv.FormatInt(space.Free, 10)+"bytesfree") || space.Cluster != 512 {
		t.Errorf("space is %+v, mdir says:\n%s", space, free)
	}
	for name, want := range map[string]string{"upper.txt": "UPPER.TXT", "TWO~1.CON": "", "MIXED.TXT": "Mixed.Txt", "NO-EXT~1": "no-extension-at-all"} {
		info, err := boot.Stat(name)
		if want == "" {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is found: %v", name, err)
			}
		} else if err != nil || info.Name() != want {
			t.Errorf("%s: %v %v, want %s", name, info, err, want)
		}
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 64<<20, "-F", "32", "-s", "1")
	boot := open(t, image).ESP()
	write(t, boot, "loader/Loader.conf", "old\n")
	write(t, boot, "EFI/a.efi", noise(3000, 'a'))
	write(t, boot, "EFI/b.efi", noise(4000, 'b'))
	check(t, boot.Sync())
	old, err := boot.Open("loader/Loader.conf")
	check(t, err)
	defer old.Close()

	write(t, boot, "LOADER/loader.conf", "new\n")
	check(t, boot.Rename("EFI/a.efi", "EFI/B.EFI"))
	check(t, boot.Remove("loader/loader.conf"))
	write(t, boot, "loader/Loader.conf", "newer\n")
	check(t, boot.Sync())
	want := map[string]string{"loader/": "", "EFI/": "", "loader/Loader.conf": "newer\n", "EFI/b.efi": noise(3000, 'a')}
	if d := cmp.Diff(want, unpack(t, image)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	fsck(t, image)
	b := make([]byte, 10)
	if n, _ := old.ReadAt(b, 0); string(b[:n]) != "old\n" {
		t.Errorf("a file opened before reads %q", b[:n])
	}
	space, err := boot.Space()
	check(t, err)
	again, err := open(t, image).ESP().Space()
	check(t, err)
	if d := cmp.Diff(again, space); d != "" {
		t.Errorf("space (-opened anew +kept):\n%s", d)
	}
}

func TestNothingToSync(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 2<<20)
	before, err := os.Stat(image)
	check(t, err)
	boot := open(t, image).ESP()
	write(t, boot, "a", "b")
	check(t, boot.Remove("a"))
	check(t, boot.Sync())
	after, err := os.Stat(image)
	check(t, err)
	if !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
		t.Error("the image was written without need")
	}
}

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
		"wildcard":             {create("a*b"), nil},
		"drive":                {create("x:y"), nil},
		"ends with a dot":      {create("trail."), nil},
		"begins with a space":  {create(" lead"), nil},
		"not ASCII":            {create("grün"), nil},
		"newline":              {create("a\nb"), nil},
		"too long":             {create(strings.Repeat("n", 256)), nil},
		"climbs out":           {create("../x"), fs.ErrInvalid},
		"exists":               {create("DIR/FILE"), fs.ErrExist},
		"no folder":            {create("none/x"), fs.ErrNotExist},
		"file as a folder":     {create("dir/file/x"), syscall.ENOTDIR},
		"folder exists":        {func() error { return boot.Mkdir("Dir") }, fs.ErrExist},
		"folder with bracket":  {func() error { return boot.Mkdir("d[1]") }, nil},
		"folder not empty":     {func() error { return boot.Remove("dir") }, syscall.ENOTEMPTY},
		"remove nothing":       {func() error { return boot.Remove("none") }, fs.ErrNotExist},
		"remove the root":      {func() error { return boot.Remove(".") }, fs.ErrInvalid},
		"open a folder":        {func() error { _, err := boot.Open("dir"); return err }, esp.ErrNotRegular},
		"list a file":          {func() error { _, err := boot.ReadDir("dir/file"); return err }, syscall.ENOTDIR},
		"rename onto a folder": {func() error { return boot.Rename("dir/file", "dir") }, syscall.EISDIR},
		"rename to a bad name": {func() error { return boot.Rename("dir/file", "dir/a?") }, nil},
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

// TestFull: whatever runs out, the image stays as it was.
func TestFull(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(boot esp.FS) error{
		"clusters": func(boot esp.FS) error {
			return esp.WriteBytes(boot, "big", make([]byte, 2<<20))
		},
		"root folder": func(boot esp.FS) error {
			for i := range 300 {
				if err := esp.WriteBytes(boot, "file-with-a-long-name-"+strconv.Itoa(i), nil); err != nil {
					return err
				}
			}
			return nil
		},
		"clusters, by a folder": func(boot esp.FS) error {
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

// TestFillsUp uses the last byte of room, twice over.
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

func TestSameInputSameBytes(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1") // NixOS builders have it; FAT begins in 1980
	var images [][]byte
	for range 2 {
		image := mkfs(t, 20<<20, "-F", "16", "--invariant")
		boot := open(t, image).ESP()
		for _, name := range []string{"EFI/xen/xen.efi", "loader/entries/xen-1.conf", "loader/loader.conf"} {
			write(t, boot, name, name)
		}
		check(t, boot.Sync())
		info, err := boot.Stat("loader/loader.conf")
		check(t, err)
		if want := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC); !info.ModTime().Equal(want) {
			t.Errorf("time is %v, want %v", info.ModTime(), want)
		}
		images = append(images, read(t, image))
		time.Sleep(2100 * time.Millisecond / time.Duration(len(images)*len(images))) // FAT counts in two seconds
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two images made the same way differ")
	}
}

func TestKeepsModeAndFollowsLink(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 2<<20)
	check(t, os.Chmod(image, 0o640))
	link := filepath.Join(t.TempDir(), "link.img")
	check(t, os.Symlink(image, link))
	boot := open(t, link).ESP()
	write(t, boot, "a", "b")
	check(t, boot.Sync())
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	if info, err := os.Stat(image); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if got := boot.Path("loader/x"); got != link+":/loader/x" {
		t.Errorf("Path is %s", got)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 2<<20)
	first, second, third := open(t, image).ESP(), open(t, image).ESP(), open(t, image).ESP()
	unlock, err := first.Lock(context.Background())
	check(t, err)
	soon, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := second.Lock(soon); !errors.Is(err, esp.ErrLocked) {
		t.Errorf("a second lock: %v", err)
	}

	// One waits while the image is renamed under its feet.
	got := make(chan error)
	go func() {
		unlock, err := second.Lock(context.Background())
		if err == nil {
			if _, serr := second.Stat("a"); serr != nil {
				err = serr // it has to see what the first one wrote
			}
			defer unlock()
		}
		got <- err
	}()
	time.Sleep(50 * time.Millisecond)
	write(t, first, "a", "b")
	check(t, first.Sync())
	select {
	case err := <-got:
		t.Errorf("the lock was lost by Sync: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	soon, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := third.Lock(soon); !errors.Is(err, esp.ErrLocked) {
		t.Errorf("a lock of the new file: %v", err)
	}
	unlock()
	check(t, <-got)
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 2<<20)
	left := filepath.Join(filepath.Dir(image), ".xen-boot-builder-disk.img.123.tmp")
	check(t, os.Mkdir(left, 0o700))
	check(t, os.WriteFile(filepath.Join(left, "image"), []byte("half"), 0o600))
	unlock, err := open(t, image).ESP().Lock(context.Background())
	check(t, err)
	defer unlock()
	if left := siblings(t, image); len(left) != 1 {
		t.Errorf("left beside the image: %q", left)
	}
}

func TestChangedByAnother(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 2<<20)
	boot := open(t, image).ESP()
	write(t, boot, "ours", "x")
	other := filepath.Join(t.TempDir(), "theirs")
	check(t, os.WriteFile(other, []byte("y"), 0o644))
	tool(t, "", "mcopy", "-i", image, other, "::/")
	if err := boot.Sync(); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("error is %v", err)
	}
	if d := cmp.Diff(map[string]string{"theirs": "y"}, unpack(t, image)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	image := mkfs(t, 2<<20)
	ctx, cancel := context.WithCancel(context.Background())
	im, err := fatimage.Open(ctx, image)
	check(t, err)
	defer im.Close()
	write(t, im.ESP(), "a", "b")
	before := read(t, image)
	cancel()
	if err := im.ESP().Sync(); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if !bytes.Equal(before, read(t, image)) {
		t.Error("the image changed")
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

// TestFAT32OfFewClusters is what mkfs.vfat -F 32 makes of a small image, with a warning.
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
	if unix.Access(image, unix.W_OK) == nil {
		t.Skip("root may write to anything")
	}
	boot := open(t, image).ESP()
	if _, err := boot.Space(); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Space: %v", err)
	}
	if _, err := boot.Create("a"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Create: %v", err)
	}
}
