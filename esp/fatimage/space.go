package fatimage

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Space counts the free clusters, less what unsynced changes take. An image that may
// not be written is an error (EROFS).
func (v *volume) Space() (esp.Space, error) {
	v.im.mu.Lock()
	defer v.im.mu.Unlock()
	if err := unix.Access(v.im.path, unix.W_OK); err != nil {
		return esp.Space{}, v.fail("write to", ".", syscall.EROFS)
	}
	return esp.Space{Free: max(v.free-v.taken, 0), Total: v.fat.Size(), Cluster: v.fat.ClusterSize()}, nil
}

// take books room for a change. What a directory grows by is not booked: whether there is room
// for that too mtools finds out, on the copy.
func (v *volume) take(bytes int64) error {
	if bytes > v.free-v.taken {
		return syscall.ENOSPC
	}
	v.taken += bytes
	return nil
}
