package fatimage_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
			if testing.Short() && kind.size > 100<<20 {
				t.Skip("not run with -short: it writes hundreds of megabytes")
			}
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
				"startup.nsh":                            "in the root directory\n",
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

// TestFull: whatever runs out, the image stays as it was.
// TestFillsUp uses the last byte of room, twice over.
func TestSameInputSameBytes(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1") // NixOS builders have it; FAT begins in 1980
	var images [][]byte
	for i := range 2 {
		if i > 0 && !testing.Short() {
			time.Sleep(2100 * time.Millisecond) // FAT counts in two seconds
		}
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

// TestFAT32OfFewClusters is what mkfs.vfat -F 32 makes of a small image, with a warning.
