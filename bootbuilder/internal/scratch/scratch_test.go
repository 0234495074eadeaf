package scratch_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/scratch"
)

func parent(t *testing.T) (string, *os.Root) {
	t.Helper()
	dir := t.TempDir()
	r, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return dir, r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPrivate(t *testing.T) {
	t.Parallel()
	dir, root := parent(t)
	d, err := scratch.Make(root)
	must(t, err)
	info, err := os.Lstat(filepath.Join(dir, d.Name()))
	must(t, err)
	if !info.IsDir() || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", info.Mode())
	}
	must(t, d.Root().MkdirAll("a/b", 0o755))
	must(t, d.Root().WriteFile("a/b/c", []byte("x"), 0o600))
	if removed, err := scratch.Sweep(root); err != nil || len(removed) != 0 {
		t.Errorf("swept while in use: %q, %v", removed, err)
	}
	must(t, d.Unmoved())
	must(t, d.Close())
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("left: %v, %v", list, err)
	}
}

// TestSwapped puts something else in the directory's place.
func TestSwapped(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path, outside string) error{
		"nothing":   func(string, string) error { return nil },
		"link":      func(path, outside string) error { return os.Symlink(outside, path) },
		"directory": func(path, _ string) error { return os.MkdirAll(path+"/kept", 0o700) },
		"file":      func(path, _ string) error { return os.WriteFile(path, []byte("kept"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, root := parent(t)
			outside := t.TempDir()
			must(t, os.WriteFile(filepath.Join(outside, "initrd"), []byte("of the host"), 0o600))
			d, err := scratch.Make(root)
			must(t, err)
			must(t, d.Root().WriteFile("initrd", []byte("ours"), 0o600))
			path := filepath.Join(dir, d.Name())
			must(t, os.Rename(path, path+".away"))
			must(t, put(path, outside))
			if err := d.Unmoved(); !errors.Is(err, scratch.ErrMoved) {
				t.Errorf("error %v", err)
			}
			f, err := d.OpenFile("initrd")
			must(t, err)
			b := make([]byte, 100)
			if n, _ := f.Read(b); string(b[:n]) != "ours" {
				t.Errorf("read %q", b[:n])
			}
			f.Close()
			must(t, d.Close())
			if _, err := os.ReadFile(filepath.Join(outside, "initrd")); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(path); name != "nothing" && err != nil {
				t.Error("what was put there is gone: ", err)
			}
			if _, err := os.Lstat(path + ".away/initrd"); err == nil {
				t.Error("the secret is still there")
			}
		})
	}
}

func TestOpenFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(dir string) error
		ok   bool
	}{
		"regular": {func(dir string) error { return os.WriteFile(dir+"/f", nil, 0o600) }, true},
		"missing": {func(dir string) error { return nil }, false},
		"link":    {func(dir string) error { return os.Symlink("/etc/passwd", dir+"/f") }, false},
		"link here": {func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/g", nil, 0o600), os.Symlink("g", dir+"/f"))
		}, false},
		"two names": {func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/g", nil, 0o600), os.Link(dir+"/g", dir+"/f"))
		}, false},
		"FIFO":      {func(dir string) error { return syscall.Mkfifo(dir+"/f", 0o600) }, false},
		"directory": {func(dir string) error { return os.Mkdir(dir+"/f", 0o700) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, root := parent(t)
			d, err := scratch.Make(root)
			must(t, err)
			defer d.Close()
			must(t, c.make(filepath.Join(dir, d.Name())))
			f, err := d.OpenFile("f")
			if (err == nil) != c.ok {
				t.Errorf("error %v", err)
			}
			if err == nil {
				f.Close()
			}
		})
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	dir, root := parent(t)
	outside := t.TempDir()
	must(t, os.WriteFile(outside+"/kept", nil, 0o600))
	must(t, os.MkdirAll(dir+"/xen-boot-builder-deaddeaddeaddeaddeaddeadde/sub", 0o700))
	must(t, os.Symlink(outside, dir+"/xen-boot-builder-deaddeaddeaddeaddeaddeadde/link"))
	must(t, os.WriteFile(dir+"/xen-boot-builder-deaddeaddeaddeaddeaddeadde/sub/secret", nil, 0o600))
	must(t, os.Symlink(outside, dir+"/xen-boot-builder-linklinklinklinklinklinkli"))
	must(t, os.WriteFile(dir+"/xen-boot-builder-filefilefilefilefilefilefi", nil, 0o600))
	must(t, os.Mkdir(dir+"/another", 0o700))
	// What somebody called so himself is his.
	must(t, os.Mkdir(dir+"/xen-boot-builder-checkout", 0o700))
	// What was made just now is somebody's, who will lock it.
	must(t, os.Mkdir(dir+"/xen-boot-builder-newnewnewnewnewnewnewnewne", 0o700))
	must(t, os.Mkdir(dir+"/xen-boot-builder-oldoldoldoldoldoldoldoldol", 0o700))
	hour := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(dir+"/xen-boot-builder-oldoldoldoldoldoldoldoldol", hour, hour))
	want := 5
	if os.Geteuid() == 0 {
		must(t, os.Mkdir(dir+"/xen-boot-builder-nobodynobodynobodynobodyno", 0o700))
		must(t, os.Chown(dir+"/xen-boot-builder-nobodynobodynobodynobodyno", 65534, 65534))
		want++
	}
	removed, err := scratch.Sweep(root)
	slices.Sort(removed)
	gone := []string{"xen-boot-builder-deaddeaddeaddeaddeaddeadde", "xen-boot-builder-oldoldoldoldoldoldoldoldol"}
	if err != nil || !slices.Equal(removed, gone) {
		t.Errorf("removed %q, %v", removed, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != want {
		t.Errorf("left: %v, %v", list, err)
	}
	if _, err := os.Lstat(outside + "/kept"); err != nil {
		t.Error(err)
	}
}

// TestSweepBesideMake has sweeps at work while directories are made: none is taken away.
func TestSweepBesideMake(t *testing.T) {
	t.Parallel()
	_, root := parent(t)
	done := make(chan struct{})
	var sweeping sync.WaitGroup
	for range 2 {
		sweeping.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if removed, err := scratch.Sweep(root); err != nil || len(removed) > 0 {
						t.Errorf("removed %q, %v", removed, err)
						return
					}
				}
			}
		})
	}
	times := 300
	if testing.Short() {
		times = 50
	}
	for range times {
		d, err := scratch.Make(root)
		must(t, err)
		if err := d.Root().WriteFile("f", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		must(t, d.Unmoved())
		must(t, d.Close())
	}
	close(done)
	sweeping.Wait()
}
