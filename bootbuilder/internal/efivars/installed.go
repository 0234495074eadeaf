package efivars

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// maxLoader bounds what is searched of a boot loader, in bytes: systemd-boot has about 100 kB.
const maxLoader = 4 << 20

// marker stands in front of the version in every systemd-boot, in its section .sdmagic;
// bootctl finds it so too.
const (
	marker    = "#### LoaderInfo: "
	markerEnd = " ####"
)

// Installed is what the systemd-boot on an ESP calls itself, "systemd-boot 252.39", or "" where there is
// none. EFI/systemd has it under its own name, EFI/BOOT as what firmware starts by itself.
func Installed(fsys esp.FS) (string, error) {
	for _, dir := range []string{"EFI/systemd", "EFI/BOOT"} {
		list, err := fsys.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		for _, e := range list {
			name := strings.ToLower(e.Name())
			if e.IsDir() || !strings.HasSuffix(name, ".efi") || !strings.HasPrefix(name, "systemd-boot") && !strings.HasPrefix(name, "boot") {
				continue
			}
			info, err := loaderInfo(fsys, path.Join(dir, e.Name()))
			if err != nil || info != "" {
				return info, err
			}
		}
	}
	return "", nil
}

// loaderInfo is the text behind the marker in a file, or "".
func loaderInfo(fsys esp.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxLoader))
	if err != nil {
		return "", &fs.PathError{Op: "read", Path: fsys.Path(name), Err: err}
	}
	for {
		_, after, ok := bytes.Cut(b, []byte(marker))
		if !ok {
			return "", nil
		}
		info, _, ok := bytes.Cut(after[:min(len(after), 200)], []byte(markerEnd))
		if ok && strings.HasPrefix(string(info), "systemd-boot ") && strings.IndexFunc(string(info), notPrintable) < 0 {
			return string(info), nil
		}
		b = after
	}
}

func notPrintable(r rune) bool { return r < 0x20 || r > 0x7e }
