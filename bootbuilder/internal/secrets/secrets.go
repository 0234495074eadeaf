// Package secrets appends a generation's secrets to its initrd, by the program that NixOS makes for
// that (bootspec's initrdSecrets, RFC 125: it gets the path of an initrd, and changes that file).
//
// The program is the generation's own code and runs with all rights of the caller; where the root
// is not that of the running system, inside a chroot of it. So the caller decides whose program it is.
// What this package sees to is that it works on a private copy, that nothing but the file it
// left is taken over, and that nothing of it remains: no process, no directory, no secret.
//
// Its environment is PATH (/run/current-system/sw/bin:/usr/bin:/bin), LC_ALL=C, and TMPDIR, a
// directory in the private one, so that secrets that it puts aside go with it. NixOS' programs name
// all else by its store path.
//
// Left out: a program that leaves its process group, or breaks out of the chroot.
package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	securejoin "github.com/cyphar/filepath-securejoin"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/scratch"
	"github.com/xen-boot-builder/xen-boot-builder/internal/program"
)

// Request is a program to run.
type Request struct {
	Root    string    // the root directory of the NixOS system
	Program string    // absolute, inside the root
	Initrd  io.Reader // the initrd without secrets
}

// Result is an initrd with its secrets. The file has no name any more: it is gone with the process
// at the latest.
type Result struct {
	f    *os.File
	size int64
}

// ReadAt implements [io.ReaderAt].
func (r *Result) ReadAt(p []byte, off int64) (int, error) { return r.f.ReadAt(p, off) }

// Size is the initrd's size in bytes.
func (r *Result) Size() int64 { return r.size }

// Close lets go of the initrd, which removes it.
func (r *Result) Close() error { return r.f.Close() }

// initrd is the file's name in the private directory.
const initrd = "initrd"

// Run runs the program on a copy of the initrd, below the root's /tmp.
func Run(ctx context.Context, r Request) (*Result, error) {
	res, err := r.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("append initrd secrets: %w", err)
	}
	return res, nil
}

func (r Request) run(ctx context.Context) (res *Result, err error) {
	if !path.IsAbs(r.Program) {
		return nil, fmt.Errorf("the program's path %q is not absolute", r.Program)
	}
	tmp, err := openTmp(r.Root)
	if err != nil {
		return nil, err
	}
	defer tmp.Close()
	dir, err := scratch.Make(tmp)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := dir.Close(); cerr != nil && err == nil {
			res.Close()
			res, err = nil, cerr
		}
	}()
	if err := copyIn(ctx, dir.Root(), r.Initrd); err != nil {
		return nil, err
	}
	if err := dir.Root().Mkdir("tmp", 0o700); err != nil {
		return nil, err
	}
	inside := path.Join("/tmp", dir.Name())
	p := program.Program{
		Argv: []string{r.Program, path.Join(inside, initrd)},
		Env:  []string{"PATH=/run/current-system/sw/bin:/usr/bin:/bin", "LC_ALL=C", "TMPDIR=" + path.Join(inside, "tmp")},
		Dir:  "/",
	}
	if root, err := filepath.Abs(r.Root); err != nil {
		return nil, err
	} else if root != "/" {
		p.Chroot = root
	}
	output, err := p.Run(ctx)
	if err != nil {
		return nil, err
	}
	res, err = takeOver(dir)
	if err != nil && output != "" {
		return nil, fmt.Errorf("%s: %w (it printed: %s)", r.Program, err, output)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Program, err)
	}
	return res, nil
}

// openTmp opens the root's /tmp. It may be a link, which then leads to somewhere in the root.
func openTmp(root string) (*os.Root, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	full, err := securejoin.SecureJoin(abs, "tmp")
	if err != nil {
		return nil, err
	}
	name, err := filepath.Rel(abs, full)
	if err != nil {
		return nil, err
	}
	r, err := os.OpenRoot(abs)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// What the links were when they were resolved may have changed: [os.Root] keeps to the root.
	return r.OpenRoot(name)
}

// copyIn makes the copy that the program changes.
func copyIn(ctx context.Context, dir *os.Root, from io.Reader) error {
	w, err := dir.OpenFile(initrd, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, contextReader{ctx, from})
	return errors.Join(err, w.Close())
}

// contextReader ends a long copy with its context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// takeOver opens what the program left.
func takeOver(dir *scratch.Dir) (*Result, error) {
	// If the name leads elsewhere now, who knows which file the program worked on.
	if err := dir.Unmoved(); err != nil {
		return nil, err
	}
	f, err := dir.OpenFile(initrd)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		err = errors.New("it left an empty initrd")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Result{f, info.Size()}, nil
}

// Sweep removes what killed runs left below the root's /tmp, and names it.
func Sweep(root string) (removed []string, err error) {
	tmp, err := openTmp(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer tmp.Close()
	return scratch.Sweep(tmp)
}
