package esp

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LockHolder is the process that holds [Dir.Lock], or 0 where that can't be found: for messages.
func (d *Dir) LockHolder() int {
	f, err := d.root.Open(".")
	if err != nil {
		return 0
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0
	}
	table, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	return lockHolder(string(table), unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
}

// lockHolder looks for a file in a table as proc_locks(5) describes it. A process of another PID namespace
// has the number 0 there, and one that waits has an arrow.
func lockHolder(table string, major, minor uint32, inode uint64) int {
	file := fmt.Sprintf("%02x:%02x:%d", major, minor, inode)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}
