package attack_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// racing is a file system in which the attacker moves before each operation.
type racing struct {
	esp.FS
	move func()
}

type racingFile struct {
	esp.File
	move func()
}

type racingWriter struct {
	esp.Writer
	move func()
}

func (r *racing) Open(name string) (esp.File, error) {
	r.move()
	f, err := r.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return racingFile{f, r.move}, nil
}

func (r *racing) Stat(name string) (fs.FileInfo, error) { r.move(); return r.FS.Stat(name) }

func (r *racing) ReadDir(name string) ([]fs.DirEntry, error) { r.move(); return r.FS.ReadDir(name) }

func (r *racing) Create(name string) (esp.Writer, error) { return r.writer(r.FS.Create(name)) }

func (r *racing) Update(name string) (esp.Writer, error) { return r.writer(r.FS.Update(name)) }

func (r *racing) writer(w esp.Writer, err error) (esp.Writer, error) {
	r.move()
	if err != nil {
		return nil, err
	}
	return racingWriter{w, r.move}, nil
}

func (r *racing) Rename(from, to string) error { r.move(); return r.FS.Rename(from, to) }

func (r *racing) Remove(name string) error { r.move(); return r.FS.Remove(name) }

func (f racingFile) Read(p []byte) (int, error) { f.move(); return f.File.Read(p) }

func (f racingFile) ReadAt(p []byte, off int64) (int, error) { f.move(); return f.File.ReadAt(p, off) }

func (w racingWriter) Write(p []byte) (int, error) { w.move(); return w.Writer.Write(p) }

func (w racingWriter) WriteAt(p []byte, off int64) (int, error) {
	w.move()
	return w.Writer.WriteAt(p, off)
}

func (w racingWriter) ReadAt(p []byte, off int64) (int, error) {
	w.move()
	return w.Writer.ReadAt(p, off)
}

func (w racingWriter) Close() error { w.move(); return w.Writer.Close() }

// race is what the attacker does at one moment of a run.
type race struct {
	name    string
	prepare func(m *machine)
	strike  func(m *machine)
}

// genuineInitrd is what generation 3's stub vouches for.
func (m *machine) genuineInitrd() []byte {
	top := m.tops["3"]
	return append(slices.Clone(top.System.Initrd), top.System.Secrets...)
}

// races are on a machine with signed stubs; generation 3's initrd is taken from the ESP, since its stub vouches for it.
func races() []race {
	evilInitrd := func(m *machine) []byte { return evil(len(m.genuineInitrd())) }
	forged := func(m *machine) []byte {
		return forgeStub(m.tops["3"].Init, "/"+m.stubs["3"].Kernel, m.tops["3"].System.Kernel, "/"+m.stubs["3"].Initrd, evilInitrd(m))
	}
	var genuineStub sync.Map
	return []race{
		// T1: what is being written is changed in place, before it is signed.
		{name: "T1 images in the making", strike: func(m *machine) { m.poison("EFI/Linux") }},
		{name: "T1 everything in the making", strike: func(m *machine) {
			for _, dir := range []string{"EFI/Linux", "EFI/xen", "loader/entries", "loader"} {
				m.poison(dir)
			}
		}},
		// T2: what is read twice is changed in between.
		{name: "T2 kernels and initrds", strike: func(m *machine) {
			for gen, s := range m.stubs {
				m.overwrite(s.Kernel, evil(len(m.tops[gen].System.Kernel)))
				m.overwrite(s.Initrd, evil(len(m.tops[gen].System.Initrd)+len(m.tops[gen].System.Secrets)))
			}
		}},
		{name: "T2 initrd by rename", strike: func(m *machine) {
			m.write("evil/initrd", evilInitrd(m))
			_ = os.Rename(filepath.Join(m.boot, "evil/initrd"), filepath.Join(m.boot, m.stubs["3"].Initrd))
		}},
		{name: "T2 initrd put back", prepare: func(m *machine) {
			m.overwrite(m.stubs["3"].Initrd, evilInitrd(m))
		}, strike: func(m *machine) {
			m.overwrite(m.stubs["3"].Initrd, m.genuineInitrd())
		}},
		// The stub that is read and the one whose signature is verified have to be the same bytes.
		{name: "T2 stub put back", prepare: func(m *machine) {
			genuineStub.Store(m, m.read(m.stubs["3"].Path))
			m.overwrite(m.stubs["3"].Path, forged(m))
			m.overwrite(m.stubs["3"].Initrd, evilInitrd(m))
		}, strike: func(m *machine) {
			stub, _ := genuineStub.Load(m)
			m.overwrite(m.stubs["3"].Path, stub.([]byte))
		}},
		{name: "T2 stub and initrd", strike: func(m *machine) {
			m.overwrite(m.stubs["3"].Path, forged(m))
			m.overwrite(m.stubs["3"].Initrd, evilInitrd(m))
		}},
	}
}

// overwrite changes a file in place: who has it open sees it.
func (m *machine) overwrite(name string, data []byte) {
	m.t.Helper()
	f, err := os.OpenFile(filepath.Join(m.boot, name), os.O_WRONLY, 0)
	m.must(err)
	_, err = f.WriteAt(data, 0)
	m.must(err)
	m.must(f.Truncate(int64(len(data))))
	m.must(f.Close())
}

// poison puts the attacker's bytes in place of every genuine kernel and initrd in the files of a directory.
func (m *machine) poison(dir string) {
	list, err := os.ReadDir(filepath.Join(m.boot, dir))
	if err != nil {
		return
	}
	for _, d := range list {
		name := filepath.Join(m.boot, dir, d.Name())
		data, err := os.ReadFile(name)
		if err != nil || d.IsDir() {
			continue
		}
		changed := false
		for _, top := range m.tops {
			for _, genuine := range [][]byte{top.System.Kernel, top.System.Initrd} {
				if at := bytes.Index(data, genuine); at >= 0 {
					copy(data[at:], evil(len(genuine)))
					changed = true
				}
			}
		}
		if !changed {
			continue
		}
		if f, err := os.OpenFile(name, os.O_WRONLY, 0); err == nil {
			_, _ = f.WriteAt(data, 0)
			_ = f.Close()
		}
	}
}

// newRaceMachine is a machine with signed stubs, on which a run with a key is about to start.
func newRaceMachine(t *testing.T) *machine {
	t.Helper()
	if !haveTool("sbsign") || !haveTool("sbverify") {
		t.Skip("sbsign or sbverify is missing")
	}
	m := newMachine(t, stubs)
	m.install()
	m.signed, m.options.Layout = true, bootbuilder.LayoutUnified
	return m
}

// judgeRace wants that no image with a byte of the attacker's verifies.
func (m *machine) judgeRace(when string) {
	m.t.Helper()
	for _, e := range m.xenEntries() {
		clean := !bytes.Contains(e.image, []byte(marker))
		if top := m.tops[m.nameOf(e.toplevel)]; clean && top != nil && checkImage(e, top) == nil {
			continue
		}
		if _, err := verifiesForTools(m.t, e.image); err == nil {
			m.t.Errorf("%s: %s has bytes of the attacker's, and is signed", when, e.imageName)
		}
	}
}

// TestRace has the attacker move once, at each moment of a run in turn: before each operation on the file system.
func TestRace(t *testing.T) {
	t.Parallel()
	for _, r := range races() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			struck := true
			moments := 0
			step := 1
			if testing.Short() {
				step = 67
			}
			for ; struck && !t.Failed(); moments += step {
				struck = r.at(t, moments)
			}
			if moments < 50 && !t.Failed() {
				t.Errorf("the run has %d moments: does the attacker see it?", moments)
			}
			t.Logf("%d moments", moments)
		})
	}
}

// at has the attacker move before one operation, and reports whether the run came that far.
func (r race) at(t *testing.T, moment int) (struck bool) {
	t.Helper()
	m := newRaceMachine(t)
	if r.prepare != nil {
		r.prepare(m)
	}
	n := 0
	m.wrap = func(fsys esp.FS) esp.FS {
		return &racing{fsys, func() {
			if n == moment {
				struck = true
				r.strike(m)
			}
			n++
		}}
	}
	_, _ = m.run() // that it fails is fine
	m.judgeRace(fmt.Sprintf("at moment %d", moment))
	return struck
}

// TestRaceGoroutine has the attacker move all the time, beside runs.
func TestRaceGoroutine(t *testing.T) {
	t.Parallel()
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		m := newRaceMachine(t)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
				}
				m.poison("EFI/Linux")
				for _, s := range []string{"3", "1"} {
					name := filepath.Join(m.boot, m.stubs[s].Initrd)
					_ = os.WriteFile(name, evil(len(m.tops[s].System.Initrd)+len(m.tops[s].System.Secrets)), 0o644)
					_ = os.WriteFile(name, append(slices.Clone(m.tops[s].System.Initrd), m.tops[s].System.Secrets...), 0o644)
				}
			}
		}()
		_, _ = m.run()
		close(stop)
		<-stopped
		m.judgeRace("at some moment")
	}
}
