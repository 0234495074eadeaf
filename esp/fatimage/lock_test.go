package fatimage_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/fatimage"
)

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
