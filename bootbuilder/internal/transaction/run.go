package transaction

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Observer is told what a run does; the zero value listens to nothing.
type Observer struct {
	// Step is called before each step.
	Step func(Step)
	// Progress is called while payload is written: so many bytes of all, and the file in hand.
	Progress func(done, total int64, at Place)
}

// Run takes the steps. It returns what was really done, also with an error. ctx ending stops it at the next point where
// that is safe. What fails before the first entry is changed leaves all entries as they were, and removes what was
// made for them.
func (s *Steps) Run(ctx context.Context, observer Observer) (Record, error) {
	r := &runner{steps: s, observer: observer, files: make(map[Place]esp.Writer), heads: make(map[Place]*headLater)}
	err := r.run(ctx)
	return r.record, err
}

type runner struct {
	steps    *Steps
	observer Observer
	record   Record
	files    map[Place]esp.Writer
	heads    map[Place]*headLater
	made     []Place // files that this run made and no entry needs yet
	making   []Place // what there is of a directory in the making, itself too
	held     []io.Closer
	dropped  esp.Held // the last of held that was dropped
	written  int64    // of steps.total
}

func (r *runner) run(ctx context.Context) error {
	for _, s := range r.steps.list {
		err := error(nil)
		if s.safe {
			err = ctx.Err()
		}
		if err == nil {
			if r.observer.Step != nil {
				r.observer.Step(s)
			}
			start := time.Now()
			err = r.step(ctx, s)
			r.record.Steps = append(r.record.Steps, Done{s, time.Since(start), err})
		}
		if err != nil {
			r.giveUp(s.phase)
			return hinted(err, s.Place.FS)
		}
	}
	return r.close()
}

func (r *runner) step(ctx context.Context, s Step) error {
	fsys, name := s.Place.FS, s.Place.Name
	switch s.Op {
	case OpDrop:
		return r.drop(s.Place)
	case OpRelease:
		return r.release()
	case OpSpace:
		return r.checkSpace(s)
	case OpMkdir:
		err := fsys.Mkdir(name)
		if err == nil {
			r.making = append(r.making, s.Place)
		}
		return err
	case OpLengthen:
		return lengthen(s.Place, s.Size)
	case OpRename:
		return r.rename(s)
	case OpHold:
		f, err := fsys.Open(name)
		if missing(err) {
			return nil
		}
		if err == nil {
			r.held = append(r.held, f)
		}
		return err
	case OpCreate:
		at := s.Place
		if s.At != "" {
			at.Name = s.At
			r.making = append(r.making, at)
		}
		f, err := fsys.Create(at.Name)
		if err == nil {
			r.files[s.Place] = f
			r.made = append(r.made, s.Place)
		}
		return err
	case OpUpdate:
		if r.files[s.Place] != nil {
			return nil
		}
		f, err := fsys.Update(name)
		if err == nil {
			r.files[s.Place] = f
		}
		return err
	case OpSyncDir:
		return fsys.SyncDir(name)
	case OpSyncHeld:
		return r.dropped.Sync()
	case OpFlushTables:
		return fsys.FlushTables()
	case OpFlush:
		return fsys.Flush()
	case OpWritable:
		_, err := fsys.Space()
		return err
	case OpSync:
		return fsys.Sync()
	}
	f := r.files[s.Place]
	if f == nil {
		return fmt.Errorf("%s is not open", s.Place.Path())
	}
	return r.onFile(ctx, s, f)
}

// onFile does what takes an open file.
func (r *runner) onFile(ctx context.Context, s Step, f esp.Writer) error {
	switch s.Op {
	case OpAllocate:
		return f.Allocate(s.Size)
	case OpStart:
		return f.StartSend()
	case OpSend:
		return f.Send()
	case OpSyncFile:
		return f.Sync()
	case OpFill:
		return r.fill(ctx, s, f)
	case OpHead:
		_, err := f.WriteAt(r.heads[s.Place].head[:], 0)
		if err == nil {
			r.record.wrote(s.Place, esp.SectorSize)
		}
		return err
	case OpBlank, OpPatch:
		n, err := f.WriteAt(s.Text, s.Offset)
		r.record.Bytes += int64(n)
		if err == nil && s.Op == OpPatch {
			r.record.wrote(s.Place, 0)
			r.record.LoaderConf = max(r.record.LoaderConf, s.conf)
		}
		if err == nil && s.Op == OpBlank && s.phase == phaseLeave {
			r.record.Blanked = append(r.record.Blanked, s.Place)
		}
		return err
	}
	return fmt.Errorf("unknown step: %v", s)
}

// drop removes a name, and holds what it was for.
func (r *runner) drop(at Place) error {
	info, err := at.FS.Stat(at.Name)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		// Nobody looks into it any more; where somebody put something there, it stays.
		list, err := at.FS.ReadDir(at.Name)
		if err != nil || len(list) > 0 {
			return err
		}
	}
	if f := r.files[at]; f != nil {
		defer func() { r.held, r.files[at] = append(r.held, f), nil }()
	}
	f, err := at.FS.Drop(at.Name)
	if err != nil {
		return err
	}
	r.held, r.dropped = append(r.held, f), f
	if IsUnfinished(at.Name) {
		r.making = slices.DeleteFunc(r.making, func(m Place) bool { return m == at })
	} else {
		r.record.Removed = append(r.record.Removed, at)
	}
	return nil
}

func (r *runner) release() error {
	var errs []error
	for _, f := range r.held {
		errs = append(errs, f.Close())
	}
	r.held = nil
	return errors.Join(errs...)
}

func (r *runner) checkSpace(s Step) error {
	space, err := s.Place.FS.Space()
	if err != nil {
		return err
	}
	free := space.Free + s.Later
	if free >= s.Size {
		return nil
	}
	var items []SpaceItem
	for _, a := range r.steps.spaces {
		if a.fsys == s.Place.FS {
			items = a.items
		}
	}
	full := newSpaceError(s.Place.FS, s.Size, free, items)
	full.Changed = s.phase > phaseClear
	return full
}

func (r *runner) rename(s Step) error {
	to := Place{s.Place.FS, s.To}
	if err := to.FS.Rename(s.Place.Name, s.To); err != nil {
		return err
	}
	if s.phase == phaseDirectories {
		r.moved(s.Place, to)
		if IsUnfinished(to.Name) {
			return nil
		}
		r.record.Directories = append(r.record.Directories, to)
		return nil
	}
	r.record.moved(s.Place, to)
	r.record.LoaderConf = max(r.record.LoaderConf, s.conf)
	return nil
}

// moved notes where a directory in the making is now, and what is in it; at its place it is not in the making any more.
func (r *runner) moved(from, to Place) {
	var still []Place
	for _, m := range r.making {
		rest, ok := strings.CutPrefix(m.Name, from.Name)
		switch {
		case !ok || m.FS != from.FS || rest != "" && rest[0] != '/':
			still = append(still, m)
		case IsUnfinished(to.Name):
			still = append(still, Place{m.FS, to.Name + rest})
		}
	}
	r.making = still
}

// fill writes a file's content, for an image all but its first sector.
func (r *runner) fill(ctx context.Context, s Step, f esp.Writer) error {
	to := &counted{Writer: f, ctx: ctx, r: r, at: s.Place}
	w := esp.Writer(to)
	if s.write.headLater() {
		to.end = esp.SectorSize
		head := &headLater{Writer: to}
		r.heads[s.Place] = head
		w = head
	}
	if err := s.write.fill(ctx, w); err != nil {
		return fmt.Errorf("write %s: %w", s.Place.Path(), err)
	}
	// What was allocated and not used would be cut off whenever the kernel forgets the file.
	if to.end < s.Size {
		if err := f.Truncate(to.end); err != nil {
			return err
		}
	}
	r.record.Bytes += to.bytes
	if !s.write.headLater() {
		r.record.wrote(s.Place, 0)
	}
	return nil
}

// counted counts what is written, and stops once ctx has ended.
type counted struct {
	esp.Writer
	ctx        context.Context
	r          *runner
	at         Place
	pos        int64
	end, bytes int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.WriteAt(b, c.pos)
	c.pos += int64(n)
	return n, err
}

func (c *counted) WriteAt(b []byte, off int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.Writer.WriteAt(b, off)
	c.end = max(c.end, off+int64(n))
	c.bytes += int64(n)
	c.r.written += int64(n)
	if p := c.r.observer.Progress; p != nil {
		p(min(c.r.written, c.r.steps.total), c.r.steps.total, c.at)
	}
	return n, err
}

// lengthen makes names in a directory and takes them away again. They are as long as mtools takes them on a FAT with
// clusters of 512 bytes, and differ in their first letters: vfat looks for a short name of its own for each.
func lengthen(dir Place, size int64) error {
	const letters, number = 14 * slotLetters, 6
	per := slots(strings.Repeat("0", letters)) * slotSize
	var list []string
	for n := int64(0); n*per < size-per; n++ {
		list = append(list, path.Join(dir.Name, fmt.Sprintf("%0*d%s", number, n, strings.Repeat("0", letters-number))))
	}
	remove := func() error {
		var errs []error
		for _, name := range list {
			if err := dir.FS.Remove(name); err != nil && !missing(err) {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
	for _, name := range list {
		f, err := dir.FS.Create(name)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			_ = remove()
			return err
		}
	}
	err := remove()
	if err != nil {
		_ = remove()
	}
	return err
}

// giveUp leaves things in order after a failure: files that no entry needs are removed, and nothing is released before
// its name is off the disk. What can't be done now is done by the next run.
func (r *runner) giveUp(at phase) {
	if at < phaseEntries {
		for i := len(r.making) - 1; i >= 0; i-- {
			_ = r.making[i].FS.Remove(r.making[i].Name) // nothing leads there
		}
		for _, m := range r.made {
			if err := r.drop(m); err == nil {
				r.record.unmade(m)
			}
		}
	}
	flushed := true
	for _, a := range r.steps.spaces {
		flushed = a.fsys.Flush() == nil && flushed
	}
	// What could not be brought off the disk is held for as long as the process lives: that is as good as it gets.
	if flushed {
		_ = r.release()
		_ = r.close()
	}
}

// close closes what was written. All of it is on the disk by now.
func (r *runner) close() error {
	var errs []error
	for at, f := range r.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
		delete(r.files, at)
	}
	return errors.Join(errs...)
}

// hintedError is an error with a word on what the user can do.
type hintedError struct {
	error
	hint string
}

func (h hintedError) Unwrap() error { return h.error }

// Hint says what the user can do.
func (h hintedError) Hint() string { return h.hint }

// hinted says what the user can do about a file system that Linux found damaged.
func hinted(err error, fsys esp.FS) error {
	fsck := esp.Fsck(fsys)
	switch {
	case errors.Is(err, syscall.EROFS):
		return hintedError{err, "the partition is mounted read-only: Linux does that to a FAT that it finds damaged; unmount it, run " + fsck + ", mount it, and run again"}
	case errors.Is(err, syscall.EIO):
		return hintedError{err, "the disk or the file system is failing: look at dmesg, unmount the partition, run " + fsck + ", and have a second way to boot"}
	}
	return err
}
