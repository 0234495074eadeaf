package bootbuilder

import (
	"context"
	"errors"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// lockWait is how long a run waits for another to end.
const lockWait = 2 * time.Minute

// Lock keeps other runs off both file systems. A killed run leaves no lock behind.
func Lock(ctx context.Context, target Target) (unlock func(), err error) {
	unlockBoot, err := target.Boot.Lock(ctx)
	if err != nil || target.ESP == target.Boot {
		return unlockBoot, lockHint(err)
	}
	unlockESP, err := target.ESP.Lock(ctx)
	if err != nil {
		unlockBoot()
		return nil, lockHint(err)
	}
	return func() { unlockESP(); unlockBoot() }, nil
}

func lockWaiting(ctx context.Context, target Target) (unlock func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	return Lock(waiting, target)
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
