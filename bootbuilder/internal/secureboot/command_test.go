package secureboot_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

func TestCommandSigns(t *testing.T) {
	t.Parallel()
	db := people().db
	key, cert := db.write(t)
	need(t, "sbsign")
	in, out := filepath.Join(t.TempDir(), "in.efi"), filepath.Join(t.TempDir(), "out.efi")
	writeFile(t, in, smallImage("hello"))
	// sbsign wants its output named by a flag: users write such a line.
	program := secureboot.Command{Argv: []string{
		"sh", "-c", `exec sbsign --key "$0" --cert "$1" --output "$3" "$2"`, key, cert,
	}}
	if err := program.SignFile(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	signed, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(signed, db.cert); err != nil {
		t.Error(err)
	}
}

func TestCommandFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		script string
		want   []string
	}{
		{"exit status and what it said", `echo one; echo PIN wrong >&2; exit 3`, []string{"exit status 3", "one", "PIN wrong"}},
		{"the end of what it said", `seq 100000 >&2; exit 1`, []string{"99999\n100000"}},
		{"nothing written", `echo all is well >&2`, []string{"wrote nothing", "all is well"}},
		{"empty output", `: > "$2"`, []string{"is empty"}},
		{"output is a directory", `mkdir "$2"`, []string{"not a file"}},
		{"output is a symlink", `ln -s "$1" "$2"`, []string{"not a file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in, out := filepath.Join(t.TempDir(), "in.efi"), filepath.Join(t.TempDir(), "out.efi")
			writeFile(t, in, []byte("image"))
			err := secureboot.Command{Argv: []string{"sh", "-c", c.script, "sh"}}.SignFile(t.Context(), in, out)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(c.want, in) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %q", want, err)
				}
			}
			if len(err.Error()) > 4096 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestCommandRefuses(t *testing.T) {
	t.Parallel()
	in, leftover := filepath.Join(t.TempDir(), "in.efi"), filepath.Join(t.TempDir(), "out.efi")
	writeFile(t, in, []byte("image"))
	writeFile(t, leftover, []byte("signed last time"))

	if err := (secureboot.Command{Argv: []string{"true"}}).SignFile(t.Context(), in, leftover); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an output that is there already: %v", err)
	}
	if err := (secureboot.Command{}).SignFile(t.Context(), in, leftover+".new"); err == nil {
		t.Error("no program: no error")
	}
	missing := secureboot.Command{Argv: []string{"no-such-signing-program"}}
	if err := missing.SignFile(t.Context(), in, leftover+".new"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestCommandIsCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	started := time.Now()
	err := secureboot.Command{Argv: []string{"sh", "-c", "exec sleep 60"}}.SignFile(ctx, "in", filepath.Join(t.TempDir(), "out"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(started); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}
