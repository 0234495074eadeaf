package crashfs

import (
	"errors"
	"io/fs"
	"math"
	"slices"
	"syscall"
)

// ErrPowerCut is what every operation returns once the power is cut.
var ErrPowerCut = errors.New("power cut")

// Machine is file systems that lose power at once. It is for one goroutine.
type Machine struct {
	mounts []*FS
	log    []Op

	cutAt   int // index into log; -1 for never
	halfway bool
	off     bool

	failAt int // index into log; -1 for never
	failTo int // the last one; math.MaxInt for all from there on
	errno  syscall.Errno
}

// NewMachine is a machine without file systems.
func NewMachine() *Machine { return &Machine{cutAt: -1, failAt: -1} }

// Mount adds an empty file system; dir is what its Path starts with.
func (m *Machine) Mount(dir string, g Geometry) *FS {
	f := &FS{machine: m, dir: dir, geometry: g, disk: newDisk()}
	m.mounts = append(m.mounts, f)
	return f
}

// FS is the n'th file system that was mounted, from 0.
func (m *Machine) FS(n int) *FS { return m.mounts[n] }

// Clone copies the machine with all that is pending, but with an empty log, power, and no fault set.
func (m *Machine) Clone() *Machine {
	c := NewMachine()
	for _, f := range m.mounts {
		g := c.Mount(f.dir, f.geometry)
		g.disk, g.readOnly = f.disk.clone(), f.readOnly
	}
	return c
}

// Op is one operation, as it was asked for.
type Op struct {
	Kind OpKind
	Path string // with the file system's dir in front
}

// OpKind says what an operation does.
type OpKind string

// The operations.
const (
	OpOpen    OpKind = "open"
	OpRead    OpKind = "read"
	OpStat    OpKind = "stat"
	OpReadDir OpKind = "readdir"
	OpSpace   OpKind = "statfs"
	OpClose   OpKind = "close" // of a file that was written
	OpCreate  OpKind = "create"
	OpWrite   OpKind = "write"
	OpSync    OpKind = "fsync"
	OpRename  OpKind = "rename"
	OpRemove  OpKind = "remove"
	OpMkdir   OpKind = "mkdir"
	OpSyncDir OpKind = "fsyncdir"
	OpSyncFS  OpKind = "syncfs"

	OpAllocate OpKind = "fallocate"
	OpTruncate OpKind = "ftruncate"
	OpSend     OpKind = "sync_file_range"
)

// Writes reports whether the operation changes what is, or may be, on the disk.
func (k OpKind) Writes() bool {
	return slices.Contains([]OpKind{
		OpCreate, OpWrite, OpSync, OpRename, OpRemove, OpMkdir, OpSyncDir, OpSyncFS,
		OpAllocate, OpTruncate, OpSend,
	}, k)
}

// syncs reports whether the operation only brings to the disk what was there to be seen before.
func (k OpKind) syncs() bool { return k == OpSync || k == OpSyncDir || k == OpSyncFS || k == OpSend }

// Log lists all operations so far.
func (m *Machine) Log() []Op { return m.log }

// CutAt cuts the power at the operation that will be the n'th in the log, from 0: before it or, with
// halfway, in the middle of it. Half of a write's sectors are written then. Of the others, one that
// changes names is as good as done, since it is pending anyhow; one that syncs is as good
// as not done, since it may have got to nothing yet.
func (m *Machine) CutAt(n int, halfway bool) { m.cutAt, m.halfway = n, halfway }

// FailAt makes only the operation that will be the n'th in the log fail.
func (m *Machine) FailAt(n int, errno syscall.Errno) { m.failAt, m.failTo, m.errno = n, n, errno }

// FailWritesFrom makes every operation that writes fail from the n'th in the log on, as if the
// file system had been remounted read-only.
func (m *Machine) FailWritesFrom(n int, errno syscall.Errno) {
	m.failAt, m.failTo, m.errno = n, math.MaxInt, errno
}

// begin notes an operation. With half it is to be done by half, and err returned all the same.
func (m *Machine) begin(f *FS, kind OpKind, name string) (half bool, err error) {
	n := len(m.log)
	m.log = append(m.log, Op{kind, f.Path(name)})
	switch {
	case m.off:
		err = ErrPowerCut
	case n == m.cutAt:
		m.off = true
		half, err = m.halfway && kind.Writes() && !kind.syncs(), ErrPowerCut
	case m.failAt >= 0 && n >= m.failAt && n <= m.failTo && (m.failAt == m.failTo || kind.Writes()):
		err = m.errno
	}
	if err != nil {
		err = &fs.PathError{Op: string(kind), Path: f.Path(name), Err: err}
	}
	return half, err
}
