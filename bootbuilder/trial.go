package bootbuilder

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/efivars"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/proven"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Machine is the running system, as far as a trial concerns it. Its directories are handed in.
type Machine struct {
	Root    string // root directory of its NixOS: "/"
	EFIVars string // efivarfs: "/sys/firmware/efi/efivars"
	Sys     string // sysfs: "/sys"
	Today   time.Time
}

// BlessReport says what was blessed.
type BlessReport struct {
	Schema     int    `json:"schema"`
	Entry      string `json:"entry"` // the id that was started
	Toplevel   string `json:"toplevel"`
	XenVersion string `json:"xenVersion,omitempty"`
	Changed    bool   `json:"changed"` // it was not the default, or not proven, before
	Next       *Start `json:"next,omitempty"`
}

// Bless says of the entry that was started that it has proven itself: it is recorded so on $BOOT, and
// becomes the default. It is for dom0, once that is up, and does nothing the second time.
func Bless(ctx context.Context, target Target, m Machine) (*BlessReport, error) {
	t, err := newTrial(ctx, target, m)
	if err != nil {
		return nil, err
	}
	defer t.close()
	blessing, err := nextboot.Bless(nextboot.BlessInput{
		Input: t.input(), UnderXen: runsXen(m.Sys), Selected: t.fw.selected, Booted: t.booted(), Today: m.Today.Format(time.DateOnly),
	})
	if err != nil {
		return nil, refusal(err)
	}
	proof := blessing.Proof
	record := t.record
	if len(record.Proofs) == 0 || record.Proofs[0].Toplevel != proof.Toplevel {
		record = record.Bless(proven.Proof{Toplevel: proof.Toplevel, Date: proof.Date, Entry: proof.Entry})
	}
	if record.Trial == proof.Toplevel {
		record.Trial, record.Since = "", ""
	}
	changed, err := t.write(ctx, record, blessing.Decision.Conf)
	if err != nil {
		return nil, fileHint(err)
	}
	next := startOf(blessing.Decision.Next)
	return &BlessReport{
		Schema: ReportSchema, Entry: blessing.Entry.ID(), Toplevel: proof.Toplevel,
		XenVersion: factsOf(t.found[blessing.Generation]).XenVersion, Changed: changed,
		Next: &next,
	}, nil
}

// refusal gives a refusal the hint that it carries.
func refusal(err error) error {
	var r *nextboot.Refusal
	if errors.As(err, &r) && r.Hint != "" {
		return WithHint(err, r.Hint)
	}
	return err
}

// IsRefusal reports whether [Bless], [Try] or [SetDefault] did nothing because there was nothing for it on this target, as opposed to
// something that failed.
func IsRefusal(err error) bool {
	var r *nextboot.Refusal
	return errors.As(err, &r)
}

// TryReport says what was put on trial.
type TryReport struct {
	Schema int    `json:"schema"`
	Entry  string `json:"entry"`
	Value  string `json:"value"` // of LoaderEntryOneShot
	Then   Start  `json:"then"`  // what starts after that
}

// Try starts an entry once, at the next boot only. id is one that [List] shows, NixOS' or ours, or the number of a
// generation, which stands for its Xen entry.
func Try(ctx context.Context, target Target, m Machine, id string) (*TryReport, error) {
	t, err := newTrial(ctx, target, m)
	if err != nil {
		return nil, err
	}
	defer t.close()
	e, value, err := nextboot.Try(t.numbered(id), t.world.input.Before, t.world.input.Version)
	if err != nil {
		return nil, refusal(err)
	}
	noted := e.Kind.Ours() && e.Toplevel != ""
	if noted {
		if _, err := t.write(ctx, t.record.Try(e.Toplevel, m.Today.Format(time.DateOnly)), nil); err != nil {
			return nil, fileHint(err)
		}
	}
	if err := efivars.At(m.EFIVars).SetOneShot(value); err != nil {
		err = armHint(err)
		if noted {
			err = errors.Join(err, takeBack(ctx, t.target, t.record))
		}
		return nil, err
	}
	vars := t.world.input.Vars
	vars.OneShot = ""
	then := nextboot.Starts(t.conf.text, vars, t.world.input.Before, t.world.input.Version)
	return &TryReport{
		Schema: ReportSchema, Entry: e.ID(), Value: value,
		Then: startOf(then),
	}, nil
}

// numbered is the Xen entry of a generation of the system profile, given by its number; any other id stays.
func (t *trial) numbered(id string) string {
	number, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return id
	}
	for _, g := range t.found {
		if g.Name.Generation != number || g.Name.Profile != "" || g.Name.Specialisation != "" {
			continue
		}
		return ownEntry(g, t.world.input.Before, id)
	}
	return id
}

// ownEntry is the id of a generation's Xen entry: the one with its name, else one that starts its toplevel and is not an
// extra entry. Where there is none it is what without says.
func ownEntry(g generation.Generation, menu []nextboot.Entry, without string) string {
	id := without
	for _, e := range menu {
		switch {
		case !e.Kind.Ours() || e.Toplevel == "" || e.Toplevel != g.Toplevel:
		case isOwn(g, e.File):
			return e.ID()
		case id == without && variantIn(idOf(e.File)) == "":
			id = e.ID()
		}
	}
	return id
}

// armHint says what the user can do where LoaderEntryOneShot can't be written.
func armHint(err error) error {
	if err == nil {
		return nil
	}
	return WithHint(fmt.Errorf("write LoaderEntryOneShot: %w", err),
		"it takes root, a system started by systemd-boot, and efivarfs mounted writable; the entry can be chosen in the menu, too")
}

// SetDefault makes loader.conf start an entry: one that [List] shows, NixOS' or ours. The next install decides anew, by its
// [DefaultMode].
func SetDefault(ctx context.Context, target Target, id string) error {
	t, err := newTrial(ctx, target, Machine{})
	if err != nil {
		return err
	}
	defer t.close()
	e, _, err := nextboot.Try(id, t.world.input.Before, t.world.input.Version)
	if err != nil {
		return refusal(err)
	}
	conf := esp.ParseLoaderConf(t.conf.text)
	keys := []string{"default"}
	if _, ok := conf.Get("preferred"); ok { // newer systemd-boots take that first
		keys = append(keys, "preferred")
	}
	for _, key := range keys {
		if err := conf.Set(key, nextboot.ValueFor(e)); err != nil {
			return err
		}
	}
	_, err = t.write(ctx, t.record, conf.Bytes())
	return fileHint(err)
}
