package fatimage_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage"
)

// soon fails a test that hangs, with its name.
func soon(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	timer := time.AfterFunc(limit+5*time.Second, func() { panic(t.Name() + " hangs") })
	t.Cleanup(func() { timer.Stop() })
	return ctx
}

// raw changes a FAT16 file system byte by byte, the way a cut of power leaves it.
type raw struct {
	t     *testing.T
	image []byte
}

func (r raw) short(at int) int { return int(binary.LittleEndian.Uint16(r.image[at:])) }

// set writes an entry of both tables.
func (r raw) set(cluster, entry int) {
	for i := range int(r.image[16]) {
		at := (r.short(14)+i*r.short(22))*r.short(11) + 2*cluster
		binary.LittleEndian.PutUint16(r.image[at:], uint16(entry))
	}
}

// entry finds a directory entry by its short name, as it is on the disk.
func (r raw) entry(name string) int {
	r.t.Helper()
	at := bytes.Index(r.image, []byte(name))
	if at < 0 {
		r.t.Fatalf("there is no %q", name)
	}
	return at
}

func (r raw) start(name string) int { return r.short(r.entry(name) + 26) }

func (r raw) setStart(name string, cluster int) {
	binary.LittleEndian.PutUint16(r.image[r.entry(name)+26:], uint16(cluster))
}

func (r raw) setSize(name string, size uint32) {
	binary.LittleEndian.PutUint32(r.image[r.entry(name)+28:], size)
}

// damagedImage is one with the files DIR/A, DIR/B, DIR/C and OTHER, changed by a test.
func damagedImage(t *testing.T, damage func(r raw)) string {
	t.Helper()
	image := mkfs(t, 20<<20, "-F", "16", "-s", "4")
	boot := open(t, image).ESP()
	for _, name := range []string{"DIR/AAA", "DIR/BBB", "DIR/CCC", "OTHER"} {
		write(t, boot, name, noise(9000, name[len(name)-1])) // 5 clusters
	}
	check(t, boot.Sync())
	r := raw{t, read(t, image)}
	damage(r)
	check(t, os.WriteFile(image, r.image, 0o644))
	return image
}

const (
	aaa   = "AAA        "
	bbb   = "BBB        "
	other = "OTHER      "
	dir   = "DIR        "
	end16 = 0xffff
)

// TestDamagedChains: what mtools would run on without end, or make worse, is refused before it is called.
func TestDamagedChains(t *testing.T) {
	t.Parallel()
	remove := func(boot esp.FS) error { return boot.Remove("DIR/AAA") }
	add := func(boot esp.FS) error { return esp.WriteBytes(boot, "new", []byte("x")) }
	addBeside := func(boot esp.FS) error { return esp.WriteBytes(boot, "DIR/new", []byte("x")) }
	for name, c := range map[string]struct {
		damage func(r raw)
		do     func(boot esp.FS) error
		want   string // "" for no error
	}{
		"nothing":                        {func(raw) {}, remove, ""},
		"first cluster is free":          {func(r raw) { r.set(r.start(aaa), 0) }, remove, "/DIR/AAA: damaged"},
		"third cluster is free":          {func(r raw) { r.set(r.start(aaa)+2, 0) }, remove, "/DIR/AAA: damaged"},
		"loop":                           {func(r raw) { r.set(r.start(aaa)+4, r.start(aaa)) }, remove, "/DIR/AAA: damaged"},
		"a cluster is its own next":      {func(r raw) { r.set(r.start(aaa)+2, r.start(aaa)+2) }, remove, "/DIR/AAA: damaged"},
		"leads outside":                  {func(r raw) { r.set(r.start(aaa)+2, 0xfff0) }, remove, "/DIR/AAA: damaged"},
		"ends early":                     {func(r raw) { r.set(r.start(aaa)+2, end16) }, remove, "ends after 3 of 5 clusters"},
		"too long":                       {func(r raw) { r.setSize(aaa, 100) }, remove, ""},
		"too long, length 0":             {func(r raw) { r.setSize(aaa, 0) }, remove, ""},
		"too long, and in the rest free": {func(r raw) { r.setSize(aaa, 100); r.set(r.start(aaa)+3, 0) }, remove, "/DIR/AAA: damaged"},
		"too long, into another":         {func(r raw) { r.setSize(aaa, 100); r.set(r.start(aaa)+2, r.start(bbb)+3) }, remove, "/DIR/AAA: damaged"},
		"too short":                      {func(r raw) { r.setSize(aaa, 1<<20) }, remove, "ends after 5 of 512"},
		"half a rename":                  {func(r raw) { r.setStart(bbb, r.start(aaa)) }, remove, "shares its clusters with DIR/BBB"},
		"leads into another":             {func(r raw) { r.set(r.start(aaa)+2, r.start(bbb)+3) }, remove, "/DIR/AAA: damaged"},
		"another leads here":             {func(r raw) { r.set(r.start(bbb)+2, r.start(aaa)+3) }, remove, "/DIR/AAA: damaged"},
		"a directory's cluster is free":  {func(r raw) { r.set(r.start(dir), 0) }, add, "/DIR: damaged"},

		"another file is too long":                     {func(r raw) { r.setSize(other, 100) }, remove, ""},
		"another file on free clusters, only removing": {func(r raw) { r.set(r.start(other), 0) }, remove, ""},
		"another file on free clusters, writing":       {func(r raw) { r.set(r.start(other), 0) }, addBeside, "/OTHER: damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := damagedImage(t, c.damage)
			before := read(t, image)
			im, err := fatimage.Open(soon(t, 60*time.Second), image)
			check(t, err)
			defer im.Close()
			err = c.do(im.ESP())
			if err == nil {
				err = im.ESP().Sync()
			}
			if c.want == "" {
				check(t, err)
				if !strings.HasPrefix(name, "another") {
					fsck(t, image) // all clusters are somebody's, or free
				}
				return
			}
			var hint interface{ Hint() string }
			if !errors.Is(err, fatimage.ErrDamaged) || !strings.Contains(err.Error(), c.want) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "fsck.vfat -a "+image) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
			if !bytes.Equal(before, read(t, image)) {
				t.Error("the image changed")
			}
		})
	}
}

// TestSharedClusters tells half a rename from a copy.
func TestSharedClusters(t *testing.T) {
	t.Parallel()
	image := damagedImage(t, func(r raw) { r.setStart(bbb, r.start(aaa)) })
	im, err := fatimage.Open(soon(t, 60*time.Second), image)
	check(t, err)
	defer im.Close()
	boot := im.ESP()
	write(t, boot, "DIR/DDD", noise(9000, 'A')) // not yet on the image
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"DIR/AAA", "DIR/BBB", true},
		{"DIR/AAA", "DIR/CCC", false},
		{"DIR/DDD", "DIR/AAA", true}, // nothing says where it starts: by content
		{"DIR/DDD", "DIR/CCC", false},
	} {
		if got, err := esp.ShareClusters(boot, c.a, c.b); err != nil || got != c.want {
			t.Errorf("%s and %s share clusters: %v, %v; want %v", c.a, c.b, got, err, c.want)
		}
	}
}

// TestReadsDamaged: what can be read of a damaged file system is, and the rest is an error.
func TestReadsDamaged(t *testing.T) {
	t.Parallel()
	image := damagedImage(t, func(r raw) {
		r.setStart(bbb, r.start(aaa)) // half a rename
		r.set(r.start(other)+4, 0)
	})
	boot := open(t, image).ESP()
	for _, name := range []string{"DIR/AAA", "DIR/BBB"} {
		if b, err := esp.ReadFile(boot, name, 1<<20); err != nil || string(b) != noise(9000, 'A') {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	f, err := boot.Open("OTHER")
	check(t, err)
	b := make([]byte, 8192)
	if n, err := f.ReadAt(b, 0); err != nil || string(b[:n]) != noise(8192, 'R') {
		t.Errorf("what is there: %d bytes, %v", n, err)
	}
	if _, err := f.ReadAt(b, 4096); !errors.Is(err, fatimage.ErrDamaged) || !strings.Contains(err.Error(), "read "+image+":/OTHER: ") {
		t.Errorf("what is not there: %v", err)
	}
}

// TestDirectoryInItself ends, however deep somebody looks.
func TestDirectoryInItself(t *testing.T) {
	t.Parallel()
	image := damagedImage(t, func(r raw) {
		at := r.entry(aaa)
		r.image[at+11] = 0x10
		r.setStart(aaa, r.start(dir))
		r.setSize(aaa, 0)
	})
	boot := open(t, image).ESP()
	if list, err := boot.ReadDir("DIR"); err != nil || len(list) != 3 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := boot.ReadDir("DIR/AAA"); !errors.Is(err, fatimage.ErrDamaged) {
		t.Errorf("error is %v", err)
	}
	if _, err := boot.Stat("DIR/AAA/AAA/BBB"); !errors.Is(err, fatimage.ErrDamaged) {
		t.Errorf("error is %v", err)
	}
	check(t, boot.Remove("OTHER"))
	check(t, boot.Sync())
	if err := boot.Mkdir("DIR/new"); err != nil {
		t.Fatal(err)
	}
	if err := boot.Sync(); !errors.Is(err, fatimage.ErrDamaged) {
		t.Errorf("error is %v", err)
	}
}
