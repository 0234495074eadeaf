package esp

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCheckMount(t *testing.T) {
	t.Parallel()
	empty, full := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(full, ".hidden"), nil, 0o644))
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(empty, link))
	for dir, want := range map[string]MountState{empty: Unmounted, full: Populated, link: Unmounted, "/": Mounted, "/proc": Mounted, "/proc/": Mounted} {
		if got, err := CheckMount(dir); err != nil || got != want {
			t.Errorf("%s: %v (%v), want %v", dir, got, err, want)
		}
	}
	if _, err := CheckMount(filepath.Join(empty, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
	if _, err := CheckMount(filepath.Join(full, ".hidden")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}

// mountedDir names the directory that a tmpfs is mounted on, for a copy of the test in a
// mount namespace of its own.
const mountedDir = "XBB_TEST_MOUNT_DIR"

// inNamespace runs this test again where a tmpfs is mounted. In that run it returns
// the mount point, else "".
func inNamespace(t *testing.T, options string) string {
	t.Helper()
	if dir := os.Getenv(mountedDir); dir != "" {
		return dir
	}
	for _, tool := range []string{"unshare", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no mount namespace: %v: %s", err, out)
	}
	const script = `mount -t tmpfs -o "$1" none "$2" && exec "$3" -test.v -test.run="^$4\$"`
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, "sh", options, dir, os.Args[0], t.Name())
	cmd.Env = append(os.Environ(), mountedDir+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return ""
}

func TestCheckMountOfMount(t *testing.T) {
	t.Parallel()
	dir := inNamespace(t, "size=1m")
	if dir == "" {
		return
	}
	if got, err := CheckMount(dir); err != nil || got != Mounted {
		t.Errorf("an empty mount is %v (%v)", got, err)
	}
	sub := filepath.Join(dir, "sub")
	must(t, os.Mkdir(sub, 0o755))
	if got, err := CheckMount(sub); err != nil || got != Unmounted {
		t.Errorf("a directory on it is %v (%v)", got, err)
	}
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(dir, link))
	if got, err := CheckMount(link); err != nil || got != Mounted {
		t.Errorf("a link to it is %v (%v)", got, err)
	}
}

func TestDirSpace(t *testing.T) {
	t.Parallel()
	dir := inNamespace(t, "size=1m")
	if dir == "" {
		return
	}
	d, err := OpenDir(dir)
	must(t, err)
	defer d.Close()
	empty, err := d.Space()
	must(t, err)
	if empty.Total != 1<<20 || empty.Free != 1<<20 || empty.Cluster != int64(os.Getpagesize()) {
		t.Errorf("an empty tmpfs of 1 MiB: %+v", empty)
	}
	must(t, WriteBytes(d, "x", make([]byte, 5000)))
	used, err := d.Space()
	must(t, err)
	if got, want := empty.Free-used.Free, empty.Rounded(5000); got != want {
		t.Errorf("5000 bytes took %d, want %d", got, want)
	}
	err = WriteBytes(d, "large", make([]byte, 1<<20))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("too large a file: %v", err)
	}
	if after, err := d.Space(); err != nil || after != used {
		t.Errorf("a write that failed left %+v (%v), before it was %+v", after, err, used)
	}
}

func TestDirReadOnly(t *testing.T) {
	t.Parallel()
	dir := inNamespace(t, "ro")
	if dir == "" {
		return
	}
	d, err := OpenDir(dir)
	must(t, err)
	defer d.Close()
	for name, err := range map[string]error{
		"space":  second(d.Space()),
		"create": second(d.Create("x")),
		"mkdir":  d.Mkdir("x"),
		"write":  WriteBytes(d, "x", nil),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v, want %v", name, err, syscall.EROFS)
		}
	}
	unlock, err := d.Lock(t.Context())
	must(t, err)
	unlock()
}

// TestOtherDevice is the way for kernels that don't tell a mount's root.
func TestOtherDevice(t *testing.T) {
	t.Parallel()
	dir := inNamespace(t, "size=1m")
	if dir == "" {
		return
	}
	sub := filepath.Join(dir, "sub")
	must(t, os.Mkdir(sub, 0o755))
	for name, want := range map[string]bool{dir: true, sub: false} {
		var st unix.Statx_t
		must(t, unix.Statx(unix.AT_FDCWD, name, 0, unix.STATX_BASIC_STATS, &st))
		if got, err := otherDevice(name, st); err != nil || got != want {
			t.Errorf("%s: %v (%v), want %v", name, got, err, want)
		}
	}
}
