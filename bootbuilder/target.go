package bootbuilder

import (
	"context"
	"errors"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Target is the pair of file systems that systemd-boot reads. Where there is no
// XBOOTLDR partition both are the same.
type Target struct {
	ESP  esp.FS // holds loader/loader.conf
	Boot esp.FS // $BOOT: entries, kernels, images; nil means that the ESP is $BOOT
	// Waiting is told once where another run has the lock for longer than a second: its process, 0 where
	// that is not known. It may be nil.
	Waiting func(pid int)
}

// NewTarget is a [Target]; a nil boot means that the ESP is $BOOT.
func NewTarget(espFS, boot esp.FS) Target { return Target{ESP: espFS, Boot: boot} }

// normal fills in what is left open, and refuses a target without an ESP.
func (t Target) normal() (Target, error) {
	if t.ESP == nil {
		return t, errors.New("no ESP is given")
	}
	if t.Boot == nil {
		t.Boot = t.ESP
	}
	return t, nil
}

// lockWait is how long a run waits for another to end.
const lockWait = 2 * time.Minute

// lock keeps other runs off both file systems. A killed run leaves no lock behind.
func (t Target) lock(ctx context.Context) (unlock func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	defer t.sayWaiting()()
	unlockBoot, err := t.Boot.Lock(waiting)
	if err != nil || t.ESP == t.Boot {
		return unlockBoot, lockHint(err)
	}
	unlockESP, err := t.ESP.Lock(waiting)
	if err != nil {
		unlockBoot()
		return nil, lockHint(err)
	}
	return func() { unlockESP(); unlockBoot() }, nil
}

// quietWait is how long a run waits for another without a word.
const quietWait = time.Second

// sayWaiting tells Waiting of a wait that lasts, until the returned function is called.
func (t Target) sayWaiting() (stop func()) {
	if t.Waiting == nil {
		return func() {}
	}
	timer := time.AfterFunc(quietWait, func() {
		pid := 0
		if d, ok := t.Boot.(interface{ LockHolder() int }); ok {
			pid = d.LockHolder()
		}
		t.Waiting(pid)
	})
	return func() { timer.Stop() }
}

func lockHint(err error) error {
	if errors.Is(err, context.Canceled) {
		return fileHint(err)
	}
	if errors.Is(err, esp.ErrLocked) {
		return WithHint(err, "wait until the other run is done, then try again")
	}
	return err
}
