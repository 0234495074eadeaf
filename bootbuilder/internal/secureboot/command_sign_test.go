package secureboot_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/scratch"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

// signs runs a script as a signing program on an "image", and gives what it made.
func signs(ctx context.Context, t *testing.T, tmp, script string, env ...string) (string, error) {
	t.Helper()
	var made string
	c := secureboot.Command{Argv: []string{"sh", "-c", script, "sh"}, Env: append([]string{"PATH=/usr/bin:/bin"}, env...)}
	err := c.Sign(ctx, tmp, func(w *os.File) error {
		_, err := w.WriteString("image")
		return err
	}, func(f *os.File, size int64) error {
		b, err := io.ReadAll(f)
		if int64(len(b)) != size {
			t.Errorf("size %d, read %d", size, len(b))
		}
		made = string(b)
		return err
	})
	if list, lerr := os.ReadDir(tmp); lerr != nil || len(list) > 0 && !errors.Is(err, scratch.ErrMoved) {
		t.Errorf("left: %v, %v", list, lerr)
	}
	return made, err
}

func TestCommandSignPrivately(t *testing.T) {
	t.Parallel()
	made, err := signs(t.Context(), t, t.TempDir(), `cat "$1" > "$2"; stat -c " %a" "$1" "$(dirname "$1")" "$TMPDIR" >> "$2"; touch "$TMPDIR/left"`)
	if err != nil || made != "image 600\n 700\n 700\n" {
		t.Errorf("%q, %v", made, err)
	}
}

func TestCommandSignRefuses(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.MkdirAll(outside, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, outside+"/signed.efi", []byte("of somebody"))
	for name, c := range map[string]struct {
		script string
		says   string
		is     error
	}{
		"fails":               {`echo PIN wrong >&2; exit 3`, "PIN wrong", nil},
		"nothing":             {`echo all is well`, "all is well", os.ErrNotExist},
		"empty":               {`: > "$2"`, "empty", nil},
		"a link":              {`ln -s ` + outside + `/signed.efi "$2"`, "", scratch.ErrNotRegular},
		"the input, again":    {`ln "$1" "$2"`, "", scratch.ErrNotRegular},
		"a FIFO":              {`mkfifo "$2"`, "", scratch.ErrNotRegular},
		"directory is a link": {`d=$(dirname "$2"); mv "$d" "$d.away"; ln -s ` + outside + ` "$d"`, "", scratch.ErrMoved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, err := signs(t.Context(), t, t.TempDir(), c.script)
			if err == nil || made != "" || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%q, %v", made, err)
			}
		})
	}
	if _, err := signs(t.Context(), t, t.TempDir(), "true"); err == nil {
		t.Error("no error")
	}
}

func TestCommandSignEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := signs(ctx, t, t.TempDir(), "sleep 60 & sleep 60"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	made, err := signs(t.Context(), t, t.TempDir(), `cat "$1" > "$2"; sleep 60 &`)
	if err != nil || made != "image" {
		t.Errorf("%q, %v", made, err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	env := []string{"PATH=/bin", "LD_PRELOAD=x.so", "HOME=/root", "PKCS11_MODULE_PATH=/lib/p11.so", "TOKEN=secret", "PATHS=no"}
	if got, want := secureboot.Environment(env), []string{"PATH=/bin", "HOME=/root"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	got, want := secureboot.Environment(env, "PKCS11_MODULE_PATH", "UNSET"), []string{"PATH=/bin", "HOME=/root", "PKCS11_MODULE_PATH=/lib/p11.so"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := secureboot.Environment(nil); got == nil || len(got) > 0 {
		t.Errorf("of none: %q", got) // nil would be this process' own
	}
}

// TestCommandHidesEnvironment: what the caller did not name does not reach the program.
func TestCommandHidesEnvironment(t *testing.T) {
	t.Setenv("XBB_TOKEN", "secret")
	out := filepath.Join(t.TempDir(), "out")
	in := filepath.Join(t.TempDir(), "in")
	writeFile(t, in, []byte("image"))
	if err := (secureboot.Command{Argv: []string{"sh", "-c", `env > "$2"`, "sh"}}).SignFile(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil || strings.Contains(string(b), "XBB_TOKEN") || !strings.Contains(string(b), "PATH=") {
		t.Errorf("environment %q, %v", b, err)
	}
}

func TestSweepSigning(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	left := tmp + "/" + scratch.Prefix + "abcdefghijklmnopqrstuvwxyz"
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, left+"/image", nil)
	if removed, err := secureboot.SweepSigning(tmp); err != nil || len(removed) != 1 {
		t.Errorf("%q, %v", removed, err)
	}
}
