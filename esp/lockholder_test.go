package esp

import (
	"context"
	"os"
	"strings"
	"testing"
)

func TestLockHolder(t *testing.T) {
	t.Parallel()
	const table = `1: POSIX  ADVISORY  WRITE 312 08:01:131 0 EOF
2: FLOCK  ADVISORY  WRITE 4711 103:01:2 0 EOF
2: -> FLOCK  ADVISORY  WRITE 4712 103:01:2 0 EOF
3: FLOCK  ADVISORY  WRITE 0 08:02:9 0 EOF
4: FLOCK  ADVISORY  WRITE 77 fd:00:10 0 EOF
`
	for _, c := range []struct {
		major, minor uint32
		inode        uint64
		want         int
	}{
		{0x103, 1, 2, 4711}, {8, 1, 131, 0}, {8, 2, 9, 0}, {0xfd, 0, 10, 77}, {0xfd, 0, 1, 0},
	} {
		if got := lockHolder(table, c.major, c.minor, c.inode); got != c.want {
			t.Errorf("%x:%x:%d: %d, want %d", c.major, c.minor, c.inode, got, c.want)
		}
	}
}

func TestLockHolderIsThisProcess(t *testing.T) {
	t.Parallel()
	d, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if pid := d.LockHolder(); pid != 0 {
		t.Errorf("held by %d, and nobody holds it", pid)
	}
	unlock, err := d.Lock(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if table, err := os.ReadFile("/proc/locks"); err != nil || !strings.Contains(string(table), "FLOCK") {
		t.Skipf("/proc/locks says nothing of flock(2) here: %v", err)
	}
	if pid := d.LockHolder(); pid != os.Getpid() && pid != 0 {
		t.Errorf("held by %d, want %d", pid, os.Getpid())
	}
}
