package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Install locks $BOOT, makes a plan and applies it: what the command's install does.
// The plan is returned wherever one could be made, so that it can be reported.
func Install(ctx context.Context, target Target, options Options, observer Observer) (*Plan, error) {
	unlock, err := lockWaiting(ctx, target)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p, err := NewPlan(ctx, target, options)
	if err != nil {
		return nil, err
	}
	return p, p.Apply(ctx, observer)
}

// Check says, without writing, what would keep [Plan.Apply] from succeeding: no room, a
// read-only file system, or a default generation that can't be built.
func (p *Plan) Check() error {
	if _, err := p.checkSpace(); err != nil {
		return fileHint(err)
	}
	return p.Failed()
}

// Apply brings $BOOT in line with the plan. At any moment, and after a crash at any
// moment, every entry names files that are whole:
//
//  1. Everything new is written and synced under staged names; nothing else changes.
//     What fails up to here leaves all as it was.
//  2. Payload gets its names, then entries, then loader.conf; each directory is synced
//     before what relies on it.
//  3. Only then stale entries go, then stale payload.
//
// Where that can't fit and dropping what is stale first makes it fit, loader.conf leaves
// the stale entries first, and step 3 comes before step 1.
//
// ctx ending stops the run at the next point where that is safe.
func (p *Plan) Apply(ctx context.Context, observer Observer) error {
	if !p.Changes() {
		return p.Failed()
	}
	a := &applier{plan: p, observer: observer}
	if err := a.run(ctx); err != nil {
		return fileHint(err)
	}
	return p.Failed()
}

type applier struct {
	plan     *Plan
	observer Observer
	staged   []stagedFile
	made     []string // directories this run made, outermost first
	done     int64    // bytes written
	total    int64
	dirty    bool
}

// stagedFile is written and synced, and waits for its name.
type stagedFile struct {
	fsys       esp.FS
	temp, name string
	kind       FileKind
}

func (a *applier) run(ctx context.Context) error {
	p := a.plan
	for _, l := range p.stock.staged {
		a.observer.step("remove %s, left by a run that was cut off", l.path())
		if err := l.fsys.Remove(l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		a.dirty = true
	}
	dropFirst, err := p.checkSpace()
	if err != nil {
		return err
	}
	if dropFirst {
		if err := a.leaveStale(); err != nil {
			return err
		}
		if err := a.removeStale(ctx); err != nil {
			return err
		}
	}
	if err := a.stageAll(ctx); err != nil {
		a.rollBack()
		return err
	}
	if err := a.commit(); err != nil {
		a.rollBack()
		return err
	}
	if !dropFirst {
		if err := a.removeStale(ctx); err != nil {
			return err
		}
	}
	return a.sync()
}

// sync brings both file systems to the disk. systemd-boot-builder's own sync came before us.
func (a *applier) sync() error {
	p := a.plan
	if !a.dirty {
		return nil
	}
	if err := p.target.Boot.Sync(); err != nil {
		return err
	}
	if p.target.ESP != p.target.Boot {
		return p.target.ESP.Sync()
	}
	return nil
}

// stageAll writes everything new under staged names.
func (a *applier) stageAll(ctx context.Context) error {
	p := a.plan
	for _, f := range p.writes {
		a.total += f.size
	}
	for _, f := range p.writes {
		if err := a.mkdir(path.Dir(f.name)); err != nil {
			return err
		}
		if err := a.stage(ctx, p.target.Boot, f); err != nil {
			return err
		}
	}
	if p.loader.changes() {
		if err := esp.MkdirAll(p.target.ESP, path.Dir(loaderConf)); err != nil {
			return err
		}
		f := textFile(p.target.ESP, loaderConf, KindLoaderConf, p.loader.after)
		return a.stage(ctx, p.target.ESP, f)
	}
	return ctx.Err()
}

func (a *applier) stage(ctx context.Context, fsys esp.FS, f *file) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.observer.step("write %s (%s)", fsys.Path(f.name), FormatSize(f.size))
	temp, err := esp.Stage(fsys, path.Dir(f.name), len(a.staged), func(w esp.Writer) error {
		if a.observer.Progress != nil {
			w = &progressWriter{Writer: w, a: a, name: fsys.Path(f.name)}
		}
		return f.write(ctx, w)
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", fsys.Path(f.name), err)
	}
	a.dirty = true
	a.staged = append(a.staged, stagedFile{fsys, temp, f.name, f.kind})
	return nil
}

// mkdir makes a directory and those above it, and remembers which are new.
func (a *applier) mkdir(dir string) error {
	boot := a.plan.target.Boot
	var missing []string
	for d := dir; d != "."; d = path.Dir(d) {
		if _, err := boot.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append(missing, d)
	}
	slices.Reverse(missing)
	a.made = append(a.made, missing...)
	return esp.MkdirAll(boot, dir)
}

// commit gives what is staged its names: payload, entries, loader.conf.
func (a *applier) commit() error {
	phases := []func(FileKind) bool{
		func(k FileKind) bool { return k != KindEntry && k != KindLoaderConf },
		func(k FileKind) bool { return k == KindEntry },
		func(k FileKind) bool { return k == KindLoaderConf },
	}
	for _, in := range phases {
		var directories []directory
		for i := range a.staged {
			s := &a.staged[i]
			if !in(s.kind) {
				continue
			}
			if err := s.fsys.Rename(s.temp, s.name); err != nil {
				return err
			}
			s.temp = ""
			directories = addDirectory(directories, s.fsys, path.Dir(s.name))
		}
		if err := syncDirectorys(directories); err != nil {
			return err
		}
	}
	return nil
}

// directory is a directory with unsynced changes.
type directory struct {
	fsys esp.FS
	name string
}

func addDirectory(list []directory, fsys esp.FS, name string) []directory {
	f := directory{fsys, name}
	if slices.Contains(list, f) {
		return list
	}
	return append(list, f)
}

func syncDirectorys(list []directory) error {
	for _, f := range list {
		if err := f.fsys.SyncDir(f.name); err != nil {
			return err
		}
	}
	return nil
}

// rollBack removes what is staged and not in place yet, and directories made for it. What
// has its name already stays: each such file is whole, and the next run finds it so.
func (a *applier) rollBack() {
	for _, s := range a.staged {
		if s.temp != "" {
			_ = s.fsys.Remove(s.temp)
		}
	}
	for _, dir := range slices.Backward(a.made) {
		_ = a.plan.target.Boot.Remove(dir) // fails where it is not empty, rightly
	}
}

// leaveStale points loader.conf away from entries that are about to go.
func (a *applier) leaveStale() error {
	p := a.plan
	if p.loader.conf == nil {
		return nil
	}
	conf := esp.ParseLoaderConf(p.loader.before)
	for _, k := range p.loader.keys {
		if p.goesAway(k.from) {
			if err := conf.Set(k.key, p.giveBack(nil)); err != nil {
				return err
			}
		}
	}
	if string(conf.Bytes()) == string(p.loader.before) {
		return nil
	}
	a.observer.step("point %s away from entries that go", p.target.ESP.Path(loaderConf))
	if err := esp.WriteBytes(p.target.ESP, loaderConf, conf.Bytes()); err != nil {
		return err
	}
	a.dirty = true
	return p.target.ESP.SyncDir(path.Dir(loaderConf))
}

// removeStale removes entries, then the payload that none needs any more.
func (a *applier) removeStale(ctx context.Context) error {
	p := a.plan
	var entries, payload []string
	for _, e := range p.stale.entries {
		if e.entry != "" {
			entries = append(entries, e.entry)
		}
	}
	payload = append(payload, p.stale.payload...)
	for _, names := range [][]string{entries, payload} {
		var directories []directory
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			a.observer.step("remove %s", p.target.Boot.Path(name))
			if err := p.target.Boot.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			a.dirty = true
			directories = addDirectory(directories, p.target.Boot, path.Dir(name))
		}
		if err := syncDirectorys(directories); err != nil {
			return err
		}
	}
	if len(payload) > 0 || len(p.stock.staged) > 0 {
		_ = p.target.Boot.Remove(payloadDir) // only goes where it is empty
	}
	return nil
}
