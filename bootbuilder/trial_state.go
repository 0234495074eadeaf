package bootbuilder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/proven"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// trial is what is known for any of these.
type trial struct {
	target Target
	unlock func()
	root   *nixroot.Root
	inv    *installed.Inventory
	conf   loaderConf
	fw     firmwareState
	record proven.Record
	was    []byte // the record's text; nil for none
	found  []generation.Generation
	world  world
}

func newTrial(ctx context.Context, target Target, m Machine) (*trial, error) {
	target, err := target.normal()
	if err != nil {
		return nil, err
	}
	t := &trial{target: target}
	if t.unlock, err = target.lock(ctx); err != nil {
		return nil, err
	}
	if err := t.read(m); err != nil {
		t.close()
		return nil, fileHint(err)
	}
	return t, nil
}

func (t *trial) read(m Machine) error {
	var err error
	if t.inv, err = readInventory(t.target); err != nil {
		return err
	}
	if t.conf, err = readLoaderConf(t.target); err != nil {
		return err
	}
	if t.record, t.was, err = readProven(t.target.Boot); err != nil {
		return err
	}
	current := ""
	if m.Root != "" {
		if t.root, err = nixroot.Open(m.Root); err != nil {
			return WithHint(err, rootHint)
		}
		system, err := generation.ReadSystem(t.root)
		if err != nil {
			return err
		}
		current = system.Current
		_, _, t.found = foundFor(system, t.inv, t.target, FromAuto)
	}
	t.fw, _ = readFirmware(m.EFIVars)
	t.world = worldOf(t.target, Options{Default: DefaultTry}, t.fw, t.inv, t.conf, current, t.found)
	return nil
}

func (t *trial) close() {
	if t.root != nil {
		t.root.Close()
	}
	t.unlock()
}

// input is all that decides, with what is proven.
func (t *trial) input() nextboot.Input {
	in := t.world.input
	in.Proven, in.Tried = proofs(t.record), t.record.Trial
	for i, g := range t.found {
		for _, e := range t.inv.Entries {
			if isEntryOf(e, g) && e.Broken == nil {
				in.Generations[i].Xen = e.Base()
			}
		}
	}
	return in
}

// booted is the toplevel of the running system, "" where that is not known.
func (t *trial) booted() string {
	if t.root == nil {
		return ""
	}
	return bootedSystem(t.root)
}

// bootedSystem is where NixOS notes which toplevel was booted.
func bootedSystem(root *nixroot.Root) string {
	const link = "/run/booted-system"
	toplevel, err := root.Resolve(link)
	if err != nil || toplevel == link {
		return ""
	}
	return toplevel
}

// write brings a record and loader.conf's text to the disk, as far as they differ.
func (t *trial) write(ctx context.Context, record proven.Record, conf []byte) (changed bool, err error) {
	c := transaction.Change{ESP: t.target.ESP, Boot: t.target.Boot}
	text, err := record.Encode()
	if err != nil {
		return false, err
	}
	if string(text) != string(t.was) && (t.was != nil || len(record.Proofs) > 0 || record.Trial != "") {
		c.Writes = append(c.Writes, provenWrite(t.target.Boot, text, t.was != nil))
	}
	if conf != nil && t.conf.changed(nextboot.Decision{Conf: conf}) {
		c.LoaderConf = &transaction.ConfChange{
			Place: transaction.Place{FS: t.target.ESP, Name: bootname.LoaderConf}, Before: t.conf.text, After: conf,
		}
	}
	if len(c.Writes) == 0 && c.LoaderConf == nil {
		return false, nil
	}
	steps, err := transaction.Plan(c)
	if err != nil {
		return false, err
	}
	_, err = steps.Run(ctx, transaction.Observer{})
	return err == nil, err
}

// takeBack writes the record as it was before something was put on trial that nothing will start now: else it would count as tried.
func takeBack(ctx context.Context, target Target, record proven.Record) error {
	text, err := record.Encode()
	if err != nil {
		return err
	}
	steps, err := transaction.Plan(transaction.Change{
		ESP: target.ESP, Boot: target.Boot, Writes: []transaction.Write{provenWrite(target.Boot, text, true)},
	})
	if err != nil {
		return err
	}
	_, err = steps.Run(context.WithoutCancel(ctx), transaction.Observer{})
	return err
}

// provenWrite is the record as a file for the transaction: one sector, overwritten in place.
func provenWrite(boot esp.FS, text []byte, exists bool) transaction.Write {
	return transaction.Write{
		Place: transaction.Place{FS: boot, Name: proven.File}, Kind: transaction.Entry,
		Size: int64(len(text)), Text: text, Exists: exists,
	}
}

// withTrial adds to a change the record of the toplevel that is on trial, or that none is any more.
func withTrial(
	c transaction.Change, armed arming, tried string, forget bool, record proven.Record, was []byte, today time.Time,
) (transaction.Change, error) {
	// The shot may be fired at the same name as before, and that name be another generation's: Nix gives numbers out again. Or
	// it was fired by the run on another ESP.
	news := tried != "" && (armed.value != "" || tried != record.Trial)
	if !news && !forget {
		return c, nil
	}
	now := record.Try("", "")
	if news {
		now = record.Try(tried, today.Format(time.DateOnly))
	}
	text, err := now.Encode()
	if err != nil {
		return c, err
	}
	if string(text) != string(was) {
		c.Writes = append(c.Writes, provenWrite(c.Boot, text, was != nil))
	}
	return c, nil
}

// readProven reads the record of what is proven.
func readProven(boot esp.FS) (proven.Record, []byte, error) {
	text, err := esp.ReadFile(boot, proven.File, maxLoaderConf)
	if errors.Is(err, fs.ErrNotExist) {
		return proven.Record{}, nil, nil
	}
	if err != nil {
		return proven.Record{}, nil, WithHint(err, "it says what has proven itself on trial, and nothing else depends on it: delete it")
	}
	return proven.Decode(text), text, nil
}

// isOdd reports whether it is something else that has the name of the record: that is left alone.
func isOdd(err error) bool {
	return errors.Is(err, esp.ErrTooLarge) || errors.Is(err, esp.ErrNotRegular)
}

func proofs(r proven.Record) []nextboot.Proof {
	var list []nextboot.Proof
	for _, p := range r.Proofs {
		list = append(list, nextboot.Proof{Toplevel: p.Toplevel, Date: p.Date, Entry: p.Entry})
	}
	return list
}

// runsXen reports whether this system is Xen's domain 0.
func runsXen(sys string) bool {
	kind, err := os.ReadFile(filepath.Join(sys, "hypervisor", "type"))
	if err != nil || strings.TrimSpace(string(kind)) != "xen" {
		return false
	}
	// Bit 0 of start_flags (SIF_PRIVILEGED) would say so, too; a domU has a UUID other than 0.
	uuid, err := os.ReadFile(filepath.Join(sys, "hypervisor", "uuid"))
	return err != nil || strings.Trim(strings.TrimSpace(string(uuid)), "0-") == ""
}
