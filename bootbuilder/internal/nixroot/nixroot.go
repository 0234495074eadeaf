// Package nixroot reads below the root of a NixOS system, which need not be the one
// that runs: a disk under /mnt in a rescue system, or a tree an image builder made.
//
// A NixOS root is full of absolute symbolic links (profiles, specialisations), which
// os.Root refuses. They are resolved here as that system would: inside the root, by
// openat2(2) with RESOLVE_IN_ROOT, so that no link, `..` or race leads out of it.
// Magic links (/proc/*/fd) are refused. Nothing is ever written.
package nixroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"sync"
	"time"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/internal/openat2"
)

// Root is the root directory of a NixOS system.
type Root struct {
	dir string
	fd  *os.File

	mu       sync.Mutex
	resolved map[string]string
}

// Open opens the root directory.
func Open(dir string) (*Root, error) {
	f, err := os.OpenFile(dir, unix.O_DIRECTORY|unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	// securejoin refuses a root with "..", which a relative one may well have.
	dir, err = filepath.Abs(dir)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Root{dir: dir, fd: f, resolved: make(map[string]string)}, nil
}

// Close lets go of the directory.
func (r *Root) Close() error { return r.fd.Close() }

// Dir is the absolute path of the directory.
func (r *Root) Dir() string { return r.dir }

// Path says where name is, seen from the running system, for messages. Links are
// not resolved.
func (r *Root) Path(name string) string { return filepath.Join(r.dir, name) }

// ErrNotRegular is returned by [Root.OpenFile] for a directory, FIFO, device or socket.
var ErrNotRegular = errors.New("not a regular file")

// OpenFile opens a regular file by its absolute name inside the root.
func (r *Root) OpenFile(name string) (*os.File, error) {
	// O_NONBLOCK: opening a FIFO must not wait for its other end.
	f, err := r.open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: r.Path(name), Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Stat describes what name leads to.
func (r *Root) Stat(name string) (fs.FileInfo, error) {
	f, err := r.open(name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// ReadDir lists the names in a directory, sorted.
func (r *Root) ReadDir(name string) ([]string, error) {
	f, err := r.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	sort.Strings(names)
	return names, err
}

// Resolve gives the absolute name inside the root that name leads to once all links
// are followed. It is meant for naming things; open the result through the root.
//
// What was resolved once is remembered: generations share most of what they name.
func (r *Root) Resolve(name string) (string, error) { return r.remembered(name, r.resolve) }

// ResolveLink is [Root.Resolve] for what is a link, most likely: it asks the kernel once less.
func (r *Root) ResolveLink(name string) (string, error) {
	return r.remembered(name, func(name string) (string, error) {
		if resolved, ok := r.follow(name); ok {
			return resolved, nil
		}
		return r.resolve(name)
	})
}

func (r *Root) remembered(name string, resolve func(string) (string, error)) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if resolved, ok := r.resolved[name]; ok {
		return resolved, nil
	}
	resolved, err := resolve(name)
	if err == nil {
		r.resolved[name] = resolved
	}
	return resolved, err
}

func (r *Root) resolve(name string) (string, error) {
	// Most names have no links on the way: one call of the kernel's says so.
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
	}
	if fd, err := unix.Openat2(int(r.fd.Fd()), name, &how); err == nil {
		unix.Close(fd)
		return path.Clean("/" + name), nil
	}
	if resolved, ok := r.follow(name); ok {
		return resolved, nil
	}
	full, err := securejoin.SecureJoin(r.dir, name)
	if err != nil {
		return "", &fs.PathError{Op: "resolve", Path: r.Path(name), Err: err}
	}
	rel, err := filepath.Rel(r.dir, full)
	if err != nil {
		return "", &fs.PathError{Op: "resolve", Path: r.Path(name), Err: err}
	}
	return "/" + rel, nil
}

// follow resolves what most links are, those of profiles: a link to where no links are, with none on the way to it.
func (r *Root) follow(name string) (resolved string, ok bool) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
	}
	fd, err := unix.Openat2(int(r.fd.Fd()), name, &how)
	if err != nil {
		return "", false
	}
	var target [unix.PathMax]byte
	n, err := unix.Readlinkat(fd, "", target[:])
	unix.Close(fd)
	if err != nil || n == 0 || n == len(target) {
		return "", false
	}
	resolved = string(target[:n])
	if !path.IsAbs(resolved) {
		resolved = path.Join("/", path.Dir(name), resolved)
	}
	how.Flags = unix.O_PATH | unix.O_CLOEXEC
	if fd, err = unix.Openat2(int(r.fd.Fd()), resolved, &how); err != nil {
		return "", false
	}
	unix.Close(fd)
	resolved = path.Clean(resolved)
	r.resolved[resolved] = resolved
	return resolved, true
}

// Exists is an error where name leads nowhere.
func (r *Root) Exists(name string) error {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := r.openat(name, &how)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// Size is the size in bytes of a regular file, which is not opened for it.
func (r *Root) Size(name string) (int64, error) {
	st, err := r.stat(name)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = &fs.PathError{Op: "open", Path: r.Path(name), Err: ErrNotRegular}
	}
	return st.Size, err
}

// ChangeTime is when the inode changed last of what name leads to.
func (r *Root) ChangeTime(name string) (time.Time, error) {
	st, err := r.stat(name)
	return time.Unix(st.Ctim.Unix()), err
}

func (r *Root) stat(name string) (st unix.Stat_t, err error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := r.openat(name, &how)
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return st, &fs.PathError{Op: "stat", Path: r.Path(name), Err: err}
	}
	return st, nil
}

// ReadFile reads a regular file, at most limit bytes of it and one more.
func (r *Root) ReadFile(name string, limit int64) ([]byte, error) {
	return r.readFile(name, limit, unix.RESOLVE_NO_MAGICLINKS)
}

// ReadPlainFile is [Root.ReadFile] of a name without any link on its way: it is an error (ELOOP) where there is one.
func (r *Root) ReadPlainFile(name string, limit int64) ([]byte, error) {
	return r.readFile(name, limit, unix.RESOLVE_NO_SYMLINKS)
}

func (r *Root) readFile(name string, limit int64, resolve uint64) ([]byte, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | resolve,
	}
	fd, err := r.openat(name, &how)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return openat2.ReadRegular(fd, r.Path(name), limit, ErrNotRegular)
}

func (r *Root) open(name string, flags uint64) (*os.File, error) {
	fd, err := r.openat(name, &unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), r.Path(name)), nil
}

func (r *Root) openat(name string, how *unix.OpenHow) (int, error) {
	fd, err := openat2.Open(r.fd, name, how)
	if err == nil {
		return fd, nil
	}
	if errors.Is(err, unix.ENOSYS) {
		err = fmt.Errorf("openat2: %w (Linux 5.6 or newer is needed)", err)
	}
	return -1, &fs.PathError{Op: "open", Path: r.Path(name), Err: err}
}
