package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFindESP(t *testing.T) {
	t.Parallel()
	inNamespace(t, func() error {
		for _, c := range []struct {
			name      string
			mounted   map[string][]string // places, and the directories in them
			plain     map[string][]string // places that are no mount points
			closed    string              // a mount point that only root may look into; an ordinary user looks
			esp, boot string
		}{
			{name: "nothing is there"},
			{name: "an ESP", mounted: map[string][]string{"boot": {"EFI", "loader/entries"}}, esp: "boot"},
			{name: "the first", mounted: map[string][]string{"efi": {"EFI"}, "boot/efi": {"EFI"}}, esp: "efi"},
			{name: "not a mount point", plain: map[string][]string{"efi": {"EFI"}, "boot": {"EFI"}}},
			{name: "a mount point of something else", mounted: map[string][]string{"boot": {"grub"}, "boot/efi": {"EFI"}}, esp: "boot/efi"},
			{name: "XBOOTLDR", mounted: map[string][]string{"efi": {"EFI", "loader"}, "boot": {"loader/entries"}}, esp: "efi", boot: "boot"},
			{name: "only for root", mounted: map[string][]string{"boot": {"EFI", "loader"}}, closed: "boot", esp: "boot"},
			{name: "one of two only for root", mounted: map[string][]string{"efi": {"EFI"}, "boot": {"EFI"}}, closed: "efi", esp: "boot"},
			{name: "another boot partition", mounted: map[string][]string{"efi": {"EFI"}, "boot": {"grub"}}, esp: "efi"},
		} {
			root := t.TempDir()
			var places []string
			for _, name := range []string{"efi", "boot", "boot/efi"} {
				dir := filepath.Join(root, name)
				places = append(places, dir)
				list, mounted := c.mounted[name]
				if !mounted {
					list = c.plain[name]
				}
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
				if mounted {
					if err := mountTmpfs(dir, 1<<20, 0); err != nil {
						return err
					}
				}
				for _, sub := range list {
					if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
						return err
					}
				}
			}
			letThrough(t, filepath.Join(root, "efi"))
			if c.closed != "" {
				if err := os.Chmod(filepath.Join(root, c.closed), 0o700); err != nil {
					return err
				}
				_, err := unix.SetfsuidRetUid(nobody) // of this thread alone
				if err != nil {
					return err
				}
			}
			gotESP, gotBoot := findESP(places)
			if _, err := unix.SetfsuidRetUid(0); err != nil {
				return err
			}
			want := func(name string) string {
				if name == "" {
					return ""
				}
				return filepath.Join(root, name)
			}
			if gotESP != want(c.esp) || gotBoot != want(c.boot) {
				t.Errorf("%s: found %q and %q, want %q and %q", c.name, gotESP, gotBoot, c.esp, c.boot)
			}
		}
		if espDir, boot := findESP([]string{filepath.Join(t.TempDir(), "missing")}); espDir+boot != "" {
			return fmt.Errorf("found %q and %q where nothing is", espDir, boot)
		}
		return nil
	})
}
