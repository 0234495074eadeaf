package esp

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// MountState is what a directory is that is said to be a mount point.
type MountState int

// A directory's possible states.
const (
	Mounted   MountState = iota // a mount point
	Populated                   // no mount point, but it holds something
	Unmounted                   // no mount point, and empty
)

// CheckMount says whether dir is a mount point, and if not, whether it is empty.
// An empty one is most likely an ESP that failed to mount: what is written there ends
// up on the root file system, and hidden once the ESP is mounted.
func CheckMount(dir string) (MountState, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_BASIC_STATS, &st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
			return Mounted, nil
		}
	} else if other, err := otherDevice(dir, st); err != nil || other {
		return Mounted, err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		return Unmounted, nil
	}
	return Populated, nil
}

// otherDevice is the test for kernels before 5.8, which don't know STATX_ATTR_MOUNT_ROOT.
func otherDevice(dir string, st unix.Statx_t) (bool, error) {
	var up unix.Statx_t
	parent := filepath.Join(dir, "..")
	if err := unix.Statx(unix.AT_FDCWD, parent, 0, unix.STATX_BASIC_STATS, &up); err != nil {
		return false, &fs.PathError{Op: "stat", Path: parent, Err: err}
	}
	return up.Dev_major != st.Dev_major || up.Dev_minor != st.Dev_minor, nil
}

// WorldReadable reports whether every user of the machine may look into the directory: what a FAT mount's umask says.
func (d *Dir) WorldReadable() bool {
	var st unix.Stat_t
	return unix.Stat(d.dir, &st) == nil && st.Mode&0o005 == 0o005
}

// Device is the block device that a directory's file system is on, or "" where that can't be found: for messages.
func (d *Dir) Device() string {
	var st unix.Stat_t
	if err := unix.Stat(d.dir, &st); err != nil {
		return ""
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	return mountSource(string(table), unix.Major(st.Dev), unix.Minor(st.Dev))
}

// mountSource looks for a device in a table as proc_pid_mountinfo(5) describes it.
func mountSource(table string, major, minor uint32) string {
	number := fmt.Sprintf("%d:%d", major, minor)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		end := slices.Index(fields, "-") // of the optional fields; then come type and source
		if len(fields) > 3 && fields[2] == number && end > 0 && end+2 < len(fields) && strings.HasPrefix(fields[end+2], "/") {
			return fields[end+2]
		}
	}
	return ""
}
