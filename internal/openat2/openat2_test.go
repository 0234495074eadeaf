package openat2_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/internal/openat2"
)

var errNotRegular = errors.New("not a file")

// TestRead opens and reads below a directory: what is read ends one byte behind the limit, and links lead nowhere else.
func TestRead(t *testing.T) {
	t.Parallel()
	outside, inside := t.TempDir(), t.TempDir()
	for _, err := range []error{
		os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600),
		os.WriteFile(filepath.Join(inside, "ten"), []byte("0123456789"), 0o600),
		os.WriteFile(filepath.Join(inside, "empty"), nil, 0o600),
		os.Symlink(filepath.Join(outside, "secret"), filepath.Join(inside, "link")),
		os.Mkdir(filepath.Join(inside, "dir"), 0o700),
		unix.Mkfifo(filepath.Join(inside, "fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.Open(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, c := range []struct {
		name  string
		limit int64
		want  string
		err   error
	}{
		{"ten", 100, "0123456789", nil},
		{"ten", 10, "0123456789", nil},
		{"ten", 9, "0123456789", nil},
		{"ten", 3, "0123", nil},
		{"empty", 3, "", nil},
		{"missing", 3, "", os.ErrNotExist},
		{"link", 100, "", unix.EXDEV},
		{"../secret", 100, "", unix.EXDEV},
		{"dir", 100, "", errNotRegular},
		{"fifo", 100, "", errNotRegular},
	} {
		fd, err := openat2.Open(dir, c.name, &unix.OpenHow{
			Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH,
		})
		var got []byte
		if err == nil {
			got, err = openat2.ReadRegular(fd, "/the/path", c.limit, errNotRegular)
			if err != nil && !strings.Contains(err.Error(), "/the/path") {
				t.Errorf("%s: the error has no path: %v", c.name, err)
			}
			unix.Close(fd)
		}
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s, limit %d: %q, %v; want %q, %v", c.name, c.limit, got, err, c.want, c.err)
		}
	}
}
