package secureboot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/scratch"
	"github.com/xen-boot-builder/xen-boot-builder/internal/program"
)

// Command signs with a program, for keys that no crypto.Signer reaches.
//
// The program runs in a process group of its own, which ends with it; see package program.
type Command struct {
	// Argv is the program and its first arguments. The path of the unsigned
	// image and the path to write the signed one to are added.
	Argv []string
	// Env is all of its environment; nil is [Environment] of this process' own.
	Env []string
}

// Environment picks what a signing program gets of an environment: PATH, by which it finds its
// own tools, HOME, below which they have their settings, and the variables named in keep.
// Those are for the caller to name: OPENSSL_CONF, PKCS11_MODULE_PATH or SOFTHSM2_CONF for a token,
// XDG_RUNTIME_DIR for p11-kit, GNUPGHOME, and the like.
func Environment(env []string, keep ...string) []string {
	kept := append([]string{"PATH", "HOME"}, keep...)
	list := []string{}
	for _, e := range env {
		if name, _, ok := strings.Cut(e, "="); ok && slices.Contains(kept, name) {
			list = append(list, e)
		}
	}
	return list
}

// Sign has the program sign an image in a private directory below tmp: write makes the unsigned
// one, and use reads what the program made of it, which is for use to verify. The directory
// is gone when Sign returns; [SweepSigning] removes what a killed process left of one. The program
// finds a place for its temporary files there too (TMPDIR).
func (c Command) Sign(ctx context.Context, tmp string, write func(unsigned *os.File) error, use func(signed *os.File, size int64) error) (err error) {
	parent, err := openTemporary(tmp)
	if err != nil {
		return err
	}
	defer parent.Close()
	dir, err := scratch.Make(parent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	const unsigned, signed = "unsigned.efi", "signed.efi"
	f, err := dir.Root().OpenFile(unsigned, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	if err := dir.Root().Mkdir("tmp", 0o700); err != nil {
		return err
	}
	path := filepath.Join(parent.Name(), dir.Name())
	env := append(without(c.environment(), "TMPDIR"), "TMPDIR="+filepath.Join(path, "tmp"))
	said, err := c.run(ctx, env, filepath.Join(path, unsigned), filepath.Join(path, signed))
	if err != nil {
		return err
	}
	made, size, err := opened(dir, signed)
	if err != nil {
		return fmt.Errorf("signing with %s: %w%s", c.Argv[0], err, said)
	}
	defer made.Close()
	return use(made, size)
}

// opened opens what the program made, as long as it is where it had to be.
func opened(dir *scratch.Dir, name string) (*os.File, int64, error) {
	if err := dir.Unmoved(); err != nil {
		return nil, 0, err
	}
	f, err := dir.OpenFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("it wrote nothing: %w", err)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		err = errors.New("what it wrote is empty")
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// openTemporary opens a directory for temporary files by its absolute name.
func openTemporary(dir string) (*os.Root, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

// SweepSigning removes what killed runs of [Command.Sign] left below tmp, and names it.
func SweepSigning(tmp string) (removed []string, err error) {
	parent, err := openTemporary(tmp)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	return scratch.Sweep(parent)
}

// SignFile has the program sign the image unsigned into the new file signed,
// which must not exist. An error carries the exit status and the end of what the
// program printed. What the program made is not looked into: see [Verify].
func (c Command) SignFile(ctx context.Context, unsigned, signed string) error {
	// A leftover would pass for the result of a program that does nothing.
	if _, err := os.Lstat(signed); err == nil {
		return fmt.Errorf("signing into %s: %w", signed, fs.ErrExist)
	}
	said, err := c.run(ctx, c.environment(), unsigned, signed)
	if err != nil {
		return err
	}
	info, err := os.Lstat(signed)
	switch {
	case err != nil:
		return fmt.Errorf("signing %s with %s: it wrote nothing: %w%s", unsigned, c.Argv[0], err, said)
	case !info.Mode().IsRegular() || info.Size() == 0:
		return fmt.Errorf("signing %s with %s: %s is empty or not a file%s", unsigned, c.Argv[0], signed, said)
	}
	return nil
}

// run runs the program, and gives what it said as the end of an error message.
func (c Command) run(ctx context.Context, env []string, unsigned, signed string) (said string, err error) {
	if len(c.Argv) == 0 {
		return "", errors.New("no signing program given")
	}
	args := append(slices.Clip(c.Argv), unsigned, signed)
	said, err = program.Program{Argv: args, Env: env}.Run(ctx)
	if err != nil {
		return "", fmt.Errorf("signing %s: %w", unsigned, err)
	}
	if said != "" {
		said = ": " + said
	}
	return said, nil
}

func (c Command) environment() []string {
	if c.Env != nil {
		return c.Env
	}
	return Environment(os.Environ())
}

func without(env []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool { return strings.HasPrefix(e, name+"=") })
}
