package fatimage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/internal/program"
)

// checkTools reports a missing mtools before there is work to lose.
func checkTools() error {
	for _, tool := range []string{"mcopy", "mdel", "mmd", "mrd"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("writing to an image takes mtools (the package has that name in Debian and in nixpkgs): %w", err)
		}
	}
	return nil
}

// mtools runs the tools on one file system in an image file.
type mtools struct {
	ctx    context.Context
	image  string // without symbolic links
	offset int64  // of the file system, in bytes
}

// maxArguments bounds the bytes of names handed to one process, well below what Linux allows.
const maxArguments = 64 << 10

// each runs a tool on names, in as few processes as their number allows; after is what
// follows them. dir is the directory of the host to start in.
func (m mtools) each(dir, tool string, options, names []string, after ...string) error {
	// mtools takes what is behind "@@" for an offset, and looks for the first: seen from where
	// the run starts, the image's name has only parts of our own making.
	image, err := filepath.Rel(dir, m.image)
	if err != nil {
		return err
	}
	for len(names) > 0 {
		n, size := 0, 0
		for n < len(names) && (n == 0 || size+len(names[n]) < maxArguments) {
			size += len(names[n]) + 1
			n++
		}
		args := append([]string{tool, "-i", fmt.Sprintf("%s@@%d", image, m.offset)}, options...)
		args = append(append(args, names[:n]...), after...)
		if err := m.run(dir, args); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

// run runs a tool. It ends with m.ctx, and with this process.
func (m mtools) run(dir string, args []string) error {
	_, err := program.Program{Argv: args, Env: environment(os.Environ()), Dir: dir}.Run(m.ctx)
	if err == nil {
		return nil
	}
	if m.ctx.Err() != nil {
		return fmt.Errorf("%s: %w", args[0], m.ctx.Err())
	}
	var failed *program.Error
	if !errors.As(err, &failed) {
		return err
	}
	said := "it gave no reason"
	if failed.Output != "" {
		said = shorten(failed.Output)
	}
	if full := fullDisk(failed.Output); full != nil {
		return fmt.Errorf("%s: %s: %w", args[0], said, full)
	}
	return fmt.Errorf("%s: %s: %w", args[0], said, failed.Err)
}

// fullDisk finds mtools' words for a full disk, or for a FAT12 or FAT16 root directory that is full.
func fullDisk(output string) error {
	for _, words := range []string{"Disk full", "No directory slots"} {
		if strings.Contains(output, words) {
			return syscall.ENOSPC
		}
	}
	return nil
}

// shorten keeps the start of what a tool said, on one line.
func shorten(s string) string {
	const limit = 300
	s = strings.ReplaceAll(s, "\n", "; ")
	if len(s) > limit {
		s = s[:limit] + "…"
	}
	return s
}

// environment is that of the caller, less what would make mtools behave otherwise than here.
func environment(env []string) []string {
	var list []string
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		switch {
		case strings.HasPrefix(name, "MTOOLS"), strings.HasPrefix(name, "LC_"), name == "LANG":
		case name == "SOURCE_DATE_EPOCH":
			if t, ok := stampable(value); ok {
				list = append(list, name+"="+t, "TZ=UTC0")
			}
		default:
			list = append(list, e)
		}
	}
	// The check is of the disk's geometry, which images need not have.
	return append(list, "MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=1", "MTOOLS_NO_VFAT=0", "MTOOLS_NAME_NUMERIC_TAIL=1",
		// Names are UTF-8. Where that locale is missing, what is read back shows it, and the image stays as it was.
		"LC_ALL=C.UTF-8")
}

// stampable brings a time into what FAT can say; mtools wraps 1970 round to 2098.
func stampable(epoch string) (string, bool) {
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return "", false
	}
	first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	last := time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC).Unix()
	return strconv.FormatInt(min(max(seconds, first), last), 10), true
}
